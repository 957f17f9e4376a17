//! The result of a run, and what counts as a failure.

use super::{damage, finding, matrix_case, run};
use crate::{
    cases::axis::Method,
    catalogue::GatewayTraits,
    judge::{
        Verdict,
        baseline::Baseline,
        summary::{ProfileResult, failures_of, is_failure, run_result, verdicts},
    },
};

#[test]
fn a_recommended_requirement_fails_only_the_projects_own_gateway() {
    let gateway = |ours| GatewayTraits { ours, ..GatewayTraits::default() };
    let recommended = finding("GATE-03", Verdict::Fail);
    assert!(is_failure(&recommended, &gateway(true)));
    assert!(!is_failure(&recommended, &gateway(false)));
    let should = finding("CRD-14", Verdict::Warn);
    assert!(is_failure(&should, &gateway(true)) && !is_failure(&should, &gateway(false)));
    let run = run(vec![matrix_case(Method::Get, vec![recommended])]);
    assert_eq!(run_result(&run, &verdicts(&run)), ProfileResult::Partial);
}

#[test]
fn damage_fails_a_run_in_which_every_requirement_is_met() {
    let mut run = run(vec![matrix_case(Method::Get, vec![finding("STA-05", Verdict::Pass)])]);
    assert_eq!(run_result(&run, &verdicts(&run)), ProfileResult::Success);
    run.damages.push(damage("no answer"));
    assert_eq!(run_result(&run, &verdicts(&run)), ProfileResult::Failure);
}

#[test]
fn a_requirement_with_only_inconclusive_findings_is_an_unexpected_failure() {
    let run = run(vec![matrix_case(
        Method::Get,
        vec![finding("STA-05", Verdict::Inconclusive), finding("STA-06", Verdict::Pass)],
    )]);
    assert_eq!(run_result(&run, &verdicts(&run)), ProfileResult::Failure);
    let baseline = Baseline::default();
    assert_eq!(baseline.assess(&run, failures_of(&run)).unexpected.len(), 1);
}

#[test]
fn a_baseline_entry_can_expect_untestable_and_becomes_stale_when_a_case_passes() {
    let entry = "[[expected-failure]]\nrequirement = 'STA-05'\nverdict = 'untestable'\n\
                 reason = 'answers without the upstream server'\n";
    let baseline = Baseline::parse(entry).unwrap();
    let inconclusive = finding("STA-05", Verdict::Inconclusive);
    let untestable = run(vec![matrix_case(Method::Get, vec![inconclusive.clone()])]);
    assert!(baseline.assess(&untestable, failures_of(&untestable)).unexpected.is_empty());
    let findings = vec![inconclusive, finding("STA-05", Verdict::Pass)];
    let judged = run(vec![matrix_case(Method::Get, findings)]);
    assert_eq!(baseline.assess(&judged, failures_of(&judged)).stale.len(), 1);
}
