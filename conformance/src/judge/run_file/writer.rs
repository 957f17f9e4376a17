//! Writes a run file.

use std::io::{self, Write};

use super::{
    Damage, Header, JudgedMatrixCase, JudgedScenario, Note, Setup,
    line::{Footer, Line, Owned},
};

/// Writes a run line by line, while it happens.
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    footer: Footer,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn start(to: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { to, footer: Footer::default() };
        writer.line(&Line::Header(Owned::Borrowed(header)))?;
        Ok(writer)
    }

    /// Writes what the implementation is configured with.
    pub fn setup(&mut self, setup: &Setup) -> io::Result<()> {
        self.line(&Line::Setup(Box::new(Owned::Borrowed(setup))))
    }

    /// Writes one matrix case.
    pub fn matrix_case(&mut self, matrix_case: &JudgedMatrixCase) -> io::Result<()> {
        self.footer.matrix_cases += 1;
        self.line(&Line::MatrixCase(Owned::Borrowed(matrix_case)))
    }

    /// Writes one scenario.
    pub fn scenario(&mut self, scenario: &JudgedScenario) -> io::Result<()> {
        self.footer.scenarios += 1;
        self.line(&Line::Scenario(Owned::Borrowed(scenario)))
    }

    /// Writes one damage.
    pub fn damage(&mut self, damage: &Damage) -> io::Result<()> {
        self.footer.damages += 1;
        self.line(&Line::Damage(Owned::Borrowed(damage)))
    }

    /// Writes one note.
    pub fn note(&mut self, note: &Note) -> io::Result<()> {
        self.footer.notes += 1;
        self.line(&Line::Note(Owned::Borrowed(note)))
    }

    /// Writes the footer and flushes the file.
    pub fn finish(mut self, interrupted: bool) -> io::Result<()> {
        let footer = Footer { interrupted, ..self.footer.clone() };
        self.line(&Line::Footer(footer))?;
        self.to.flush()
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, line)?;
        self.to.write_all(b"\n")
    }
}
