//! Words an error in the configuration: where it stands, what was found, what was expected, what to write.
//!
//! Decides nothing about what is an error.

use std::{fmt, io, ops::Range};

/// What is wrong, at a byte range of the text.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where.
    pub(super) at: Option<Range<usize>>,
    /// What was found.
    pub(super) found: String,
    /// What was expected, and what to write.
    pub(super) expected: String,
    /// Whether the line may hold a secret, and is not shown.
    pub(super) hush: bool,
}

impl Fault {
    pub(super) fn at(
        at: Range<usize>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            at: Some(at),
            found: found.into(),
            expected: expected.into(),
            hush: false,
        }
    }
}

/// An error in a configuration, ready to be read by an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    pub(super) fn unreadable(name: &str, error: &io::Error) -> Self {
        Self(format!(
            "{name}: cannot be read: {}\nexpected a TOML file; an example is preflight.example.toml",
            error.kind()
        ))
    }

    pub(super) fn located(name: &str, text: &str, fault: Fault) -> Self {
        let Fault { at, found, expected, hush } = fault;
        let Some(at) = at else {
            return Self(format!("{name}: {found}\n{expected}"));
        };
        let start = at.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let number = text[..start].matches('\n').count() + 1;
        let column = text[line_start..start].chars().count() + 1;
        let mut message = format!("{name}:{number}:{column}: {found}\n");
        if !hush {
            let line = text[line_start..line_end].trim_end();
            let width = text[start..at.end.clamp(start, line_end)].chars().count().max(1);
            message += &format!(
                "{number:5} | {line}\n      | {:pad$}{}\n",
                "",
                "^".repeat(width),
                pad = column - 1
            );
        }
        Self(message + &expected)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
