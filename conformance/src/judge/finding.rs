//! Findings: the verdict of one rule on one requirement and one observable of a case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::catalogue::{Catalogue, Profile, ProtocolVersion};

/// The verdict of one rule on one requirement and one observable of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The id of the requirement.
    pub requirement: String,
    /// The id of the rule or scenario.
    pub rule: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The name of the observable.
    pub observable: String,
    /// The value that was expected.
    pub expected: String,
    /// The value that was observed, or why there is none.
    pub actual: String,
}

impl Finding {
    /// A finding about an observable whose expected value is `none`. `None` if the requirement does
    /// not exist.
    pub(super) fn expecting_none(
        requirement: &str,
        rule: &str,
        verdict: Verdict,
        observable: &str,
        actual: String,
    ) -> Option<Self> {
        Catalogue::embedded().get(requirement)?;
        Some(Self {
            requirement: requirement.to_owned(),
            rule: rule.to_owned(),
            verdict,
            observable: observable.to_owned(),
            expected: "none".to_owned(),
            actual,
        })
    }

    /// Makes the verdict `not-applicable` if the requirement does not concern this profile and
    /// protocol version.
    pub(super) fn limit_to_applicable(
        &mut self,
        profile: Profile,
        protocol_version: ProtocolVersion,
    ) {
        let requirement = Catalogue::embedded().get(&self.requirement);
        if requirement.is_some_and(|found| !found.applies_to(profile, protocol_version)) {
            self.verdict = Verdict::NotApplicable;
        }
    }
}

/// Says that a requirement is not asked, with the reason.
pub(crate) fn not_asked_because(reason: &str) -> String {
    format!("not asked of this implementation, because {reason}")
}

/// Makes the verdict on every requirement that is not asked of the implementation `skip`, with the
/// reason.
pub(crate) fn skip_not_asked(findings: &mut [Finding], not_asked: &BTreeMap<String, String>) {
    for finding in findings {
        if let Some(reason) = not_asked.get(&finding.requirement)
            && finding.verdict != Verdict::NotApplicable
        {
            finding.verdict = Verdict::Skip;
            finding.observable.clear();
            finding.expected.clear();
            finding.actual = not_asked_because(reason);
        }
    }
}

/// Makes every verdict `untestable` because the positive control of the case failed.
pub(super) fn make_untestable(findings: &mut [Finding]) {
    for finding in findings {
        if !matches!(finding.verdict, Verdict::NotApplicable | Verdict::Skip) {
            finding.verdict = Verdict::Untestable;
            finding.actual = format!("{}, and the positive control failed", finding.actual);
        }
    }
}
