//! The report for CI systems: a test suite for each group of requirements, a test for each one.
//!
//! A test fails exactly where the run is not as expected, so all tests pass where the exit code
//! is 0. An expected failure is a skipped test with the baseline's reason.

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    cause::{Cause, causes},
    comparison::baseline_in_words,
    failure::UnexpectedFailures,
};
use crate::{
    judge::{
        baseline::Assessment,
        effective_verdict::{EffectiveVerdict, EffectiveVerdicts, RequirementRow},
        run_file::{Damage, Run},
    },
    trace::printable::printable,
};

/// The report as JUnit XML.
pub(super) fn junit(run: &Run, assessment: &Assessment<'_>) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let causes = causes(run, &effective_verdicts, &rows);
    let mut suites: IndexMap<&str, TestSuite> = IndexMap::new();
    for row in &rows {
        let group = row.group();
        suites
            .entry(group)
            .or_insert_with(|| TestSuite::new(format!("preflight.{group}")))
            .add_test_case(requirement_test(run, assessment, row, &causes));
    }
    let name = format!("{} {}", run.header.implementation, run.header.version);
    let mut report = Report::new(printable(&name));
    report.add_test_suites(suites.into_values());
    report.add_test_suite(run_suite(run, assessment));
    report.to_string().unwrap_or_else(|error| format!("<!-- {error} -->"))
}

fn requirement_test(
    run: &Run,
    assessment: &Assessment<'_>,
    row: &RequirementRow<'_>,
    causes: &[Cause<'_, '_>],
) -> TestCase {
    let failures = UnexpectedFailures::of_requirement(&row.summary.id, run, assessment);
    let status = match failures {
        Some(failures) => failed(run, row, &failures, causes),
        None => not_failed(row),
    };
    let mut test = TestCase::new(format!("{} {}", row.summary.id, row.statement()), status);
    test.set_classname(format!("preflight.{}", row.group()));
    test
}

fn failed(
    run: &Run,
    row: &RequirementRow<'_>,
    failures: &UnexpectedFailures<'_>,
    causes: &[Cause<'_, '_>],
) -> TestCaseStatus {
    let (case, finding) = (&failures.first.case, failures.first.finding);
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status
        .set_message(printable(&format!(
            "{}: expected {}, actual {}, in {}",
            finding.observable, finding.expected, finding.actual, case.id
        )))
        .set_type(row.summary.verdict.as_str())
        .set_description(format!(
            "{}\nfailing: {}\n{}",
            failures.first.in_full(run),
            failures.count_in_words(),
            cause_in_words(&row.summary.id, causes)
        ));
    status
}

/// The other requirements that fail because of the same defect, in one line; empty without one.
fn cause_in_words(id: &str, causes: &[Cause<'_, '_>]) -> String {
    let is_of_cause = |cause: &&Cause<'_, '_>| cause.requirements().any(|unmet| unmet.id() == id);
    let Some(cause) = causes.iter().find(is_of_cause) else {
        return String::new();
    };
    match cause.consequences_in_words() {
        _ if cause.head.id() != id => format!("consequence of: {}\n", cause.head.id()),
        Some(consequences) => format!("consequences: {consequences}\n"),
        None => String::new(),
    }
}

fn not_failed(row: &RequirementRow<'_>) -> TestCaseStatus {
    let message = match (row.verdict, row.expected_failures.first()) {
        (EffectiveVerdict::Error, _) => {
            return TestCaseStatus::non_success(NonSuccessKind::Error);
        }
        (_, Some(entry)) => {
            format!("expected {}: {}", entry.verdict(), row.reasons().unwrap_or_default())
        }
        (EffectiveVerdict::Advisory, None) => "recommended, and not met".to_owned(),
        (EffectiveVerdict::NotApplicable, None) => {
            row.summary.note.clone().unwrap_or_else(|| row.verdict.to_string())
        }
        (EffectiveVerdict::Skip, None) => row.verdict.to_string(),
        _ => return TestCaseStatus::success(),
    };
    let mut status = TestCaseStatus::skipped();
    status.set_message(printable(&message));
    status
}

/// The tests that are about no single requirement.
fn run_suite(run: &Run, assessment: &Assessment<'_>) -> TestSuite {
    let damages: Vec<String> = assessment
        .unexpected_damages
        .iter()
        .map(|damage| damage_in_words(damage))
        .collect();
    let stale: Vec<String> = assessment
        .stale
        .iter()
        .map(|entry| format!("{} {} no longer happens", entry.subject(), entry.verdict()))
        .collect();
    let interrupted = if run.interrupted {
        vec!["the run was stopped before its end".to_owned()]
    } else {
        Vec::new()
    };
    let mut suite = TestSuite::new("preflight.run");
    suite.add_property(("baseline", printable(&baseline_in_words(assessment)).as_str()));
    suite.add_test_cases([
        run_test("the implementation works after every case", &damages, NonSuccessKind::Failure),
        run_test("the baseline is up to date", &stale, NonSuccessKind::Failure),
        run_test("the run is complete", &interrupted, NonSuccessKind::Error),
    ]);
    suite
}

/// The damage, the cases that did it, and the end of the log.
fn damage_in_words(damage: &Damage) -> String {
    let mut text = damage.in_words();
    if !damage.matrix_cases.is_empty() {
        text += &format!(" after {}", damage.matrix_cases.join(", "));
    }
    if damage.not_judged > 0 {
        text += &format!("; {} cases were not judged", damage.not_judged);
    }
    if !damage.log.is_empty() {
        text += &format!("; the log ends with: {}", damage.log.join(" | "));
    }
    text
}

fn run_test(name: &str, problems: &[String], kind: NonSuccessKind) -> TestCase {
    let status = if problems.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(printable(&problems.join("; ")));
        status
    };
    let mut test = TestCase::new(name, status);
    test.set_classname("preflight.run");
    test
}
