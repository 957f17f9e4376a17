//! Keeps the results of a run, and writes them to the run file line by line if there is one.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use crate::judge::run_file::{
    Damage, Header, JudgedMatrixCase, JudgedScenario, Note, Run, Setup, Writer,
};

/// The results of a run so far. [`Recorder::finish`] completes the run file, also of an interrupted
/// run.
pub struct Recorder {
    run: Run,
    file: Option<Writer<Box<dyn Write + Send>>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Traces contain secrets, and are long.
        f.debug_struct("Recorder")
            .field("matrix-cases", &self.run.matrix_cases.len())
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Starts a run, and the run file if one is given.
    ///
    /// # Errors
    ///
    /// The run file could not be written. This is the error of every function here.
    pub fn start(header: Header, file: Option<File>) -> io::Result<Self> {
        let file = match file {
            Some(file) => Some(Writer::start(
                Box::new(BufWriter::new(file)) as Box<dyn Write + Send>,
                &header,
            )?),
            None => None,
        };
        Ok(Self { run: Run::new(header), file })
    }

    /// The results so far.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Records the facts that are the same for every case.
    pub fn setup(&mut self, setup: Setup) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.setup(&setup)?;
        }
        self.run.setup = Some(setup);
        Ok(())
    }

    /// Records a judged matrix case.
    pub fn matrix_case(&mut self, matrix_case: JudgedMatrixCase) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.matrix_case(&matrix_case)?;
        }
        self.run.matrix_cases.push(matrix_case);
        Ok(())
    }

    /// Records a judged scenario.
    pub fn scenario(&mut self, scenario: JudgedScenario) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.scenario(&scenario)?;
        }
        self.run.scenarios.push(scenario);
        Ok(())
    }

    /// Records that the implementation no longer worked.
    pub fn damage(&mut self, damage: Damage) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.damage(&damage)?;
        }
        self.run.damages.push(damage);
        Ok(())
    }

    /// Records a note.
    pub fn note(&mut self, note: Note) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.note(&note)?;
        }
        self.run.notes.push(note);
        Ok(())
    }

    /// Completes the run file and returns the run.
    pub fn finish(self, interrupted: bool) -> io::Result<Run> {
        if let Some(file) = self.file {
            file.finish(interrupted)?;
        }
        Ok(Run { interrupted, ..self.run })
    }
}
