//! The binary as its users meet it: what it prints, and which exit code says what.

mod binary;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use binary::{called, code, command, complained, file, folder, said};
use mcp_preflight_conformance::judge::run_file::Run;

/// A description of an implementation that is started with this command.
fn description(test: &str, command: &str) -> String {
    let text = format!(
        "name = \"{test}\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\nroutes = [\"/mcp/{{server}}\"]\n\
         [credentials]\nkey-header = \"x-key\"\n[deadlines]\nanswer-ms = 300\n\
         [start]\ncommand = {command}\n[ready]\npath = \"/\"\nwithin-s = 1\n"
    );
    file(test, "implementation.toml", &text);
    folder(test).display().to_string()
}

/// Ports differ from run to run; secrets do not, because the seed is given.
fn redacted(text: &str) -> String {
    let (first, rest) = text.split_once("127.0.0.1:").unwrap_or((text, ""));
    let rest = rest.split("127.0.0.1:").map(|part| {
        format!("127.0.0.1:PORT{}", part.trim_start_matches(|c: char| c.is_ascii_digit()))
    });
    if text.contains("127.0.0.1:") {
        first.to_owned() + &rest.collect::<String>()
    } else {
        text.to_owned()
    }
}

#[test]
fn help_says_what_there_is() {
    insta::assert_snapshot!("help", said(&called(&["--help"])));
    insta::assert_snapshot!("help_run", said(&called(&["run", "--help"])));
    assert_eq!(code(&["--help"]), 0);
}

#[test]
fn a_command_line_that_is_wrong_is_2() {
    for arguments in [
        &["fly"][..],
        &["run", "--jobs", "0"],
        &["run", "nosuchgateway"],
        &["run", "builtin:nothing"],
        &["run", "builtin:defect/nothing"],
        &["run", "url:gateway"],
        &["run", "--strategy", "hope"],
        &["run", "litellm", "--strategy", "probe"],
        &["run", "--where", "colour=red"],
        &["run", "--only", "["],
        &["run", "--baseline", "/nonexistent/baseline.toml"],
        &["run", "--no-baseline", "--baseline", "x"],
        &["report", "/nonexistent/run.jsonl"],
        &["explain", "nothing-of-the-kind"],
    ] {
        let output = called(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!complained(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn nothing_selected_is_6() {
    assert_eq!(code(&["run", "--only", "nothing-matches"]), 6);
    assert_eq!(code(&["run", "--where", "method=nothing"]), 6);
}

#[test]
fn list_and_explain_answer() {
    for what in ["requirements", "matrix-cases", "scenarios", "behaviours", "implementations"] {
        let output = called(&["list", what]);
        assert_eq!(output.status.code(), Some(0), "{what}");
        assert!(said(&output).lines().count() > 2, "{what}");
    }
    assert!(said(&called(&["list"])).contains("STA-05"));
    insta::assert_snapshot!("explain_requirement", said(&called(&["explain", "sta-05"])));
    insta::assert_snapshot!("explain_verdict", said(&called(&["explain", "untestable"])));
    insta::assert_snapshot!("explain_behaviour", said(&called(&["explain", "401-bare"])));
    let matrix_case = "key-and-token / forwarding / 403-bare+oauth / tools-list / /mcp/{server} / probe / seed / 2025-11-25";
    let explained = said(&called(&["explain", matrix_case]));
    assert!(explained.contains("rule `forbidden-is-403` for STA-05"), "{explained}");
}

#[test]
fn a_run_as_expected_is_0() {
    let only = "key-and-token / forwarding / 403-bare+oauth / tools-list / /mcp/{server} / *";
    let output = called(&["run", "--random-seed", "7", "--only", only]);
    insta::assert_snapshot!("report_of_a_pass", redacted(&said(&output)));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_failure_is_1_and_shown_on_both_faces() {
    let run = [
        "run",
        "builtin:defect/403-as-401",
        "--random-seed",
        "7",
        "--only",
        "STA-05",
        "--where",
        "method=tools-*",
    ];
    let output = called(&run);
    insta::assert_snapshot!("report_of_a_failure", redacted(&said(&output)));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_known_failure_is_0_and_a_stale_entry_is_5() {
    let entry = "[[expected-failure]]\nrequirement = \"STA-05\"\nverdict = \"fail\"\nreason = \"turns 403 into 401\"\n";
    let baseline = file("baseline", "baseline.toml", entry);
    let run = [
        "run",
        "builtin:defect/403-as-401",
        "--only",
        "STA-05",
        "--where",
        "method=tools-list",
        "--baseline",
        &baseline,
    ];
    assert_eq!(code(&run), 0);
    let output = called(&["run", "--strategy", "deferred", "--baseline", &baseline]);
    assert_eq!(output.status.code(), Some(5));
    assert!(said(&output).contains("STALE  STA-05  fail  turns 403 into 401"));
    let without_reason =
        file("baseline", "without-reason.toml", &entry.replace("turns 403 into 401", ""));
    assert_eq!(code(&["run", "--baseline", &without_reason]), 2);
}

#[test]
fn an_implementation_that_does_not_start_is_3() {
    assert_eq!(code(&["run", &description("ends-at-once", "[\"false\"]")]), 3);
    assert_eq!(code(&["run", &description("never-ready", "[\"sleep\", \"60\"]")]), 3);
}

/// Answers every request on a port of its own in this way, for as long as the tests run.
fn server(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            match answer {
                Some(answer) => _ = stream.write_all(answer.as_bytes()),
                None => open.push(stream),
            }
        }
    });
    format!("url:http://{address}")
}

#[test]
fn a_full_disk_is_the_suite_s_trouble_and_no_verdict() {
    let part = [
        "run",
        "--only",
        "STA-05",
        "--where",
        "method=tools-list",
        "--strategy",
        "probe",
        "--profile",
        "seed",
    ];
    // Every write to it fails for want of space; it is there on Linux alone.
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let output = called(&[&part[..], &["--output", "/dev/full"]].concat());
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(said(&output), "", "nothing is reported of a run that was not kept");
    assert!(
        complained(&output).contains("/dev/full could not be written: No space left"),
        "{}",
        complained(&output)
    );
    assert!(complained(&output).contains("--output"), "{}", complained(&output));
}

#[test]
fn a_server_that_always_says_200_is_not_believed() {
    let says = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let output = called(&["run", &server(Some(says)), "--like", "builtin:reference"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output)
            .contains("the positive control got 200, but its tools/list never reached alpha"),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains("result        failure"));
}

#[test]
fn a_server_that_hangs_is_a_failure_and_not_a_hang() {
    let like = description("hangs", "[\"true\"]");
    let output = called(&["run", &server(None), "--like", &like]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("no answer within the suite's deadline"),
        "{}",
        said(&output)
    );
}

fn started(arguments: &[&str], piped: impl FnOnce(&mut Command)) -> Child {
    let mut command = command(arguments);
    piped(&mut command);
    command.spawn().expect("the binary runs")
}

fn interrupt(child: &Child) {
    let id = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .expect("a running process has an id");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it is ours");
}

#[test]
fn an_interrupted_run_leaves_a_whole_file_that_says_so() {
    let path = folder("interrupted").join("run.jsonl");
    let path = path.to_str().expect("a plain path");
    let mut child = started(&["run", "--output", path], |command| {
        _ = command.stderr(Stdio::piped()).stdout(Stdio::null())
    });
    let stderr = child.stderr.take().expect("it is piped");
    let begun = BufReader::new(stderr)
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("strategy "));
    assert!(begun.is_some());
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let file = std::fs::File::open(path).expect("there is a file");
    assert!(Run::read(BufReader::new(file)).expect("it is whole").interrupted);
    assert_eq!(code(&["report", path]), 130);
}

#[test]
fn a_run_file_reports_again_and_a_cut_one_is_refused() {
    let path = folder("again").join("run.jsonl");
    let path = path.to_str().expect("a plain path");
    let first = called(&["run", "--only", "STA-05", "--strategy", "deferred", "--output", path]);
    let again = called(&["report", path]);
    assert_eq!((said(&first), first.status.code()), (said(&again), again.status.code()));
    let whole = std::fs::read_to_string(path).expect("there is a file");
    let cut = file("again", "cut.jsonl", &whole[..whole.len() - 20]);
    let refused = called(&["report", &cut]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(complained(&refused).contains("cut short"), "{}", complained(&refused));
}

#[test]
fn the_fleet_says_what_to_configure_and_serves_until_interrupted() {
    let mut child = started(&["upstreams"], |command| _ = command.stdout(Stdio::piped()));
    let stdout = child.stdout.take().expect("it is piped");
    let lines: Vec<String> = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("Ctrl-C"))
        .collect();
    assert!(
        lines.iter().any(|line| line.contains("alpha"))
            && lines.iter().any(|line| line.contains("minted at http://"))
    );
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
