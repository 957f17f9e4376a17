//! Why an implementation was not found or did not start. None of these is a verdict about it.

use std::{io, path::PathBuf, time::Duration};

use super::{DescriptionError, InstallError, TemplateError, preset::kinds};

/// Why there is no implementation, or why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum ImplementationError {
    /// The model gateway has no defect or no variant with this name.
    #[error("unknown {kind} `{name}`\nexpected one of {known}")]
    UnknownModel {
        /// `defect` or `variant`.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The known names.
        known: String,
    },
    /// There is no built-in implementation with this name.
    #[error(
        "unknown built-in implementation `{0}`\nexpected builtin:reference, builtin:model, \
         builtin:defect/NAME or builtin:variant/NAME"
    )]
    UnknownBuiltin(String),
    /// Nothing says what a gateway at a URL expects.
    #[error(
        "nothing describes {0}\n\
         expected --kind KIND, or --like IMPLEMENTATION for the layout of a described gateway\n\
         the kinds are\n{kinds}\n\
         if you do not know the kind, this command finds it out:\n  \
         preflight-conformance smoke {0} --kind relay",
        kinds = kinds()
    )]
    NoUrlDescription(String),
    /// The description was not found or is invalid.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// The implementation does not offer this strategy or profile.
    #[error("{name} has no {axis} `{value}`\nexpected one of {known}")]
    UnsupportedStart {
        /// The implementation.
        name: String,
        /// `strategy` or `profile`.
        axis: &'static str,
        /// The value that was given.
        value: &'static str,
        /// The values that the implementation offers.
        known: String,
    },
    /// A described implementation did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A built-in implementation did not start.
    #[error("{name} did not start: {reason}")]
    Builtin {
        /// The implementation.
        name: String,
        /// The error of the implementation.
        reason: String,
    },
}

impl ImplementationError {
    /// Whether the implementation was found but did not start.
    #[must_use]
    pub fn is_start(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Builtin { .. })
    }
}

/// Why a described implementation did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It could not be installed.
    #[error("{name} {version} could not be installed: {source}")]
    Install {
        /// The implementation.
        name: String,
        /// Its version.
        version: String,
        /// The cause.
        source: Box<InstallError>,
    },
    /// A file, a command or a variable could not be rendered.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start `{program}`: {source}")]
    Program {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The program ended before it was ready.
    #[error("the program ended before it was ready, with {status}\nlog: {}\n{tail}", log.display())]
    Ended {
        /// The exit status.
        status: String,
        /// The file with the output of the program.
        log: PathBuf,
        /// The last lines of the output.
        tail: String,
    },
    /// The program was not ready in time.
    #[error(
        "the program was not ready within {} s: GET {url} gave {last}\nlog: {}\n{tail}",
        within.as_secs(),
        log.display()
    )]
    NotReady {
        /// The time that it had.
        within: Duration,
        /// The URL of the readiness check.
        url: String,
        /// The last result of the readiness check.
        last: String,
        /// The file with the output of the program.
        log: PathBuf,
        /// The last lines of the output.
        tail: String,
    },
}
