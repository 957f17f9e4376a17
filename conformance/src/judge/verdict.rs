//! Verdicts: the result of judging one requirement in one case.

use serde::{Deserialize, Serialize};

use crate::catalogue::Level;

/// The result of judging one requirement in one case, from harmless to severe.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The requirement belongs to another profile, or it does not concern any case of the run.
    NotApplicable,
    /// The case needs an optional feature that the implementation does not declare, or the
    /// requirement is not asked of this kind of gateway.
    Skip,
    /// The case proves nothing: the upstream received no request, or the client has no session.
    Inconclusive,
    /// The requirement is met.
    Pass,
    /// A requirement of the level MAY: the implementation does not use the permission.
    Info,
    /// The response is not the expected one, but the rule tolerates it.
    NonStrict,
    /// A requirement of the level SHOULD is not met.
    Warn,
    /// The evidence is missing.
    Untestable,
    /// A requirement of the level MUST is not met.
    Fail,
    /// The suite itself failed.
    Error,
}

impl Verdict {
    /// Every verdict, from harmless to severe.
    pub const ALL: [Self; 10] = [
        Self::NotApplicable,
        Self::Skip,
        Self::Inconclusive,
        Self::Pass,
        Self::Info,
        Self::NonStrict,
        Self::Warn,
        Self::Untestable,
        Self::Fail,
        Self::Error,
    ];

    /// The verdict as reports and run files spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Skip => "skip",
            Self::Inconclusive => "inconclusive",
            Self::Pass => "pass",
            Self::Info => "info",
            Self::NonStrict => "non-strict",
            Self::Warn => "warn",
            Self::Untestable => "untestable",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }

    /// What the verdict means, for `explain` and for reports.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::NotApplicable => {
                "The requirement belongs to another profile, or it does not concern any case of \
                 the run."
            }
            Self::Skip => {
                "The case needs an optional feature that the implementation does not declare, or \
                 the requirement is not asked of this kind of gateway."
            }
            Self::Inconclusive => {
                "The case proves nothing, because the upstream received no request or because the \
                 client could not open a session that the case needs. If every case of a \
                 requirement is inconclusive, the requirement is untestable."
            }
            Self::Pass => "The requirement is met.",
            Self::Info => {
                "A requirement of the level MAY: the implementation does not use the permission."
            }
            Self::NonStrict => "The response is not the expected one, but the rule tolerates it.",
            Self::Warn => {
                "A requirement of the level SHOULD is not met. A warning fails the run of the \
                 reference gateway only."
            }
            Self::Untestable => {
                "The evidence is missing: the positive control failed, or the event that would \
                 prove the requirement was not observed. It counts as a failure."
            }
            Self::Fail => {
                "A requirement of the level MUST is not met. The run fails if it is a core \
                 requirement, unless the baseline expects the failure."
            }
            Self::Error => "The suite itself failed; the exit code is 4.",
        }
    }

    /// Whether the verdict fails the run if the requirement is a core requirement.
    #[must_use]
    pub const fn is_red(self) -> bool {
        matches!(self, Self::Fail | Self::Untestable | Self::Error)
    }

    /// The verdict for a requirement of this level that is not met.
    pub(super) const fn of_violation(level: Level) -> Self {
        match level {
            Level::Must | Level::MustNot => Self::Fail,
            Level::Should | Level::ShouldNot => Self::Warn,
            Level::May => Self::Info,
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
