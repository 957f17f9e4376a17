//! A gateway in its own process: every run stops it, and a run goes on when the gateway crashes.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use mcp_preflight_conformance::judge::run_file::Run;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{
    command, exit_code, output_of, read, stderr, stdout, test_folder, test_path, write_file,
};

/// Writes a description of the gateway in `gateway.py.jinja`.
///
/// `argument` is an additional argument of its command: the behaviour at which it crashes.
fn gateway(test: &str, argument: &str) -> String {
    let text = format!(
        "name = \"{test}\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\n\
         kind = \"forwarding-gateway\"\n\
         routes = [\"/mcp/{{server}}\"]\n\
         features = [\"gateway-keys\", \"token-forwarding\", \"servers-without-credential\", \
         \"sessionless-requests\"]\n\
         [credentials]\nkey-header = \"x-key\"\n\
         [deadlines]\nprobe-ms = 1000\nanswer-ms = 3000\n\
         [[file]]\ntemplate = \"gateway.py.jinja\"\nto = \"gateway.py\"\n\
         [start]\ncommand = [\"python3\", \"gateway.py\", \"{{{{ port }}}}\"{argument}]\n\
         [ready]\npath = \"/ready\"\nwithin-s = 30\n"
    );
    write_file(test, "implementation.toml", &text);
    write_file(test, "gateway.py.jinja", include_str!("gateway.py.jinja"));
    test_folder(test).display().to_string()
}

/// The ids of all processes that were a test's gateway; each one wrote its id to a file.
fn processes(test: &str) -> Vec<Pid> {
    let runs = test_folder("cache").join("runs").join(test);
    let folders = std::fs::read_dir(runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("pid"));
    let ids = folders.filter_map(|path: PathBuf| std::fs::read_to_string(path).ok()?.parse().ok());
    ids.filter_map(Pid::from_raw).collect()
}

/// Whether a process still runs. A zombie does not.
fn is_alive(id: &Pid) -> bool {
    let state =
        std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(*id).is_ok() && !state.contains(") Z ")
}

/// Whether every process ends. The system ends a process shortly after it was killed.
fn all_end(processes: &[Pid]) -> bool {
    (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !processes.iter().any(is_alive)
    })
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a running process has an id");
    kill_process(id, signal).expect("the process belongs to the test");
}

fn remove_run_folders(test: &str) {
    let _ = std::fs::remove_dir_all(test_folder("cache").join("runs").join(test));
}

#[test]
fn smoke_lists_what_works_and_diagnoses_what_does_not() {
    remove_run_folders("smokes");
    let output = output_of(&["smoke", &gateway("smokes", "")]);
    let text = stdout(&output);
    assert!(
        text.contains(
            "PASS  tools/call at /mcp/alpha reaches the upstream with the caller's token"
        ),
        "{text}{}",
        stderr(&output)
    );
    // This gateway forwards the token to every server, and its description does not say so.
    let hint = "the gateway must send no credential to open; forward `Authorization` only to \
        servers of the kind `forwarding`";
    assert!(text.contains(hint), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_signal_leaves_a_complete_run_file_and_no_process() {
    for (test, sent) in [("interrupted", Signal::INT), ("terminated", Signal::TERM)] {
        remove_run_folders(test);
        let path = test_path(test, "run.jsonl");
        let mut run = command(&["run", &gateway(test, ""), "--output", &path]);
        let mut child = run
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the command runs");
        let stderr = child.stderr.take().expect("the stream is piped");
        let begun = BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("matrix cases and scenarios"));
        assert!(begun.is_some());
        let processes = processes(test);
        assert!(!processes.is_empty() && processes.iter().all(is_alive));
        signal(&child, sent);
        assert_eq!(child.wait().expect("the command ends").code(), Some(130), "{test}");
        assert!(all_end(&processes), "{test}: the gateway still runs");
        assert!(Run::read(read(&path).as_bytes()).expect("the file is complete").interrupted);
        assert_eq!(exit_code(&["report", &path]), 130);
        assert_eq!(exit_code(&["baseline", "update", &path, "--print"]), 2);
    }
}

/// Filters for eight cases, of which two have the behaviour `401-bare`.
const FILTERS: [&str; 8] = [
    "--where",
    "upstream=401-b*",
    "--where",
    "method=tools-call",
    "--where",
    "credentials=key-and-token",
    "--where",
    "server=forwarding",
];

/// Runs a gateway that ends in this way at the behaviour `401-bare`, and returns its report.
fn report_of_crash(test: &str, end: &str, options: &[&str]) -> String {
    remove_run_folders(test);
    let gateway = gateway(test, &format!(", \"401-bare:{end}\""));
    let output = output_of(&[&["run", &gateway][..], &FILTERS, options].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(!processes(test).iter().any(is_alive), "a process of the gateway still runs");
    stdout(&output)
}

#[test]
fn a_crash_is_reported_with_its_signal_its_case_and_the_end_of_the_log() {
    let path = test_path("crashes", "run.jsonl");
    let text = report_of_crash("crashes", "SIGSEGV", &["--output", &path]);
    assert!(text.contains("DAMAGE  the process ended with signal SIGSEGV"), "{text}");
    assert!(text.contains("after       key-and-token / forwarding / 401-bare"), "{text}");
    assert!(text.contains("log         fatal: cannot handle 401-bare"), "{text}");
    assert!(text.contains("result        failure"), "{text}");
    for format in ["json", "junit", "markdown", "html"] {
        let report = stdout(&output_of(&["report", &path, "--format", format]));
        assert!(report.contains("SIGSEGV") && report.contains("fatal: cannot"), "{format}");
    }
    let run = Run::read(read(&path).as_bytes()).expect("the file is complete");
    let judged_alone = run.matrix_cases.iter().filter(|judged| judged.evidence.control).count();
    assert!(judged_alone > 0, "the other cases are judged");
    let expected = "[[expected-damage]]\ncases = \"* / 401-bare* / *\"\n\
                    outcome = \"signal SIGSEGV\"\nreason = \"crashes\"\n";
    let baseline = write_file("crashes", "expected.toml", expected);
    let report = stdout(&output_of(&["report", &path, "--baseline", &baseline]));
    assert!(!report.contains("\nDAMAGE") && report.contains("EXPECTED-DAMAGE"), "{report}");
}

#[test]
fn a_scenario_that_ends_the_process_is_reported_and_the_next_one_is_judged() {
    let test = "scenario-crashes";
    remove_run_folders(test);
    let gateway = gateway(test, ", \"reset-mid-body:7\"");
    let path = test_path(test, "run.jsonl");
    let (crashing, next) = ("failures-are-logged-without-secrets", "refusal-is-not-cached");
    let only = ["--only", crashing, "--only", next, "--output", &path];
    let output = output_of(&[&["run", &gateway][..], &only].concat());
    let text = stdout(&output);
    assert!(text.contains("DAMAGE  the process ended with exit status 7"), "{text}");
    assert!(
        text.contains(&format!("after       scenario {crashing} / own / seed")),
        "{text}"
    );
    let run = Run::read(read(&path).as_bytes()).expect("the file is complete");
    let controls: Vec<(&str, bool)> = run
        .scenarios
        .iter()
        .map(|judged| (judged.scenario.as_str(), judged.evidence.control))
        .collect();
    assert_eq!(controls, [(crashing, false), (next, true)]);
}

#[test]
fn a_process_that_ends_with_an_exit_status_after_the_last_case_is_noticed() {
    let text = report_of_crash("ends-later", "later", &["--where", "upstream=401-bare+empty"]);
    assert!(text.contains("DAMAGE  the process ended with exit status 7"), "{text}");
    assert!(
        text.contains("after       key-and-token / forwarding / 401-bare+empty"),
        "{text}"
    );
}

#[test]
fn if_the_gateway_does_not_start_again_the_report_counts_the_cases_that_were_not_judged() {
    let text = report_of_crash("starts-once", "once", &[]);
    assert!(text.contains("the process ended with signal SIGABRT"), "{text}");
    assert!(text.contains("restarting was given up: it did not start again"), "{text}");
    assert!(text.contains("        not judged  "), "{text}");
}
