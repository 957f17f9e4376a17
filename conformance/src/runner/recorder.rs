//! Keeps a run as it grows, and writes it to its file line by line where one is wanted.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use crate::judge::run_file::{
    Damage, Header, JudgedMatrixCase, JudgedScenario, Run, Setup, Writer,
};

/// The run so far. Whatever happens, [`Recorder::finish`] makes a whole file of it.
pub struct Recorder {
    run: Run,
    file: Option<Writer<Box<dyn Write + Send>>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Traces hold secrets, and are long.
        f.debug_struct("Recorder")
            .field("matrix-cases", &self.run.matrix_cases.len())
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Starts a run, and its file where one is wanted.
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

    /// The run so far.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Notes what the implementation is configured with.
    pub fn setup(&mut self, setup: Setup) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.setup(&setup)?;
        }
        self.run.setup = Some(setup);
        Ok(())
    }

    /// Notes a matrix case.
    pub fn matrix_case(&mut self, matrix_case: JudgedMatrixCase) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.matrix_case(&matrix_case)?;
        }
        self.run.matrix_cases.push(matrix_case);
        Ok(())
    }

    /// Notes a scenario.
    pub fn scenario(&mut self, scenario: JudgedScenario) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.scenario(&scenario)?;
        }
        self.run.scenarios.push(scenario);
        Ok(())
    }

    /// Notes what happened to the implementation.
    pub fn damage(&mut self, damage: Damage) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.damage(&damage)?;
        }
        self.run.damages.push(damage);
        Ok(())
    }

    /// Ends the file.
    pub fn finish(self, interrupted: bool) -> io::Result<Run> {
        if let Some(file) = self.file {
            file.finish(interrupted)?;
        }
        Ok(Run { interrupted, ..self.run })
    }
}
