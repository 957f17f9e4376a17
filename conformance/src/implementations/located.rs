//! An error with its position in a file: file, line, column, the line itself, and what was
//! expected.

use std::{fmt, ops::Range};

/// An error at a position in a file.
#[derive(Debug)]
pub struct Located {
    file: String,
    line: usize,
    column: usize,
    width: usize,
    text: String,
    message: String,
}

impl std::error::Error for Located {}

impl Located {
    /// An error about a span of the source.
    ///
    /// The part of the message after `, expected` is displayed on a line of its own.
    pub(super) fn new(file: &str, source: &str, span: Option<Range<usize>>, message: &str) -> Self {
        let span = span.unwrap_or(0..0);
        let before = source.get(..span.start).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let text = source[line_start..].lines().next().unwrap_or_default();
        let column = before[line_start..].chars().count() + 1;
        let span_width = source
            .get(span)
            .and_then(|found| found.lines().next())
            .map_or(0, |found| found.chars().count());
        let rest_of_line = (text.chars().count() + 1).saturating_sub(column);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            width: span_width.min(rest_of_line).max(1),
            text: text.to_owned(),
            message: message.trim().to_owned(),
        }
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, width, text, message } = self;
        let (found, expected) = message
            .split_once(", expected")
            .map_or((message.as_str(), None), |(found, rest)| (found, Some(rest)));
        writeln!(f, "{file}:{line}:{column}: {found}")?;
        writeln!(f, "{line:>5} | {text}")?;
        write!(f, "      | {:indent$}{:^<width$}", "", "", indent = column - 1)?;
        expected.map_or(Ok(()), |expected| write!(f, "\nexpected{expected}"))
    }
}
