//! Findings: what one rule says about one requirement and one observable of a case.

use serde::{Deserialize, Serialize};

use super::{Verdict, observables::Subject};
use crate::catalogue::Catalogue;

/// What one rule says about one requirement and one observable of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The requirement.
    pub requirement: String,
    /// The rule or scenario.
    pub rule: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What was looked at.
    pub observable: String,
    /// The accepted values.
    pub expected: String,
    /// The observed value, or the reason why it is unknown.
    pub actual: String,
}

/// The finding that nothing was expected to be seen, and something was.
#[must_use]
pub fn missed(
    requirement: &str,
    rule: &str,
    observable: &str,
    actual: &str,
    subject: &Subject<'_>,
) -> Option<Finding> {
    let found = Catalogue::embedded().get(requirement)?;
    let applies = found.applies_to(subject.context.profile, subject.protocol_version);
    Some(Finding {
        requirement: requirement.to_owned(),
        rule: rule.to_owned(),
        verdict: if applies {
            Verdict::of_miss(found.level)
        } else {
            Verdict::NotApplicable
        },
        observable: observable.to_owned(),
        expected: "none".to_owned(),
        actual: actual.to_owned(),
    })
}

/// Makes every verdict `untestable` because the positive control of the case failed.
pub(super) fn distrust(findings: &mut [Finding]) {
    for finding in findings {
        if !matches!(finding.verdict, Verdict::NotApplicable | Verdict::Skip) {
            finding.verdict = Verdict::Untestable;
            finding.actual = format!("{}, and the call behind it failed", finding.actual);
        }
    }
}
