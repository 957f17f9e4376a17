//! Servers that are not gateways: each one fails the run, and none makes the suite hang or fail.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::Output,
    sync::LazyLock,
    time::Duration,
};

use crate::{command, exit_code, stderr, stdout, test_folder, write_file};

/// Starts a server that answers each request with `serve` until the tests end.
///
/// `serve` returns whether the connection stays open.
fn server(serve: impl Fn(&mut TcpStream, &[u8]) -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("the listener is bound");
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 8192];
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let read = stream.read(&mut head).unwrap_or_default();
            if serve(&mut stream, &head[..read]) {
                open.push(stream);
            }
        }
    });
    format!("url:http://{address}")
}

fn always_answers(status: &'static str) -> String {
    server(move |stream, _| {
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: \
             2\r\nconnection: close\r\n\r\n{{}}"
        );
        false
    })
}

/// A description with a short deadline, so that a server that hangs does not delay the tests.
fn description() -> &'static str {
    // Written once, because a concurrent test must not read a file that is being written.
    static DESCRIPTION: LazyLock<String> = LazyLock::new(|| {
        let text = "name = \"any\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\n\
                kind = \"forwarding-gateway\"\n\
                features = [\"sessionless-requests\", \"token-forwarding\"]\n\
                routes = [\"/mcp/{server}\"]\n\
                [credentials]\nkey-header = \"x-key\"\n[deadlines]\nanswer-ms = 500\n\
                [start]\ncommand = [\"true\"]\n[ready]\npath = \"/\"\n";
        write_file("description", "implementation.toml", text);
        test_folder("description").display().to_string()
    });
    &DESCRIPTION
}

/// The output of a command for this URL, in a folder of its own for the plan file.
fn output_at(url: &str, subcommand: &str) -> Output {
    let folder = tempfile::tempdir().expect("the folder can be created");
    command(&[subcommand, url, "--like", description(), "--wait", "0"])
        .current_dir(folder.path())
        .output()
        .expect("the command runs")
}

/// The report of a run, which must fail.
fn failing_run(url: &str) -> String {
    let output = output_at(url, "run");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("result        failure"), "{}", stdout(&output));
    stdout(&output)
}

/// The output of `smoke`, which must fail.
fn failing_smoke(url: &str) -> String {
    let output = output_at(url, "smoke");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_server_that_always_answers_200_fails_the_positive_control() {
    let url = always_answers("200 OK");
    assert!(failing_run(&url).contains(
        "the positive control got 200, but its tools/list and tools/call never reached alpha"
    ));
    assert!(failing_smoke(&url).contains("the gateway responded without a request to alpha"));
}

#[test]
fn a_server_that_always_answers_401_fails_the_positive_control() {
    let url = always_answers("401 Unauthorized");
    assert!(failing_run(&url).contains("the positive control got 401"));
    assert!(
        failing_smoke(&url).contains(
            "the gateway rejected the caller; check that it expects its key in `x-key: …`"
        )
    );
}

#[test]
fn a_server_that_always_answers_502_fails_the_positive_control() {
    let url = always_answers("502 Bad Gateway");
    assert!(failing_run(&url).contains("the positive control got 502"));
    assert!(failing_smoke(&url).contains("the request did not reach alpha"));
}

#[test]
fn a_server_that_echoes_the_request_fails_the_positive_control() {
    let url = server(|stream, request| {
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: \
             {}\r\nconnection: close\r\n\r\n",
            request.len()
        );
        let _ = stream.write_all(request);
        false
    });
    assert!(failing_run(&url).contains("never reached alpha"));
}

#[test]
fn a_server_that_hangs_does_not_make_the_suite_hang() {
    let url = server(|_, _| true);
    assert!(failing_run(&url).contains("no response within the suite's deadline"));
    assert!(failing_smoke(&url).contains("there was no response in time"));
}

#[test]
fn a_server_that_closes_each_connection_fails_the_positive_control() {
    let url = server(|stream, _| {
        let _ = stream.shutdown(Shutdown::Both);
        false
    });
    assert!(failing_run(&url).contains("the positive control got no status"));
    assert!(failing_smoke(&url).contains("nothing answers at the base URL"));
}

#[test]
fn an_implementation_that_does_not_start_is_exit_code_3() {
    let description = |test: &str, command: &str| {
        let text = format!(
            "name = \"{test}\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\n\
             kind = \"forwarding-gateway\"\n\
             features = [\"gateway-keys\", \"token-forwarding\"]\n\
             routes = [\"/mcp/{{server}}\"]\n[credentials]\nkey-header = \"x-key\"\n\
             [start]\ncommand = {command}\n[ready]\npath = \"/\"\nwithin-s = 1\n"
        );
        write_file(test, "implementation.toml", &text);
        test_folder(test).display().to_string()
    };
    for folder in [
        description("ends", "[\"false\"]"),
        description("sleeps", "[\"sleep\", \"60\"]"),
        description("missing", "[\"no-such-program\"]"),
    ] {
        assert_eq!(
            (exit_code(&["run", &folder]), exit_code(&["smoke", &folder])),
            (3, 3),
            "{folder}"
        );
    }
}
