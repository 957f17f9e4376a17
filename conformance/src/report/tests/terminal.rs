#[path = "../../../tests/redaction/mod.rs"]
mod redaction;

use redaction::without_unjudged_counts;

use super::{BASELINE, damage, field, finding, matrix_case, run, run_with_every_verdict};
use crate::{
    cases::axis::{Method, Start, Strategy},
    catalogue::Profile,
    judge::{
        Finding, Verdict,
        baseline::{Baseline, Origin},
        run_file::{CasesLeftOut, Note, NotedEvent, Run},
        summary::failures_of,
    },
    report::{TerminalOptions, Verbosity, terminal},
};

fn report(run: &Run, baseline: &str, options: TerminalOptions) -> String {
    let baseline = Baseline::parse(baseline).unwrap();
    terminal(run, &baseline.assess(run, failures_of(run)), options)
}

/// The report without a baseline and with the default options.
fn plain_report(run: &Run) -> String {
    report(run, "", TerminalOptions::default())
}

#[test]
fn a_failure_of_several_cases_is_shown_once_with_the_number_of_the_others() {
    let failing = |method| {
        let findings = vec![finding("STA-05", Verdict::Fail), finding("STA-06", Verdict::Pass)];
        matrix_case(method, findings)
    };
    let run = run(vec![failing(Method::ToolsList), failing(Method::ToolsCall)]);
    insta::assert_snapshot!(without_unjudged_counts(&plain_report(&run)));
}

#[test]
fn failures_come_first_then_other_problems_then_counts() {
    let options = TerminalOptions::default();
    let report = report(&run_with_every_verdict(), BASELINE, options);
    insta::assert_snapshot!(without_unjudged_counts(&report));
}

#[test]
fn passes_are_listed_only_on_request() {
    let run = run(vec![matrix_case(Method::Get, vec![finding("STA-05", Verdict::Pass)])]);
    assert!(!plain_report(&run).contains("PASS"));
    let verbose = TerminalOptions {
        verbosity: Verbosity::AllRequirements,
        ..TerminalOptions::default()
    };
    let text = report(&run, "", verbose);
    assert!(
        text.contains("PASS              STA-05   MUST        The gateway MUST"),
        "{text}"
    );
}

#[test]
fn unexpected_failures_expected_failures_and_stale_entries_are_told_apart() {
    let baseline = "[[expected-failure]]\nrequirement = 'STA-05'\nverdict = 'fail'\nreason = 'a'\n\
                    [[expected-failure]]\nrequirement = 'STA-06'\nverdict = 'fail'\nreason = 'b'\n";
    let findings = vec![
        finding("STA-05", Verdict::Fail),
        finding("STA-06", Verdict::Pass),
        finding("STA-01", Verdict::Fail),
    ];
    let run = run(vec![matrix_case(Method::Get, findings)]);
    let text = report(&run, baseline, TerminalOptions::default());
    assert!(text.contains("\nFAIL  STA-01"), "{text}");
    assert!(text.contains("\nEXPECTED-FAILURE  STA-05"), "{text}");
    assert!(text.contains("\nSTALE  STA-06  fail  b"), "{text}");
    assert!(!text.contains("\nFAIL  STA-05"), "{text}");
}

#[test]
fn damage_is_shown_with_the_cases_that_cause_it() {
    let mut run = run(vec![matrix_case(Method::Get, vec![finding("STA-05", Verdict::Pass)])]);
    run.damages.push(damage("no answer"));
    let text = plain_report(&run);
    let expected = "DAMAGE  the process ended with signal SIGSEGV; no answer\n        \
        after       a matrix case\n        log         served 7 requests\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn notes_say_how_the_run_was_made() {
    let mut run = run(vec![matrix_case(Method::Get, vec![finding("STA-05", Verdict::Pass)])]);
    let start = Start { profile: Profile::Seed, strategy: Strategy::Own };
    let cases = vec!["a".to_owned(), "b".to_owned()];
    run.notes.push(Note { start, event: NotedEvent::SessionReopened, cases });
    let expected = "NOTES\n      The client opened the session of 2 cases at the second attempt.\n";
    assert!(plain_report(&run).contains(expected), "{}", plain_report(&run));
}

#[test]
fn an_untestable_requirement_is_shown_as_a_failure() {
    let findings = vec![finding("STA-05", Verdict::Inconclusive), finding("STA-06", Verdict::Pass)];
    let text = plain_report(&run(vec![matrix_case(Method::Get, findings)]));
    assert!(text.contains("UNTESTABLE  STA-05"), "{text}");
    assert!(text.contains("result        failure"), "{text}");
}

/// A run whose failure and whose warning need long lines.
fn run_with_long_lines() -> Run {
    let warning = Finding {
        observable: "cache-control".into(),
        ..finding("STA-13", Verdict::Warn)
    };
    let findings = vec![finding("STA-05", Verdict::Fail), warning];
    let mut judged = matrix_case(Method::Get, findings);
    let realm = format!("Bearer realm=\"{}\"", "x".repeat(400));
    judged.trace.exchanges[0].headers = vec![field("www-authenticate", &realm)];
    run(vec![judged])
}

#[test]
fn without_a_width_no_line_is_cut() {
    let text = plain_report(&run_with_long_lines());
    assert!(!text.contains('…'), "{text}");
    assert!(text.contains(&"x".repeat(400)), "{text}");
}

#[test]
fn a_width_cuts_lists_but_not_failures() {
    let options = TerminalOptions { verbosity: Verbosity::AllRequirements, width: Some(80) };
    let text = report(&run_with_long_lines(), "", options);
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    assert_eq!(line("WARN  STA-13").chars().count(), 80, "{text}");
    assert!(line("WARN  STA-13").ends_with('…'), "{text}");
    assert!(text.contains(&"x".repeat(400)), "{text}");
    assert!(text.contains("--data-binary '{}'\n"), "{text}");
}

#[test]
fn a_result_that_the_exit_code_seems_to_contradict_is_explained() {
    let run = run(vec![matrix_case(Method::Get, vec![finding("STA-05", Verdict::Fail)])]);
    let entry = "[[expected-failure]]\nrequirement = 'STA-05'\nverdict = 'fail'\nreason = 'r'\n";
    let expected = report(&run, entry, TerminalOptions::default());
    let explanation = "result        failure, as the baseline expects: every failure has an entry, \
        so the exit code is 0\n";
    assert!(expected.ends_with(explanation), "{expected}");
    let unexpected = plain_report(&run);
    assert!(unexpected.ends_with("result        failure\n"), "{unexpected}");
}

#[test]
fn the_first_line_names_the_baseline_and_what_it_covers() {
    let findings = vec![finding("STA-05", Verdict::Fail), finding("STA-06", Verdict::Fail)];
    let run = run(vec![matrix_case(Method::Get, findings)]);
    let entry = "[[expected-failure]]\nrequirement = 'STA-05'\nverdict = 'fail'\nreason = 'r'\n";
    let origin = Origin::File("a/baseline.toml".into());
    let baseline = Baseline { origin, ..Baseline::parse(entry).unwrap() };
    let assessment = baseline.assess(&run, failures_of(&run));
    let text = terminal(&run, &assessment, TerminalOptions::default());
    let line = "a-gateway 9 · baseline: a/baseline.toml; it expects 1 failure of 1 requirement, \
        and 1 failure of 1 requirement is unexpected";
    assert_eq!(text.lines().next(), Some(line));
    assert!(text.find("\nFAIL  STA-06") < text.find("\nEXPECTED-FAILURE  STA-05"), "{text}");
}

#[test]
fn the_most_harmful_masking_is_counted_first_and_shown_in_full() {
    let masked = |method, result: &str| {
        let mut judged = matrix_case(method, vec![finding("STA-04", Verdict::Fail)]);
        judged.observations.insert("result".to_owned(), result.to_owned());
        judged
    };
    let cases = vec![
        masked(Method::Initialize, "empty-success"),
        masked(Method::ToolsCall, "error-in-success"),
        masked(Method::ToolsList, "empty-success"),
    ];
    let text = plain_report(&run(cases));
    let counts = "MASKED REFUSALS  the most harmful first\n      \
        2 cases                       empty success\n      \
        1 case                        `isError` result\n";
    assert!(text.contains(counts), "{text}");
    assert!(
        text.contains("case          key-and-token / forwarding / 403-bare+oauth / tools-list")
    );
    assert!(text.contains("masked by     empty success"), "{text}");
    assert!(text.contains("failing       3 of 3 cases"), "{text}");
}

#[test]
fn each_reason_for_which_something_was_not_judged_has_a_line() {
    let skipped = Finding {
        actual: "feature `sessions` is not declared".into(),
        ..finding("STA-03", Verdict::Skip)
    };
    let mut run =
        run(vec![matrix_case(Method::Get, vec![finding("STA-05", Verdict::Pass), skipped])]);
    run.header.filters = vec!["--only 'STA-*'".into()];
    run.header.left_out = CasesLeftOut { by_filters: 7, by_matrix: 9 };
    let text = plain_report(&run);
    assert!(
        text.contains("1 requirement, 1 case         feature `sessions` is not declared"),
        "{text}"
    );
    assert!(
        text.contains(" 7 cases ") && text.contains("filtered by the command line"),
        "{text}"
    );
    assert!(
        text.contains("9 cases                       combinations that the matrix"),
        "{text}"
    );
}
