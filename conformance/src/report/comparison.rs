//! What the comparison with a baseline says about a run, in words.

use std::collections::BTreeSet;

use crate::judge::{
    baseline::{Assessment, Conclusion, Origin},
    run_file::Run,
    summary::{ProfileResult, run_result, verdicts},
};

/// The baseline in use, and how many failures it covers.
pub(super) fn baseline_in_words(assessment: &Assessment<'_>) -> String {
    let origin = &assessment.origin;
    if matches!(origin, Origin::None | Origin::Ignored) {
        return origin.to_string();
    }
    let expected = assessment.expected.iter().map(|(_, finding, _)| finding.requirement.as_str());
    let unexpected = assessment.unexpected.iter().map(|(_, finding)| finding.requirement.as_str());
    format!(
        "{origin}; it expects {}, and {} unexpected",
        failures(expected),
        match assessment.unexpected.len() {
            0 => "no failure is".to_owned(),
            1 => format!("{} is", failures(unexpected)),
            _ => format!("{} are", failures(unexpected)),
        }
    )
}

/// The number of failures and of their requirements: `3 failures of 2 requirements`.
fn failures<'a>(requirements: impl Iterator<Item = &'a str>) -> String {
    let requirements: Vec<&str> = requirements.collect();
    let different: BTreeSet<&str> = requirements.iter().copied().collect();
    let plural =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    match requirements.len() {
        0 => "no failure".to_owned(),
        count => {
            format!("{} of {}", plural(count, "failure"), plural(different.len(), "requirement"))
        }
    }
}

/// Why the exit code is what it is, to be appended to the result; `None` if the result says it.
pub(super) fn explanation_of_result(run: &Run, assessment: &Assessment<'_>) -> Option<String> {
    let result = run_result(run, &verdicts(run));
    let text = match Conclusion::of(run, assessment) {
        Conclusion::AsExpected => match result {
            ProfileResult::Success => return None,
            ProfileResult::Partial => {
                ", because of requirements that do not bind this implementation or that the \
                 rules tolerate; the exit code is 0"
            }
            ProfileResult::Failure => {
                ", as the baseline expects: every failure has an entry, so the exit code is 0"
            }
        },
        Conclusion::StaleEntries => ", and the baseline has stale entries, so the exit code is 5",
        Conclusion::Unexpected | Conclusion::SuiteFailure | Conclusion::Interrupted => return None,
    };
    Some(text.to_owned())
}
