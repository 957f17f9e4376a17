//! A complaint about a place in a file, as the person who wrote the file wants to read it.
//!
//! Decides nothing but the layout: file, line and column, the line itself, what was expected.

use std::fmt;
use std::ops::Range;

/// Where, what, and the line itself.
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
    /// A complaint about a span of the source. What a message says behind `, expected` gets a line of its own.
    pub(super) fn new(file: &str, source: &str, span: Option<Range<usize>>, message: &str) -> Self {
        let span = span.unwrap_or(0..0);
        let before = source.get(..span.start).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let text = source[start..].lines().next().unwrap_or_default();
        let column = before[start..].chars().count() + 1;
        let marked = source
            .get(span)
            .and_then(|found| found.lines().next())
            .map_or(0, |found| found.chars().count());
        let left_of_line = (text.chars().count() + 1).saturating_sub(column);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            width: marked.min(left_of_line).max(1),
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
