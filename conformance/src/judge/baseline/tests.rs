use super::*;
use crate::judge::{
    Finding,
    run_file::{Run, tests::run},
    summary::failures_of,
};

const TEXT: &str = r#"
[[expected-failure]]
requirement = "STA-01"
verdict = "fail"
cases = "* / forwarding / 401-* / tools-list / /mcp/{server} / own"
reason = "answers 200 with an empty list"
"#;

#[test]
fn a_pattern_for_cases_matches_across_slashes_and_takes_braces_literally() {
    let baseline = Baseline::parse(TEXT).unwrap();
    let cases = baseline.expected_failure[0].cases.as_ref().unwrap();
    assert!(
        cases.matches(
            "key-and-token / forwarding / 401-full+oauth / tools-list / /mcp/{server} / own"
        )
    );
    assert!(
        !cases.matches("key-and-token / forwarding / 403-bare / tools-list / /mcp/{server} / own")
    );
}

#[test]
fn an_entry_can_be_intermittent() {
    let sometimes = |text: &str| Baseline::parse(text).unwrap().expected_failure[0].sometimes;
    assert!(!sometimes(TEXT));
    assert!(sometimes(&format!("{TEXT}sometimes = true\n")));
}

#[test]
fn an_entry_without_a_reason_is_an_error() {
    assert!(Baseline::parse(&TEXT.replace("answers 200 with an empty list", " ")).is_err());
}

#[test]
fn an_update_keeps_comments_and_other_entries() {
    let entry = |requirement: &str| {
        format!(
            "[[expected-failure]]\nrequirement = \"{requirement}\"\nverdict = \"fail\"\nreason \
             = \"r\"\n"
        )
    };
    let (first, second, third) = (entry("STA-01"), entry("STA-02"), entry("STA-03"));
    let head = "# What it fails:\n#\n#     [[expected-failure]]\n\n";
    let text = format!("{head}{first}\n# about the second\n{second}\n# about the third\n{third}");
    let baseline = Baseline::parse(&text).unwrap();
    let run = run();
    assert_eq!(updated(&baseline, &text, &run, &Assessment::default()), text);
    let finding = Finding {
        requirement: "STA-05".into(),
        rule: "a-rule".into(),
        verdict: Verdict::Fail,
        observable: "status".into(),
        expected: "403".into(),
        actual: "a \"quote\"".into(),
    };
    let unexpected = vec![("a case".to_owned(), &finding), ("another case".to_owned(), &finding)];
    let assessment = Assessment {
        unexpected,
        stale: vec![Entry::Failure(&baseline.expected_failure[1])],
        ..Assessment::default()
    };
    let updated = updated(&baseline, &text, &run, &assessment);
    assert!(
        updated.starts_with(&format!(
            "{head}{first}\n# about the third\n{third}\n[[expected-failure]]\n"
        )),
        "{updated}"
    );
    let reread = Baseline::parse(&updated).unwrap();
    assert_eq!(
        reread
            .expected_failure
            .iter()
            .map(|entry| entry.requirement.as_str())
            .collect::<Vec<_>>(),
        ["STA-01", "STA-03", "STA-05"]
    );
    assert_eq!(
        reread.expected_failure[2].reason,
        "status: expected 403, actual a \"quote\", in a case, and 1 more"
    );
}

/// A run with one matrix case for each of these behaviours; `actual` is `401` where it passes.
fn run_with(outcomes: &[(&str, &str)]) -> Run {
    let mut run = run();
    let judged = run.matrix_cases.remove(0);
    run.scenarios.clear();
    run.damages.clear();
    run.header.ours = false;
    for (upstream, actual) in outcomes {
        let mut case = judged.clone();
        case.matrix_case.upstream = (*upstream).to_owned();
        case.findings[0].actual = (*actual).to_owned();
        if *actual != "401" {
            case.findings[0].verdict = Verdict::Fail;
        }
        run.matrix_cases.push(case);
    }
    run
}

/// The cases and outcomes that are unexpected, by the behaviour of the upstream server.
fn unexpected(baseline: &Baseline, run: &Run) -> Vec<String> {
    let assessment = baseline.assess(run, failures_of(run));
    let behaviour = |id: &str| id.split(" / ").nth(2).unwrap_or_default().to_owned();
    let unexpected = assessment.unexpected.iter();
    unexpected
        .map(|(id, finding)| format!("{} {}", behaviour(id), finding.actual))
        .collect()
}

#[test]
fn a_new_case_and_a_new_outcome_are_unexpected_under_a_generated_baseline() {
    let recorded = run_with(&[
        ("401-full+a", "200"),
        ("401-full+b", "200"),
        ("401-bare+a", "502"),
        ("401-empty", "401"),
        ("403-bare", "401"),
    ]);
    let none = Baseline::default();
    let text = updated(&none, "", &recorded, &none.assess(&recorded, failures_of(&recorded)));
    // The reasons are long, and not what is tested here.
    let without_reasons: String = text
        .lines()
        .filter(|line| !line.starts_with("reason"))
        .map(|line| format!("{line}\n"))
        .collect();
    insta::assert_snapshot!(without_reasons, @r#"
    [[expected-failure]]
    requirement = "STA-01"
    verdict = "fail"
    cases = "* / 401-bare+* / *"
    outcome = "status 502"

    [[expected-failure]]
    requirement = "STA-01"
    verdict = "fail"
    cases = "* / 401-full+* / *"
    outcome = "status 200"
    "#);
    let baseline = Baseline::parse(&text).unwrap();
    assert!(unexpected(&baseline, &recorded).is_empty());
    let later = run_with(&[
        ("401-full+a", "500"),
        ("401-full+b", "200"),
        ("401-empty", "200"),
        ("401-bare+a", "502"),
    ]);
    assert_eq!(unexpected(&baseline, &later), ["401-full+a 500", "401-empty 200"]);
}

#[test]
fn an_entry_without_cases_and_outcome_expects_every_failure_of_its_requirement() {
    let text = "[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"fail\"\nreason = \"r\"";
    let run = run_with(&[("401-full+a", "200"), ("401-empty", "500")]);
    assert!(unexpected(&Baseline::parse(text).unwrap(), &run).is_empty());
}

#[test]
fn an_entry_whose_outcome_has_changed_is_stale() {
    let text = format!("{TEXT}outcome = \"status 200\"\n").replace("own", "probe / *");
    let baseline = Baseline::parse(&text).unwrap();
    let run = run_with(&[("401-full+a", "500")]);
    let assessment = baseline.assess(&run, failures_of(&run));
    assert_eq!((assessment.stale.len(), assessment.unexpected.len()), (1, 1));
}

/// A run whose only case made the process end with SIGSEGV.
fn run_with_damage() -> Run {
    let mut damaged = run_with(&[("401-full+a", "401")]);
    damaged.matrix_cases[0].findings[0].verdict = Verdict::Untestable;
    damaged.damages = run().damages;
    damaged.damages[0].matrix_cases = vec![damaged.matrix_cases[0].matrix_case.to_string()];
    damaged
}

#[test]
fn an_expected_damage_expects_the_untestable_findings_of_its_cases() {
    let run = run_with_damage();
    let none = Baseline::default();
    let without = none.assess(&run, failures_of(&run));
    assert_eq!((without.unexpected.len(), without.unexpected_damages.len()), (1, 1));
    assert_eq!(Conclusion::of(&run, &without), Conclusion::Unexpected);
    let text = updated(&none, "", &run, &without);
    let baseline = Baseline::parse(&text).unwrap();
    assert_eq!(
        (baseline.expected_damage.len(), baseline.expected_failure.len()),
        (1, 0),
        "{text}"
    );
    let with = baseline.assess(&run, failures_of(&run));
    assert_eq!(Conclusion::of(&run, &with), Conclusion::AsExpected);
}

#[test]
fn another_end_of_the_process_is_unexpected_damage_and_no_damage_makes_the_entry_stale() {
    let mut run = run_with_damage();
    let text = "[[expected-damage]]\ncases = '*'\noutcome = 'exit status 7'\nreason = 'r'\n";
    let baseline = Baseline::parse(text).unwrap();
    assert_eq!(baseline.assess(&run, failures_of(&run)).unexpected_damages.len(), 1);
    run.damages.clear();
    let assessment = baseline.assess(&run, failures_of(&run));
    assert_eq!(assessment.stale.len(), 1);
    let updated = updated(&baseline, text, &run, &assessment);
    assert!(!updated.contains("[[expected-damage]]"), "{updated}");
}
