//! Findings: the verdict of one rule on one requirement and one observable of a case.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::catalogue::{Binding, Catalogue, GatewayTraits, Profile, ProtocolVersion};

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
    /// Whether its case shows whether the requirement is met.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        self.verdict > Verdict::Inconclusive
    }

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

/// Makes the verdict on every requirement that does not bind the gateway `skip`, with the reason.
pub(crate) fn skip_unbound(findings: &mut [Finding], gateway: &GatewayTraits) {
    for finding in findings {
        let requirement = Catalogue::embedded().get(&finding.requirement);
        if let Some(requirement) = requirement
            && requirement.binding(gateway) == Binding::None
            && finding.verdict != Verdict::NotApplicable
        {
            finding.verdict = Verdict::Skip;
            finding.observable.clear();
            finding.expected.clear();
            finding.actual = requirement.not_judged_reason();
        }
    }
}

/// Withdraws every verdict because the positive control of the case failed.
///
/// The damage is reported on its own, so a case that would pass is `inconclusive`: the other cases
/// of its requirement decide. A failure is `untestable`, because the damage may be its cause.
pub(super) fn withdraw(findings: &mut [Finding]) {
    const REASON: &str = ", and the positive control failed";
    for finding in findings {
        finding.verdict = match finding.verdict {
            Verdict::NotApplicable | Verdict::Skip => continue,
            Verdict::Warn | Verdict::Fail | Verdict::Error => Verdict::Untestable,
            Verdict::Inconclusive
            | Verdict::Pass
            | Verdict::Info
            | Verdict::NonStrict
            | Verdict::Untestable => Verdict::Inconclusive,
        };
        if !finding.actual.ends_with(REASON) {
            finding.actual.push_str(REASON);
        }
    }
}
