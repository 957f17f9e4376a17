//! What a run and its comparison with a baseline amount to. It determines the exit code.

use super::Assessment;
use crate::judge::{Verdict, run_file::Run};

/// What a run and its comparison with a baseline amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Every failure has an entry, and every entry has its failure.
    AsExpected,
    /// An entry expects a failure that no longer happens.
    StaleEntries,
    /// A failure has no entry, or the implementation stopped working.
    Unexpected,
    /// The suite itself failed in a case.
    SuiteFailure,
    /// The run was stopped before its end.
    Interrupted,
}

impl Conclusion {
    /// The conclusion about a run that was compared with a baseline.
    #[must_use]
    pub fn of(run: &Run, assessment: &Assessment<'_>) -> Self {
        if run.interrupted {
            Self::Interrupted
        } else if run.findings().any(|(_, finding)| finding.verdict == Verdict::Error) {
            Self::SuiteFailure
        } else if !assessment.unexpected.is_empty() || !assessment.unexpected_damages.is_empty() {
            Self::Unexpected
        } else if !assessment.stale.is_empty() {
            Self::StaleEntries
        } else {
            Self::AsExpected
        }
    }
}
