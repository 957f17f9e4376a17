use quick_junit::{TestCase, TestCaseStatus};

use super::{finding, matrix_case, rendered, run, run_with_every_verdict};
use crate::{cases::axis::Method, catalogue::Catalogue, judge::Verdict, report::Format};

#[test]
fn every_unexpected_failure_is_a_failed_test() {
    let report = rendered(&run_with_every_verdict(), Format::Junit);
    let report = quick_junit::Report::deserialize_from_str(&report).unwrap();
    let tests = || report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    assert_eq!(tests().count(), Catalogue::embedded().iter().count() + 3);
    let failed: String = tests().filter_map(failure).collect();
    insta::assert_snapshot!(failed);
}

/// Name, type, message and description of a failed test.
fn failure(test: &TestCase) -> Option<String> {
    let TestCaseStatus::NonSuccess { message, ty, description, .. } = &test.status else {
        return None;
    };
    let text = |text: &Option<quick_junit::XmlString>| {
        text.as_ref().map_or("", |text| text.as_str()).to_owned()
    };
    let name = test.name.as_str();
    Some(format!(
        "{name}\ntype: {}\nmessage: {}\n{}\n",
        text(ty),
        text(message),
        text(description)
    ))
}

/// So the tests of a CI system fail exactly where the exit code is not 0.
#[test]
fn expected_and_advisory_failures_are_skipped_tests() {
    let findings = vec![finding("STA-06", Verdict::Fail), finding("GATE-03", Verdict::Fail)];
    let report = rendered(&run(vec![matrix_case(Method::Get, findings)]), Format::Junit);
    assert!(report.contains("failures=\"0\" errors=\"0\""), "{report}");
    let reason = "expected fail: sends a challenge with 403, reported";
    assert!(report.contains(reason), "{report}");
}
