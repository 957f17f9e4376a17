//! Verdicts: the result of one expectation, from harmless to severe.

use serde::{Deserialize, Serialize};

use crate::catalogue::Level;

/// What became of one expectation. Ordered from harmless to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The requirement belongs to another profile, or says nothing of this case.
    NotApplicable,
    /// It needs an optional feature that the implementation does not declare.
    Skip,
    /// This case says nothing, because the upstream was never asked; another may.
    Inconclusive,
    /// Met.
    Pass,
    /// A permission that was not made use of.
    Info,
    /// Not wrong, and not what was asked for.
    NonStrict,
    /// A SHOULD that is not met.
    Warn,
    /// There is no telling: evidence is missing.
    Untestable,
    /// A MUST that is not met.
    Fail,
    /// The suite itself failed.
    Error,
}

impl Verdict {
    /// Every verdict, the gravest last.
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

    /// Whether it turns a run red where the requirement is a core one.
    #[must_use]
    pub const fn is_red(self) -> bool {
        matches!(self, Self::Fail | Self::Untestable | Self::Error)
    }

    pub(super) const fn of_miss(level: Level) -> Self {
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
