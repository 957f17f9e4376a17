//! The exit codes of every command.

use crate::runner::RunError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The run is as expected.
    Expected,
    /// There is a failure that the baseline does not expect.
    Unexpected,
    /// The command line, or a file that it names, is invalid.
    Usage,
    /// The implementation did not start.
    NotStarted,
    /// The suite itself failed.
    SuiteFailure,
    /// The baseline expects a failure that no longer happens.
    StaleBaseline,
    /// The filters select nothing.
    NothingSelected,
    /// A signal stopped the run. The run file is complete and marked as interrupted.
    Interrupted,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Expected => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::NotStarted => 3,
            Self::SuiteFailure => 4,
            Self::StaleBaseline => 5,
            Self::NothingSelected => 6,
            Self::Interrupted => 130,
        }
    }
}

/// The exit codes as the help texts list them.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    the run is as expected
  1    a failure that the baseline does not expect
  2    the command line, or a file that it names, is invalid
  3    the implementation did not start
  4    the suite itself failed
  5    stale baseline: an expected failure no longer happens
  6    the filters select nothing
  130  interrupted by a signal; the run file is complete and says so

A requirement that is only recommended to the implementation does not change the exit code.";

/// The exit code of a run that could not be completed.
pub(super) fn exit_of_error(error: &RunError) -> Exit {
    match error {
        RunError::Implementation(error) if error.is_start() => Exit::NotStarted,
        RunError::Implementation(_) | RunError::Client(_) => Exit::Usage,
        RunError::File(_) => Exit::SuiteFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        EXIT_CODES,
        Exit::{
            Expected, Interrupted, NotStarted, NothingSelected, StaleBaseline, SuiteFailure,
            Unexpected, Usage,
        },
    };

    #[test]
    fn the_help_lists_every_exit_code() {
        for exit in [
            Expected,
            Unexpected,
            Usage,
            NotStarted,
            SuiteFailure,
            StaleBaseline,
            NothingSelected,
            Interrupted,
        ] {
            assert!(EXIT_CODES.contains(&format!("\n  {:<3}  ", exit.code())), "{exit:?}");
        }
    }
}
