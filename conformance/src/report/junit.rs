//! The report for CI systems: a suite for each family of requirements, a test for each requirement.
//!
//! What makes the run come out other than expected is a failure, and nothing else is: a known failure is skipped with its reason, so that
//! the tests are green exactly where the exit code is 0.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{failure, is_alike};
use crate::judge::effective_verdict::{EffectiveVerdict, EffectiveVerdicts, Row};
use crate::judge::{baseline::Assessment, run_file::Run};

/// The XML document.
pub(super) fn junit(run: &Run, assessment: &Assessment<'_>) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for row in effective_verdicts.rows(run) {
        let family = row.family().to_owned();
        if !order.contains(&family) {
            order.push(family.clone());
        }
        let suite = suites
            .entry(family.clone())
            .or_insert_with(|| TestSuite::new(format!("preflight.{family}")));
        suite.add_test_case(test(run, &row));
    }
    let mut report = Report::new(format!("{} {}", run.header.implementation, run.header.version));
    report.add_test_suites(order.iter().filter_map(|family| suites.remove(family)));
    report.add_test_suite(whole(run, assessment));
    report.to_string().unwrap_or_else(|error| format!("<!-- {error} -->"))
}

fn test(run: &Run, row: &Row<'_>) -> TestCase {
    let verdict = &row.verdict;
    let mut status = if row.unexpected {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let alike = failure::failures(run).filter(|failure| is_alike(failure.finding, verdict));
        let mut text = String::new();
        let mut cases = 0;
        for failure in alike {
            if cases == 0 {
                failure.tell(&mut text, &run.header.implementation);
                let finding = failure.finding;
                status.set_message(format!(
                    "{} expected {}, actual {} in {}",
                    finding.observable, finding.expected, finding.actual, failure.about
                ));
            }
            cases += 1;
        }
        status
            .set_type(verdict.verdict.as_str())
            .set_description(format!("{text}\nfindings of this kind: {cases}\n"));
        status
    } else {
        match row.standing {
            EffectiveVerdict::NotApplicable
            | EffectiveVerdict::Skip
            | EffectiveVerdict::ExpectedFailure
            | EffectiveVerdict::Recommended => TestCaseStatus::skipped(),
            EffectiveVerdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
            _ => TestCaseStatus::success(),
        }
    };
    match (row.standing, row.known, &verdict.note) {
        _ if row.unexpected => {}
        (_, Some(known), _) => {
            _ = status.set_message(format!("known {}: {}", known.verdict, known.reason))
        }
        (EffectiveVerdict::Recommended, ..) => {
            _ = status.set_message("not met, and only recommended")
        }
        (EffectiveVerdict::NotApplicable, _, Some(note)) => _ = status.set_message(note.clone()),
        (EffectiveVerdict::NotApplicable | EffectiveVerdict::Skip, ..) => {
            _ = status.set_message(row.standing.as_str())
        }
        _ => {}
    }
    let mut case = TestCase::new(format!("{} {}", verdict.id, row.statement()), status);
    case.set_classname(format!("preflight.{}", row.family()));
    case
}

/// What is about no single requirement: whether the implementation survived, whether the baseline is up to date, whether the run is whole.
fn whole(run: &Run, assessment: &Assessment<'_>) -> TestSuite {
    let mut suite = TestSuite::new("preflight.run");
    let mut add = |name: &str, troubles: Vec<String>, kind| {
        let status = if troubles.is_empty() {
            TestCaseStatus::success()
        } else {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(troubles.join("; "));
            status
        };
        let mut case = TestCase::new(name, status);
        case.set_classname("preflight.run");
        suite.add_test_case(case);
    };
    let damages = run
        .damages
        .iter()
        .map(|damage| format!("{} after {}", damage.description, damage.matrix_cases.join(", ")))
        .collect();
    add("the implementation survives its upstreams", damages, NonSuccessKind::Failure);
    let stale = assessment
        .stale
        .iter()
        .map(|known| format!("{} {} no longer happens", known.requirement, known.verdict))
        .collect();
    add("the baseline is up to date", stale, NonSuccessKind::Failure);
    let interrupted = if run.interrupted {
        vec!["stopped before its end".to_owned()]
    } else {
        Vec::new()
    };
    add("the run came to its end", interrupted, NonSuccessKind::Error);
    suite
}
