//! The entries of a baseline.

use serde::{Deserialize, Deserializer, de};

use crate::{
    cases::pattern::Pattern,
    judge::{Finding, Verdict, run_file::Damage},
};

/// One expected failure.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFailure {
    /// The requirement that fails.
    pub requirement: String,
    /// The verdict of the failure.
    pub verdict: Verdict,
    /// Whether the failure is intermittent, for example because it depends on the load of the
    /// machine. Such an entry is never stale.
    #[serde(default)]
    pub sometimes: bool,
    /// A pattern for the ids of the cases that fail; all cases if absent.
    #[serde(default)]
    pub cases: Option<Pattern>,
    /// A pattern for what was observed: the observable that decided and its value, for example
    /// `status 200`; any outcome if absent. A failure with another outcome is unexpected.
    #[serde(default)]
    pub outcome: Option<Pattern>,
    /// What the implementation does instead, and where that was reported.
    #[serde(deserialize_with = "reason")]
    pub reason: String,
}

/// Cases after which the implementation is expected not to work any more.
///
/// It also expects every `untestable` verdict of these cases.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDamage {
    /// A pattern for the ids of the cases that do the damage.
    pub cases: Pattern,
    /// A pattern for the end of the process, for example `signal SIGSEGV`; any if absent, also that
    /// the process still runs.
    #[serde(default)]
    pub outcome: Option<Pattern>,
    /// Whether the damage is intermittent. Such an entry is never stale.
    #[serde(default)]
    pub sometimes: bool,
    /// What happens, and where that was reported.
    #[serde(deserialize_with = "reason")]
    pub reason: String,
}

fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let reason = String::deserialize(from)?;
    if reason.trim().is_empty() {
        Err(de::Error::custom(
            "an entry has an empty reason; expected what the implementation does instead",
        ))
    } else {
        Ok(reason)
    }
}

impl ExpectedFailure {
    /// Whether the entry is about this finding of a case, with any verdict.
    pub(super) fn concerns(&self, case_id: &str, finding: &Finding) -> bool {
        self.requirement == finding.requirement
            && self.cases.as_ref().is_none_or(|cases| cases.matches(case_id))
    }

    /// Whether the entry expects this verdict and the outcome of the finding.
    pub(super) fn expects(&self, verdict: Verdict, finding: &Finding) -> bool {
        self.verdict == verdict
            && self
                .outcome
                .as_ref()
                .is_none_or(|outcome| outcome.matches(&outcome_of(finding)))
    }
}

impl ExpectedDamage {
    /// Whether the entry expects this damage: every case that it names, and the end of the process.
    pub(super) fn expects(&self, damage: &Damage) -> bool {
        let process_end = damage.process_end.as_deref().unwrap_or_default();
        !damage.matrix_cases.is_empty()
            && damage.matrix_cases.iter().all(|case_id| self.cases.matches(case_id))
            && self.outcome.as_ref().is_none_or(|outcome| outcome.matches(process_end))
    }
}

/// The outcome of a finding, as an entry names it: the observable and the value that was observed.
pub(super) fn outcome_of(finding: &Finding) -> String {
    format!("{} {}", finding.observable, finding.actual)
}

/// An entry of either kind.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// An expected failure of a requirement.
    Failure(&'a ExpectedFailure),
    /// An expected damage.
    Damage(&'a ExpectedDamage),
}

impl<'a> Entry<'a> {
    /// What is expected: the requirement, or `damage`.
    #[must_use]
    pub fn subject(self) -> &'a str {
        match self {
            Self::Failure(entry) => &entry.requirement,
            Self::Damage(_) => "damage",
        }
    }

    /// The verdict that is expected. Damage makes the findings of its cases untestable.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Failure(entry) => entry.verdict,
            Self::Damage(_) => Verdict::Untestable,
        }
    }

    /// The reason.
    #[must_use]
    pub fn reason(self) -> &'a str {
        match self {
            Self::Failure(entry) => &entry.reason,
            Self::Damage(entry) => &entry.reason,
        }
    }

    /// Whether both are the same entry of a baseline.
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Failure(one), Self::Failure(other)) => std::ptr::eq(one, other),
            (Self::Damage(one), Self::Damage(other)) => std::ptr::eq(one, other),
            _ => false,
        }
    }
}
