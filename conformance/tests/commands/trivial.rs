//! Servers that are no gateways at all get the right verdict and exit code: none is believed, and none makes the suite hang or fail.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::LazyLock,
    time::Duration,
};

use crate::{called, code, complained, file, folder, said};

/// Serves on a port of its own in this way, for as long as the tests run.
fn server(serve: impl Fn(&mut TcpStream, &[u8]) -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
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

fn always(status: &'static str) -> String {
    server(move |stream, _| {
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        false
    })
}

/// A layout with little patience, so that what hangs does not hold the tests up.
fn like() -> &'static str {
    // Written once: a file that is being written again is empty for whoever reads it then.
    static LIKE: LazyLock<String> = LazyLock::new(|| {
        let text = "name = \"any\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\nroutes = [\"/mcp/{server}\"]\n\
                [credentials]\nkey-header = \"x-key\"\n[deadlines]\nanswer-ms = 500\n[start]\ncommand = [\"true\"]\n[ready]\npath = \"/\"\n";
        file("like", "implementation.toml", text);
        folder("like").display().to_string()
    });
    &LIKE
}

/// What a run of it says; it must be a failure, and nobody else's.
fn judged(url: &str) -> String {
    let output = called(&["run", url, "--like", like()]);
    assert_eq!(output.status.code(), Some(1), "{}", complained(&output));
    assert!(said(&output).contains("result        failure"), "{}", said(&output));
    said(&output)
}

/// What `smoke` says to look at.
fn diagnosed(url: &str) -> String {
    let output = called(&["smoke", url, "--like", like()]);
    assert_eq!(output.status.code(), Some(1), "{}", complained(&output));
    said(&output)
}

#[test]
fn always_200_is_not_believed() {
    let url = always("200 OK");
    assert!(
        judged(&url)
            .contains("the positive control got 200, but its tools/list never reached alpha")
    );
    assert!(diagnosed(&url).contains("the gateway responded without a request to alpha"));
}

#[test]
fn always_401_is_a_closed_door_and_not_a_strict_one() {
    let url = always("401 Unauthorized");
    assert!(judged(&url).contains("the positive control got 401"));
    assert!(
        diagnosed(&url).contains(
            "the gateway rejected the caller; check that it expects its key in `x-key: …`"
        )
    );
}

#[test]
fn always_502_never_comes_through() {
    let url = always("502 Bad Gateway");
    assert!(judged(&url).contains("the positive control got 502"));
    assert!(diagnosed(&url).contains("the request did not reach alpha"));
}

#[test]
fn an_echo_is_no_answer() {
    let url = server(|stream, heard| {
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            heard.len()
        );
        let _ = stream.write_all(heard);
        false
    });
    assert!(judged(&url).contains("never reached alpha"));
}

#[test]
fn one_that_hangs_does_not_hang_the_suite() {
    let url = server(|_, _| true);
    assert!(judged(&url).contains("no answer within the suite's deadline"));
    assert!(diagnosed(&url).contains("there was no response in time"));
}

#[test]
fn one_that_closes_gives_no_answer() {
    let url = server(|stream, _| {
        let _ = stream.shutdown(Shutdown::Both);
        false
    });
    assert!(judged(&url).contains("the positive control got no status"));
    assert!(diagnosed(&url).contains("nothing answers at the base URL"));
}

#[test]
fn one_that_never_starts_is_3() {
    let never = |test: &str, command: &str| {
        let text = format!(
            "name = \"{test}\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\nroutes = [\"/mcp/{{server}}\"]\n\
             [credentials]\nkey-header = \"x-key\"\n[start]\ncommand = {command}\n[ready]\npath = \"/\"\nwithin-s = 1\n"
        );
        file(test, "implementation.toml", &text);
        folder(test).display().to_string()
    };
    for folder in [
        never("ends", "[\"false\"]"),
        never("sleeps", "[\"sleep\", \"60\"]"),
        never("missing", "[\"no-such-program\"]"),
    ] {
        assert_eq!((code(&["run", &folder]), code(&["smoke", &folder])), (3, 3), "{folder}");
    }
}
