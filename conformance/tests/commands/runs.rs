//! Commands on run files (report, judge, diff, baseline), and the options of `run`.

use clap::ValueEnum as _;
use mcp_preflight_conformance::{
    judge::{Verdict, run_file::Run},
    report::Format,
};

use crate::{
    command, exit_code, output_of, read, stderr, stdout, test_folder, test_path, write_file,
};

/// Writes the run file of a small run with one start.
fn run_file(test: &str, implementation: &str, filters: &[&str]) -> String {
    let path = test_path(test, &format!("{}.jsonl", implementation.replace(['/', ':'], "-")));
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
    let output = output_of(&[&usual, filters].concat());
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", stderr(&output));
    path
}

/// Filters for a small run.
const FILTERS: [&str; 4] = ["--only", "STA-0*", "--where", "method=tools-*"];

#[test]
fn every_format_is_printed_and_written_with_the_exit_code_of_the_run() {
    let good = run_file("formats", "builtin:reference", &FILTERS);
    let bad = run_file("formats", "builtin:defect/403-as-401", &FILTERS);
    for format in Format::value_variants() {
        let name = format
            .to_possible_value()
            .expect("every format has a name")
            .get_name()
            .to_owned();
        let printed = output_of(&["report", &good, "--format", &name]);
        assert_eq!(printed.status.code(), Some(0), "{name}");
        assert!(stdout(&printed).len() > 50, "{name} prints 50 bytes or fewer");
        let written = test_path("formats", &name);
        assert_eq!(
            exit_code(&["report", &bad, "--format", &name, "--output", &written]),
            1,
            "{name}"
        );
        assert!(read(&written).len() > 50, "{name} writes 50 bytes or fewer");
    }
    assert_eq!(exit_code(&["report", &good, "--format", "no-such-format"]), 2);
    assert_eq!(
        exit_code(&["report", &good, "--format", "html", "--output", "/nonexistent/page.html"]),
        2
    );
}

#[test]
fn a_run_writes_the_requested_reports() {
    let (page, junit) =
        (test_path("requested", "report.html"), test_path("requested", "junit.xml"));
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
    assert_eq!(exit_code(&arguments), 0);
    assert!(read(&page).starts_with("<!DOCTYPE html>") && read(&junit).starts_with("<?xml"));
    assert_eq!(exit_code(&["run", "--report", "html"]), 2);
    assert_eq!(exit_code(&["run", "--report", "no-such-format=x"]), 2);
}

#[test]
fn two_runs_with_one_random_seed_have_the_same_canonical_form() {
    let filters = ["--where", "method=tools-list", "--where", "upstream=401-full*", "--jobs", "4"];
    let canonical = |test| {
        stdout(&output_of(&[
            "report",
            &run_file(test, "builtin:reference", &filters),
            "--format",
            "canonical",
        ]))
    };
    let (first, second) = (canonical("first"), canonical("second"));
    assert!(first.lines().count() > 3, "{first}");
    assert_eq!(first, second);
}

#[test]
fn judge_finds_the_failures_in_the_traces() {
    let path = run_file("judge", "builtin:defect/403-as-401", &FILTERS);
    let (reported, judged) = (output_of(&["report", &path]), output_of(&["judge", &path]));
    assert_eq!((stdout(&reported), reported.status.code()), (stdout(&judged), Some(1)));
    assert_eq!(judged.status.code(), Some(1));
    // `report` uses the recorded findings, `judge` makes new ones.
    let forged = read(&path).replace(r#""verdict":"fail""#, r#""verdict":"pass""#);
    let forged = write_file("judge", "forged.jsonl", &forged);
    assert_eq!((exit_code(&["report", &forged]), exit_code(&["judge", &forged])), (0, 1));
    assert_eq!(exit_code(&["judge", "/nonexistent/run.jsonl"]), 2);
}

#[test]
fn diff_reports_what_became_worse_or_better() {
    let (good, bad) = (
        run_file("diff", "builtin:model", &FILTERS),
        run_file("diff", "builtin:defect/403-as-401", &FILTERS),
    );
    assert_eq!(exit_code(&["diff", &good, &good]), 0);
    let worse = output_of(&["diff", &good, &bad]);
    assert_eq!(worse.status.code(), Some(1));
    assert!(stdout(&worse).contains("WORSE    STA-05  pass -> fail"), "{}", stdout(&worse));
    let better = output_of(&["diff", &bad, &good, "--all"]);
    assert_eq!(better.status.code(), Some(0));
    assert!(
        stdout(&better).contains("BETTER   STA-05  fail -> pass")
            && !stdout(&better).contains("more\n"),
        "{}",
        stdout(&better)
    );
    assert_eq!(exit_code(&["diff", &good, "/nonexistent/run.jsonl"]), 2);
}

#[test]
fn baseline_update_adds_new_failures_and_removes_stale_entries() {
    let partial = run_file("baseline", "builtin:defect/403-as-401", &FILTERS);
    assert_eq!(
        exit_code(&["baseline", "update", &partial]),
        2,
        "a partial run does not show which entries are stale"
    );
    let complete = run_file("baseline", "builtin:defect/403-as-401", &[]);
    let stale = "# known\n[[expected-failure]]\nrequirement = \"STA-01\"\nverdict \
        = \"fail\"\nreason = \"long gone\"\n";
    let baseline = write_file("baseline", "baseline.toml", stale);
    assert_eq!(exit_code(&["report", &complete, "--baseline", &baseline]), 1);
    let printed = output_of(&["baseline", "update", &complete, "--baseline", &baseline, "--print"]);
    assert_eq!((printed.status.code(), read(&baseline).as_str()), (Some(0), stale));
    assert_eq!(exit_code(&["baseline", "update", &complete, "--baseline", &baseline]), 0);
    assert_eq!(read(&baseline), stdout(&printed));
    assert!(
        read(&baseline).contains("requirement = \"STA-05\"") && !read(&baseline).contains("STA-01"),
        "{}",
        read(&baseline)
    );
    assert_eq!(exit_code(&["report", &complete, "--baseline", &baseline]), 0);
}

#[test]
fn a_dry_run_lists_the_cases_and_runs_none() {
    let output = output_of(&[
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
        stdout(&output).contains(
            "key-and-token / forwarding / 403-bare+oauth / get / /mcp/{server} / probe / seed"
        ),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).is_empty());
    assert_eq!(exit_code(&["run", "--only", "nothing-matches", "--dry-run"]), 6);
}

#[test]
fn only_the_cases_that_failed_run_again() {
    let defect = "builtin:defect/403-as-401";
    let path = run_file("only-failed", defect, &FILTERS);
    let run = Run::read(read(&path).as_bytes()).expect("the file is complete");
    let mut failed: Vec<String> = run
        .findings()
        .filter(|(_, finding)| finding.verdict == Verdict::Fail)
        .map(|(case_id, _)| case_id)
        .collect();
    failed.sort();
    failed.dedup();
    assert!(!failed.is_empty() && failed.len() < run.cases().count());
    let output = output_of(&["run", defect, "--only-failed", &path, "--dry-run"]);
    assert_eq!(output.status.code(), Some(0));
    let listed = stdout(&output);
    let mut listed: Vec<&str> = listed.lines().filter(|line| line.contains(" / ")).collect();
    listed.sort_unstable();
    assert_eq!(listed, failed);
    let message = format!("{} cases failed in {path}; {0} of them are run", failed.len());
    assert!(stderr(&output).contains(&message), "{}", stderr(&output));
    let rerun = test_path("only-failed", "rerun.jsonl");
    assert_eq!(exit_code(&["run", defect, "--only-failed", &path, "--output", &rerun]), 1);
    assert_eq!(exit_code(&["judge", &rerun]), 1, "the recorded filter can be read");
}

#[test]
fn a_level_selects_the_cases_that_judge_it() {
    let output = output_of(&[
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
        "--verbose",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("  SHOULD  ") && !text.contains("  MUST  "), "{text}");
    assert_eq!(exit_code(&["run", "--level", "no-such-level"]), 2);
}

#[test]
fn colours_need_a_terminal_or_an_option() {
    let run = ["report", &run_file("colours", "builtin:defect/403-as-401", &FILTERS)];
    let coloured = |output: &std::process::Output| stdout(output).contains("\u{1b}[");
    assert!(!coloured(&output_of(&run)), "a pipe is not a terminal");
    assert!(coloured(&output_of(&[&run[..], &["--color", "always"]].concat())));
    assert!(!coloured(&output_of(&[&run[..], &["--color", "never"]].concat())));
    let help = command(&["--help"]).env("NO_COLOR", "1").output().expect("the command runs");
    assert!(!coloured(&help));
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = output_of(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(stdout(&output).contains("new-implementation"), "{shell}");
    }
}

#[test]
fn a_new_implementation_can_be_run_and_is_not_overwritten() {
    let target = test_folder("new").join("my-gateway");
    let _ = std::fs::remove_dir_all(&target);
    let target = target.display().to_string();
    let new = [
        "new-implementation",
        "my-gateway",
        "--kind",
        "relay",
        "--folder",
        &target,
        "--command",
        "true",
        "--feature",
        "limited-keys",
    ];
    let output = output_of(&new);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(exit_code(&["run", &target, "--dry-run"]), 0);
    assert_eq!(
        exit_code(&["smoke", &target]),
        3,
        "the description is valid, but `true` is not a gateway"
    );
    assert_eq!(exit_code(&new), 2, "an existing folder is not overwritten");
    let folder = test_path("new", "b");
    let other = ["new-implementation", "b", "--kind", "relay", "--folder", &folder];
    for route in ["no-slash", "/mcp/{unknown}", "/{server}/{server}"] {
        assert_eq!(exit_code(&[&other[..], &["--route", route]].concat()), 2, "{route}");
    }
}

#[test]
fn what_new_implementation_writes_configures_a_gateway() {
    write_file("scaffold", "relay.py", include_str!("relay.py"));
    let target = test_folder("scaffold").join("my-relay");
    let _ = std::fs::remove_dir_all(&target);
    let target = target.display().to_string();
    let command =
        format!("python3 {} {{{{ run }}}}/config.json", test_path("scaffold", "relay.py"));
    let new = [
        "new-implementation",
        "my-relay",
        "--kind",
        "relay",
        "--folder",
        &target,
        "--command",
    ];
    assert_eq!(exit_code(&[&new[..], &[&command]].concat()), 0);
    let refusals = ["--where", "upstream=401-full*", "--where", "method=tools-call"];
    let output = output_of(&[&["run", &target], &refusals[..]].concat());
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{report}{}", stderr(&output));
    assert!(report.contains("profile transparent"), "{report}");
    assert!(report.contains("a relay without gateway keys does not know"), "{report}");
}

#[test]
fn the_help_of_every_command_has_an_example() {
    for command in ["run", "report", "judge", "diff", "smoke", "self-test", "new-implementation"] {
        assert!(
            stdout(&output_of(&[command, "--help"]))
                .contains("Examples:\n  preflight-conformance "),
            "{command}"
        );
    }
}

#[test]
fn self_test_reports_which_requirements_a_defect_fails() {
    let output = output_of(&["self-test", "--only", "builtin:defect/403-as-401"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let text = stdout(&output);
    assert!(
        text.lines()
            .any(|line| line.starts_with("STA-05") && line.ends_with(" 403-as-401")),
        "{text}"
    );
    assert!(text.contains("gateways tested: 1, as expected: 1"), "{text}");
    assert_eq!(exit_code(&["self-test", "--only", "nothing"]), 6);
    assert_eq!(exit_code(&["self-test", "--jobs", "0"]), 2);
}
