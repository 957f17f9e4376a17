//! Reads a run file, and rejects an incomplete one.

use std::io::{self, BufRead};

use serde::Deserialize;

use super::{
    FORMAT, Run,
    line::{Footer, Line},
};

/// Why a run file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("the run file could not be read: {0}")]
    Io(#[from] io::Error),
    /// The first line is not a header.
    #[error(
        "line 1 is not a header: expected a run file written by \
         `preflight-conformance run --output`"
    )]
    NoHeader,
    /// The file has another format.
    #[error(
        "run file format {found} is not supported by this version, which reads format {FORMAT}; \
         run the suite again, or use suite version {suite}"
    )]
    OtherFormat {
        /// The format of the file.
        found: u32,
        /// The suite version that wrote the file.
        suite: String,
    },
    /// A line is invalid.
    #[error("line {line} is not a line of a run file: {why}")]
    BadLine {
        /// The number of the line, from one.
        line: usize,
        /// What the parser found.
        why: String,
    },
    /// There is no footer.
    #[error("the run file ends after line {lines} without a footer: the run was aborted")]
    Truncated {
        /// The number of lines.
        lines: usize,
    },
    /// The footer counts other lines than there are.
    #[error("the footer counts {counted}, but the file has {held}: lines were lost or added")]
    Miscounted {
        /// What the footer counts.
        counted: String,
        /// What the file has.
        held: String,
    },
    /// A line follows the footer.
    #[error("line {line} follows the footer")]
    AfterFooter {
        /// The number of the line, from one.
        line: usize,
    },
}

impl Run {
    /// Reads a complete run file.
    ///
    /// # Errors
    ///
    /// If the file has another format, is invalid or is incomplete.
    pub fn read(from: impl BufRead) -> Result<Self, ReadError> {
        let mut run: Option<Self> = None;
        let mut footer: Option<Footer> = None;
        let mut lines = 0;
        for text in from.lines() {
            let text = text?;
            lines += 1;
            if footer.is_some() {
                return Err(ReadError::AfterFooter { line: lines });
            }
            let line = parse_line(&text, lines)?;
            match (line, &mut run) {
                (Line::Header(header), None) if header.format == FORMAT => {
                    run = Some(Self::new(header.into_owned()));
                }
                (Line::Header(_), None) => return Err(error_in_first_line(&text)),
                (Line::Header(_), Some(_)) => {
                    return Err(ReadError::BadLine { line: lines, why: "a second header".into() });
                }
                (_, None) => return Err(ReadError::NoHeader),
                (Line::Footer(read), Some(_)) => footer = Some(read),
                (line, Some(run)) => run.add(line),
            }
        }
        let mut run = run.ok_or(ReadError::NoHeader)?;
        let footer = footer.ok_or(ReadError::Truncated { lines })?;
        run.interrupted = footer.interrupted;
        let held = Footer {
            matrix_cases: run.matrix_cases.len(),
            scenarios: run.scenarios.len(),
            damages: run.damages.len(),
            notes: run.notes.len(),
            ..footer.clone()
        };
        if held != footer {
            return Err(ReadError::Miscounted { counted: footer.counts(), held: held.counts() });
        }
        Ok(run)
    }

    /// Adds the content of a line between header and footer.
    fn add(&mut self, line: Line<'_>) {
        match line {
            Line::Setup(setup) => self.setup = Some((*setup).into_owned()),
            Line::MatrixCase(matrix_case) => self.matrix_cases.push(matrix_case.into_owned()),
            Line::Scenario(scenario) => self.scenarios.push(scenario.into_owned()),
            Line::Damage(damage) => self.damages.push(damage.into_owned()),
            Line::Note(note) => self.notes.push(note.into_owned()),
            Line::Header(_) | Line::Footer(_) => {}
        }
    }
}

fn parse_line(text: &str, number: usize) -> Result<Line<'_>, ReadError> {
    serde_json::from_str(text).map_err(|error| {
        if number == 1 {
            error_in_first_line(text)
        } else if error.is_eof() {
            // The last line of an aborted run can be incomplete.
            ReadError::Truncated { lines: number }
        } else {
            ReadError::BadLine { line: number, why: printable(&error.to_string()) }
        }
    })
}

/// The members of a header that every format has.
#[derive(Deserialize)]
struct AnyHeader {
    format: u32,
    suite: String,
}

/// A header of another format can have other members, so it is read on its own.
fn error_in_first_line(text: &str) -> ReadError {
    match serde_json::from_str::<AnyHeader>(text) {
        Ok(AnyHeader { format, suite }) if format != FORMAT => {
            ReadError::OtherFormat { found: format, suite: printable(&suite) }
        }
        _ => ReadError::NoHeader,
    }
}

/// Escapes control characters, which an invalid file could use to change the terminal.
fn printable(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}
