//! The command from the outside: help, exit codes and the terminal report.

mod binary;
mod redaction;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

use binary::{command, exit_code, output_of, stderr, stdout, test_folder, write_file};
use mcp_preflight_conformance::judge::run_file::Run;
use redaction::without_unjudged_counts;

/// Writes the description of an implementation that is started with this command.
fn description(test: &str, command: &str) -> String {
    let text = format!(
        "name = \"{test}\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\n\
         kind = \"forwarding-gateway\"\n\
         features = [\"gateway-keys\", \"token-forwarding\"]\n\
         routes = [\"/mcp/{{server}}\"]\n\
         [credentials]\nkey-header = \"x-key\"\n[deadlines]\nanswer-ms = 300\n\
         [start]\ncommand = {command}\n[ready]\npath = \"/\"\nwithin-s = 1\n"
    );
    write_file(test, "implementation.toml", &text);
    test_folder(test).display().to_string()
}

/// The text without ports, which differ from run to run. Secrets do not: the random seed is given.
fn without_ports(text: &str) -> String {
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
fn help_lists_commands_options_and_exit_codes() {
    insta::assert_snapshot!("help", stdout(&output_of(&["--help"])));
    insta::assert_snapshot!("help_run", stdout(&output_of(&["run", "--help"])));
    assert_eq!(exit_code(&["--help"]), 0);
}

#[test]
fn an_invalid_command_line_is_exit_code_2() {
    for arguments in [
        &["no-such-command"][..],
        &["run", "--jobs", "0"],
        &["run", "nosuchgateway"],
        &["run", "builtin:nothing"],
        &["run", "builtin:defect/nothing"],
        &["run", "url:gateway"],
        &["run", "--strategy", "no-such-strategy"],
        &["run", "litellm", "--strategy", "probe"],
        &["run", "--where", "colour=red"],
        &["run", "--where", "method"],
        &["run", "--baseline", "/nonexistent/baseline.toml"],
        &["run", "--no-baseline", "--baseline", "x"],
        &["report", "/nonexistent/run.jsonl"],
        &["explain", "nothing-of-the-kind"],
    ] {
        let output = output_of(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn filters_that_select_nothing_are_exit_code_6() {
    assert_eq!(exit_code(&["run", "--only", "nothing-matches"]), 6);
    assert_eq!(exit_code(&["run", "--where", "method=nothing"]), 6);
}

#[test]
fn list_and_explain_print_what_is_asked_for() {
    for subject in [
        "requirements",
        "matrix-cases",
        "scenarios",
        "behaviours",
        "implementations",
        "disclosure",
    ] {
        let output = output_of(&["list", subject]);
        assert_eq!(output.status.code(), Some(0), "{subject}");
        assert!(stdout(&output).lines().count() > 2, "{subject}");
    }
    assert!(stdout(&output_of(&["list"])).contains("STA-05"));
    insta::assert_snapshot!("explain_requirement", stdout(&output_of(&["explain", "sta-05"])));
    insta::assert_snapshot!("explain_verdict", stdout(&output_of(&["explain", "untestable"])));
    insta::assert_snapshot!("explain_behaviour", stdout(&output_of(&["explain", "401-bare"])));
    let matrix_case = "key-and-token / forwarding / 403-bare+oauth / tools-list / /mcp/{server} / \
        probe / seed / 2025-11-25";
    let explained = stdout(&output_of(&["explain", matrix_case]));
    assert!(explained.contains("rule `forbidden-is-403` for STA-05"), "{explained}");
}

#[test]
fn a_run_as_expected_is_exit_code_0() {
    let only = "key-and-token / forwarding / 403-bare+oauth / tools-list / /mcp/{server} / *";
    let output = output_of(&["run", "--random-seed", "7", "--only", only]);
    let report = without_unjudged_counts(&without_ports(&stdout(&output)));
    insta::assert_snapshot!("report_of_a_pass", report);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_unexpected_failure_is_exit_code_1_and_shown_in_full() {
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
    let output = output_of(&run);
    let report = without_unjudged_counts(&without_ports(&stdout(&output)));
    insta::assert_snapshot!("report_of_a_failure", report);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_expected_failure_is_exit_code_0_and_a_stale_entry_is_exit_code_5() {
    let entry = "[[expected-failure]]\nrequirement = \"STA-05\"\nverdict = \"fail\"\nreason \
        = \"turns 403 into 401\"\n";
    let baseline = write_file("baseline", "baseline.toml", entry);
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
    assert_eq!(exit_code(&run), 0);
    let output = output_of(&["run", "--strategy", "deferred", "--baseline", &baseline]);
    assert_eq!(output.status.code(), Some(5));
    assert!(stdout(&output).contains("STALE  STA-05  fail  turns 403 into 401"));
    let without_reason =
        write_file("baseline", "without-reason.toml", &entry.replace("turns 403 into 401", ""));
    assert_eq!(exit_code(&["run", "--baseline", &without_reason]), 2);
}

#[test]
fn an_implementation_that_does_not_start_is_exit_code_3() {
    assert_eq!(exit_code(&["run", &description("ends-at-once", "[\"false\"]")]), 3);
    assert_eq!(exit_code(&["run", &description("never-ready", "[\"sleep\", \"60\"]")]), 3);
}

/// Starts a server that gives every request this answer, or none, until the tests end.
fn server(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("the listener is bound");
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
fn a_full_disk_is_exit_code_4_and_no_report() {
    let filters = [
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
    // Every write to this device fails because the disk is full. Only Linux has it.
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let output = output_of(&[&filters[..], &["--output", "/dev/full"]].concat());
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(stdout(&output), "", "a run that was not recorded has no report");
    assert!(
        stderr(&output).contains("/dev/full could not be written: No space left"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("--output"), "{}", stderr(&output));
}

/// Runs the suite against a URL, without waiting, in a folder in which the plan file is new.
fn run_at_url(url: &str, like: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder can be created");
    command(&["run", url, "--like", like, "--wait", "0"])
        .current_dir(folder.path())
        .output()
        .expect("the command runs")
}

#[test]
fn a_server_that_always_answers_200_fails_the_positive_control() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \
        2\r\nConnection: close\r\n\r\n{}";
    let output = run_at_url(&server(Some(answer)), "builtin:reference");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains(
            "the positive control got 200, but its tools/list and tools/call never reached alpha"
        ),
        "{}",
        stdout(&output)
    );
    assert!(stdout(&output).contains("result        failure"));
}

#[test]
fn a_server_that_hangs_fails_the_run() {
    let like = description("hangs", "[\"true\"]");
    let output = run_at_url(&server(None), &like);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("no response within the suite's deadline"),
        "{}",
        stdout(&output)
    );
}

fn started(arguments: &[&str], piped: impl FnOnce(&mut Command)) -> Child {
    let mut command = command(arguments);
    piped(&mut command);
    command.spawn().expect("the command runs")
}

fn interrupt(child: &Child) {
    let id = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .expect("a running process has an id");
    rustix::process::kill_process(id, rustix::process::Signal::INT)
        .expect("the process belongs to the test");
}

#[test]
fn an_interrupted_run_leaves_a_complete_run_file_that_says_so() {
    let path = test_folder("interrupted").join("run.jsonl");
    let path = path.to_str().expect("the path is UTF-8");
    let mut child = started(&["run", "--output", path], |command| {
        _ = command.stderr(Stdio::piped()).stdout(Stdio::null());
    });
    let stderr = child.stderr.take().expect("the stream is piped");
    let begun = BufReader::new(stderr)
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("strategy "));
    assert!(begun.is_some());
    interrupt(&child);
    assert_eq!(child.wait().expect("the command ends").code(), Some(130));
    let file = std::fs::File::open(path).expect("the run file exists");
    assert!(Run::read(BufReader::new(file)).expect("the file is complete").interrupted);
    assert_eq!(exit_code(&["report", path]), 130);
}

#[test]
fn report_repeats_the_report_of_a_run_and_rejects_an_incomplete_file() {
    let path = test_folder("report").join("run.jsonl");
    let path = path.to_str().expect("the path is UTF-8");
    let first = output_of(&["run", "--only", "STA-05", "--strategy", "deferred", "--output", path]);
    let second = output_of(&["report", path]);
    assert_eq!((stdout(&first), first.status.code()), (stdout(&second), second.status.code()));
    let complete = std::fs::read_to_string(path).expect("the run file exists");
    let incomplete = write_file("report", "incomplete.jsonl", &complete[..complete.len() - 20]);
    let rejected = output_of(&["report", &incomplete]);
    assert_eq!(rejected.status.code(), Some(2));
    assert!(stderr(&rejected).contains("without a footer"), "{}", stderr(&rejected));
}

#[test]
fn an_invalid_run_file_cannot_control_the_terminal() {
    let line = "{\"line\":\"\\u001b]0;title\\u0007\\u202e\"}\n";
    let file = write_file("hostile", "run.jsonl", line);
    let other = "{\"line\":\"header\",\"format\":1,\"suite\":\"\\u001b[2J\\u202e\"}\n";
    let other_format = write_file("hostile", "other.jsonl", other);
    for file in [&file, &other_format] {
        for command in [vec!["report", file], vec!["judge", file], vec!["diff", file, file]] {
            let output = output_of(&command);
            assert_eq!(output.status.code(), Some(2));
            let error = String::from_utf8(output.stderr).unwrap();
            let hidden = error.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(hidden, None, "{error}");
        }
    }
}

#[test]
fn upstreams_prints_the_configuration_and_serves_until_interrupted() {
    let mut child = started(&["upstreams"], |command| _ = command.stdout(Stdio::piped()));
    let stdout = child.stdout.take().expect("the stream is piped");
    let lines: Vec<String> = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("Ctrl-C"))
        .collect();
    assert!(
        lines.iter().any(|line| line.contains("alpha"))
            && lines.iter().any(|line| line.contains("receives a token from http://"))
    );
    interrupt(&child);
    assert_eq!(child.wait().expect("the command ends").code(), Some(0));
}
