//! Renders an error in a configuration: where it is, what was found, what was expected and what to
//! write.
//!
//! What is an error is decided elsewhere.

use std::{fmt, io, ops::Range};

/// An error in the text of a configuration.
#[derive(Debug)]
pub(super) struct Diagnostic {
    /// The byte range of the wrong part; `None` if the error has no place in the text.
    pub(super) span: Option<Range<usize>>,
    /// What was found.
    pub(super) found: String,
    /// What was expected, and an example of what to write.
    pub(super) expected: String,
    /// Whether the line is left out because it may contain a secret.
    pub(super) hides_line: bool,
}

impl Diagnostic {
    /// An error in a part of the text.
    pub(super) fn at(
        span: Range<usize>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { span: Some(span), ..Self::without_span(found, expected) }
    }

    /// An error that has no place in the text, for example a missing table.
    pub(super) fn without_span(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            span: None,
            found: found.into(),
            expected: expected.into(),
            hides_line: false,
        }
    }

    /// The same error without the line, which may contain a secret.
    pub(super) fn hiding_line(self) -> Self {
        Self { hides_line: true, ..self }
    }
}

/// An error in a configuration, in the form in which an operator reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// The error for a file that cannot be read.
    pub(super) fn unreadable(name: &str, error: &io::Error) -> Self {
        Self(format!(
            "{name}: cannot be read: {}\n\
            expected a TOML file; preflight.example.toml is an example",
            error.kind()
        ))
    }

    /// Renders an error with the name of the file and the line of the text.
    pub(super) fn located(name: &str, text: &str, diagnostic: Diagnostic) -> Self {
        let Diagnostic { span, found, expected, hides_line } = diagnostic;
        let Some(span) = span else {
            return Self(format!("{name}: {found}\n{expected}"));
        };
        let start = span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let number = text[..start].matches('\n').count() + 1;
        let column = text[line_start..start].chars().count() + 1;
        let mut message = format!("{name}:{number}:{column}: {found}\n");
        if !hides_line {
            let line = text[line_start..line_end].trim_end();
            let width = text[start..span.end.clamp(start, line_end)].chars().count().max(1);
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
