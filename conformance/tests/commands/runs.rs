//! Commands about run files: report in every form, judge, diff, and what `run` itself can be told.

use clap::ValueEnum as _;
use mcp_preflight_conformance::report::Format;

use crate::{called, code, command, complained, file, folder, place, read, said};

/// A run of one requirement over a few matrix cases, written to a file.
fn run_file(test: &str, implementation: &str, more: &[&str]) -> String {
    let path = place(test, &format!("{}.jsonl", implementation.replace(['/', ':'], "-")));
    let usual = [
        "run",
        implementation,
        "--random-seed",
        "7",
        "--profile",
        "seed",
        "--strategy",
        "probe",
        "--output",
        &path,
    ];
    let output = called(&[&usual, more].concat());
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", complained(&output));
    path
}

const PART: [&str; 4] = ["--only", "STA-0*", "--where", "method=tools-*"];

#[test]
fn every_form_of_report_is_written_and_says_how_the_run_went() {
    let good = run_file("forms", "builtin:reference", &PART);
    let bad = run_file("forms", "builtin:defect/403-as-401", &PART);
    for format in Format::value_variants() {
        let name = format
            .to_possible_value()
            .expect("every format has a name")
            .get_name()
            .to_owned();
        let printed = called(&["report", &good, "--format", &name]);
        assert_eq!(printed.status.code(), Some(0), "{name}");
        assert!(said(&printed).len() > 50, "{name}");
        let written = place("forms", &name);
        assert_eq!(code(&["report", &bad, "--format", &name, "--output", &written]), 1, "{name}");
        assert!(read(&written).len() > 50, "{name}");
    }
    assert_eq!(code(&["report", &good, "--format", "morse"]), 2);
    assert_eq!(
        code(&["report", &good, "--format", "html", "--output", "/nonexistent/page.html"]),
        2
    );
}

#[test]
fn a_run_writes_the_reports_that_are_asked_for() {
    let (page, junit) = (place("beside", "report.html"), place("beside", "junit.xml"));
    let (html, xml) = (format!("html={page}"), format!("junit={junit}"));
    let arguments = [
        "run",
        "--only",
        "STA-05",
        "--where",
        "method=tools-list",
        "--report",
        &html,
        "--report",
        &xml,
    ];
    assert_eq!(code(&arguments), 0);
    assert!(read(&page).starts_with("<!DOCTYPE html>") && read(&junit).starts_with("<?xml"));
    assert_eq!(code(&["run", "--report", "html"]), 2);
    assert_eq!(code(&["run", "--report", "morse=x"]), 2);
}

#[test]
fn two_runs_with_one_seed_have_one_canonical_form() {
    let part = ["--where", "method=tools-list", "--where", "upstream=401-full*", "--jobs", "4"];
    let form = |test| {
        said(&called(&[
            "report",
            &run_file(test, "builtin:reference", &part),
            "--format",
            "canonical",
        ]))
    };
    let (first, second) = (form("first"), form("second"));
    assert!(first.lines().count() > 3, "{first}");
    assert_eq!(first, second);
}

#[test]
fn a_run_is_judged_again_without_its_implementation() {
    let path = run_file("again", "builtin:defect/403-as-401", &PART);
    let (reported, judged) = (called(&["report", &path]), called(&["judge", &path]));
    assert_eq!((said(&reported), reported.status.code()), (said(&judged), Some(1)));
    assert_eq!(judged.status.code(), Some(1));
    // What was found is not believed: it is found again in the traces.
    let forged = read(&path).replace(r#""verdict":"fail""#, r#""verdict":"pass""#);
    let forged = file("again", "forged.jsonl", &forged);
    assert_eq!((code(&["report", &forged]), code(&["judge", &forged])), (0, 1));
    assert_eq!(code(&["judge", "/nonexistent/run.jsonl"]), 2);
}

#[test]
fn what_changed_between_two_runs_is_told() {
    let (good, bad) = (
        run_file("diff", "builtin:model", &PART),
        run_file("diff", "builtin:defect/403-as-401", &PART),
    );
    assert_eq!(code(&["diff", &good, &good]), 0);
    let worse = called(&["diff", &good, &bad]);
    assert_eq!(worse.status.code(), Some(1));
    assert!(said(&worse).contains("WORSE    STA-05  pass -> fail"), "{}", said(&worse));
    let better = called(&["diff", &bad, &good, "--all"]);
    assert_eq!(better.status.code(), Some(0));
    assert!(
        said(&better).contains("BETTER   STA-05  fail -> pass")
            && !said(&better).contains("more\n"),
        "{}",
        said(&better)
    );
    assert_eq!(code(&["diff", &good, "/nonexistent/run.jsonl"]), 2);
}

#[test]
fn a_baseline_is_brought_in_line_with_a_run() {
    let part = run_file("baseline", "builtin:defect/403-as-401", &PART);
    assert_eq!(
        code(&["baseline", "update", &part]),
        2,
        "a part of a run shows nothing about the rest"
    );
    let whole = run_file("baseline", "builtin:defect/403-as-401", &[]);
    let stale = "# known\n[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"fail\"\nreason = \"long gone\"\n";
    let baseline = file("baseline", "baseline.toml", stale);
    assert_eq!(code(&["report", &whole, "--baseline", &baseline]), 1);
    let printed = called(&["baseline", "update", &whole, "--baseline", &baseline, "--print"]);
    assert_eq!((printed.status.code(), read(&baseline).as_str()), (Some(0), stale));
    assert_eq!(code(&["baseline", "update", &whole, "--baseline", &baseline]), 0);
    assert_eq!(read(&baseline), said(&printed));
    assert!(
        read(&baseline).contains("requirement = \"STA-05\"") && !read(&baseline).contains("STA-01"),
        "{}",
        read(&baseline)
    );
    assert_eq!(code(&["report", &whole, "--baseline", &baseline]), 0);
}

#[test]
fn a_dry_run_names_what_it_would_run_and_runs_nothing() {
    let output = called(&[
        "run",
        "--where",
        "upstream=403-bare*",
        "--where",
        "method=get",
        "--strategy",
        "probe",
        "--profile",
        "seed",
        "--dry-run",
    ]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        said(&output).contains(
            "key-and-token / forwarding / 403-bare+oauth / get / /mcp/{server} / probe / seed"
        ),
        "{}",
        said(&output)
    );
    assert!(complained(&output).is_empty());
    assert_eq!(code(&["run", "--only", "nothing-matches", "--dry-run"]), 6);
}

#[test]
fn a_level_selects_what_judges_requirements_of_it() {
    let output = called(&[
        "run",
        "--level",
        "should",
        "--only",
        "STA-*",
        "--where",
        "method=tools-list",
        "--strategy",
        "deferred",
        "--profile",
        "seed",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let text = said(&output);
    assert!(text.contains("  SHOULD  ") && !text.contains("  MUST  "), "{text}");
    assert_eq!(code(&["run", "--level", "perhaps"]), 2);
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let run = ["report", &run_file("colours", "builtin:defect/403-as-401", &PART)];
    let coloured = |output: &std::process::Output| said(output).contains("\u{1b}[");
    assert!(!coloured(&called(&run)), "a pipe is no terminal");
    assert!(coloured(&called(&[&run[..], &["--color", "always"]].concat())));
    assert!(!coloured(&called(&[&run[..], &["--color", "never"]].concat())));
    let help = command(&["--help"]).env("NO_COLOR", "1").output().expect("the binary runs");
    assert!(!coloured(&help));
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = called(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(said(&output).contains("new-implementation"), "{shell}");
    }
}

#[test]
fn a_new_implementation_parses_and_is_not_written_over() {
    let target = folder("new").join("my-gateway");
    let _ = std::fs::remove_dir_all(&target);
    let target = target.display().to_string();
    let new = [
        "new-implementation",
        "my-gateway",
        "--folder",
        &target,
        "--command",
        "true",
        "--feature",
        "limited-keys",
    ];
    let output = called(&new);
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    assert_eq!(code(&["run", &target, "--dry-run"]), 0);
    assert_eq!(
        code(&["smoke", &target]),
        3,
        "it is found, its configuration renders, and `true` is no gateway"
    );
    assert_eq!(code(&new), 2, "nobody's work is written over");
    assert_eq!(
        code(&[
            "new-implementation",
            "b",
            "--folder",
            &place("new", "b"),
            "--route",
            "/no-server"
        ]),
        2
    );
}

#[test]
fn every_command_helps_with_an_example() {
    for command in ["run", "report", "judge", "diff", "smoke", "self-test", "new-implementation"] {
        assert!(
            said(&called(&[command, "--help"])).contains("Examples:\n  preflight-conformance "),
            "{command}"
        );
    }
}

#[test]
fn the_suite_tests_itself() {
    let output = called(&["self-test", "--only", "builtin:defect/403-as-401"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), complained(&output));
    let text = said(&output);
    assert!(
        text.lines()
            .any(|line| line.starts_with("STA-05") && line.ends_with(" 403-as-401")),
        "{text}"
    );
    assert!(text.contains("gateways tested: 1, as expected: 1"), "{text}");
    assert_eq!(code(&["self-test", "--only", "nothing"]), 6);
    assert_eq!(code(&["self-test", "--jobs", "0"]), 2);
}
