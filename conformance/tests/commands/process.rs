//! A gateway in a process of its own: it comes and goes with the run, whatever ends the run, and dies of an answer without taking it along.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
};

use mcp_preflight_conformance::judge::run_file::Run;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{called, code, command, complained, file, folder, place, read, said};

/// A description of the gateway beside this file, with an argument for it.
fn gateway(test: &str, dies_of: &str) -> String {
    let text = format!(
        "name = \"{test}\"\nversion = \"1\"\nhomepage = \"https://example.invalid\"\nroutes = [\"/mcp/{{server}}\"]\n\
         features = [\"sessionless-requests\"]\n[credentials]\nkey-header = \"x-key\"\n[deadlines]\nprobe-ms = 1000\nanswer-ms = 3000\n\
         [[file]]\ntemplate = \"gateway.py.jinja\"\nto = \"gateway.py\"\n\
         [start]\ncommand = [\"python3\", \"gateway.py\", \"{{{{ port }}}}\"{dies_of}]\n[ready]\npath = \"/ready\"\nwithin-s = 30\n"
    );
    file(test, "implementation.toml", &text);
    file(test, "gateway.py.jinja", include_str!("gateway.py.jinja"));
    folder(test).display().to_string()
}

/// The ids of the processes that a test's gateway has had, from the newest run's folder.
fn processes(test: &str) -> Vec<Pid> {
    let runs = folder("cache").join("runs").join(test);
    let folders = std::fs::read_dir(runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("pid"));
    let ids = folders.filter_map(|path: PathBuf| std::fs::read_to_string(path).ok()?.parse().ok());
    ids.filter_map(Pid::from_raw).collect()
}

/// Whether a process still runs. One that has ended and waits for its new parent to notice does not.
fn is_alive(id: &Pid) -> bool {
    let state =
        std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(*id).is_ok() && !state.contains(") Z ")
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a running process has an id");
    kill_process(id, signal).expect("it is ours");
}

fn clean(test: &str) {
    let _ = std::fs::remove_dir_all(folder("cache").join("runs").join(test));
}

#[test]
fn a_description_that_is_right_smokes_well() {
    clean("smokes");
    let output = called(&["smoke", &gateway("smokes", "")]);
    let text = said(&output);
    assert!(
        text.contains(
            "PASS  tools/list at /mcp/alpha reaches the upstream with the caller's token"
        ),
        "{text}{}",
        complained(&output)
    );
    // This gateway forwards the token to every server, and its description does not say so.
    let hint = "the gateway must send no credential to open; forward `Authorization` only to servers of the kind `forwarding`";
    assert!(text.contains(hint), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_signal_leaves_a_whole_file_and_no_process() {
    for (test, sent) in [("interrupted", Signal::INT), ("terminated", Signal::TERM)] {
        clean(test);
        let path = place(test, "run.jsonl");
        let mut run = command(&["run", &gateway(test, ""), "--output", &path]);
        let mut child = run
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let stderr = child.stderr.take().expect("it is piped");
        let begun = BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("matrix cases and scenarios"));
        assert!(begun.is_some());
        let processes = processes(test);
        assert!(!processes.is_empty() && processes.iter().all(is_alive));
        signal(&child, sent);
        assert_eq!(child.wait().expect("it ends").code(), Some(130), "{test}");
        assert!(!processes.iter().any(is_alive), "{test}: its gateway is still there");
        assert!(Run::read(read(&path).as_bytes()).expect("it is whole").interrupted);
        assert_eq!(code(&["report", &path]), 130);
        assert_eq!(code(&["baseline", "update", &path, "--print"]), 2);
    }
}

#[test]
fn one_that_dies_of_an_answer_is_named_with_the_answer() {
    clean("dies");
    let gateway = gateway("dies", ", \"401-bare\"");
    let part = [
        "--where",
        "upstream=401-b*",
        "--where",
        "method=tools-call",
        "--where",
        "credentials=key-and-token",
        "--where",
        "server=forwarding",
    ];
    let output = called(&[&["run", &gateway][..], &part].concat());
    assert_eq!(output.status.code(), Some(1), "{}", complained(&output));
    let text = said(&output);
    assert!(
        text.contains("DAMAGE") && text.contains("after  key-and-token / forwarding / 401-bare"),
        "{text}"
    );
    assert!(text.contains("result        failure"), "{text}");
    assert!(!processes("dies").iter().any(is_alive), "one of its processes is left");
}
