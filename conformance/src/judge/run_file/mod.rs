//! Writes a run as JSON lines while it happens, and reads it back: the one primary artefact, of which every report is a function.
//!
//! The first line says what was run, the last one how many lines there must be: a file without its last line was cut short, and the
//! reader says so instead of reporting on half a run. It judges nothing.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::evidence::{Evidence, Setup};
use crate::{
    cases::{
        axis::{Start, Strategy},
        matrix_case::MatrixCase,
        rule, scenario,
    },
    catalogue::{self, Profile},
    implementations::Implementation,
    judge::Finding,
    trace::Trace,
};

mod evidence;

/// Fingerprint of everything that verdicts come from: the catalogue, the axes, the behaviours, the rules, the scenarios and the table
/// of who may see what.
#[must_use]
pub fn fingerprint() -> String {
    let mut hash = Sha256::new();
    hash.update(include_str!("../../../cases/axes.toml"));
    hash.update(include_str!("../../../upstreams.toml"));
    hash.update(include_str!("../../../disclosure.toml"));
    for (_, text) in catalogue::FILES.iter().chain(rule::FILES).chain(scenario::FILES) {
        hash.update(text);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The version of this format; a reader refuses any other.
pub const FORMAT: u32 = 3;

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The suite's version.
    pub suite: String,
    /// [`fingerprint`] of the writer.
    pub catalogue: String,
    /// The implementation, as the command line named it.
    pub implementation: String,
    /// Its version, where it is known.
    pub version: String,
    /// Whether it is our own, which the recommended requirements bind too.
    pub ours: bool,
    /// The random seed from which secrets, tokens and canary values are derived.
    pub random_seed: u64,
    /// The profiles it was started with, in order.
    pub profiles: Vec<Profile>,
    /// The strategies it was started with in each of them, in order.
    pub strategies: Vec<Strategy>,
    /// Where it takes the gateway key and the upstream token from, in words.
    pub credential_layout: String,
    /// The filters of the run; empty for a whole run.
    pub filters: Vec<String>,
}

impl Header {
    /// The header of a run of this implementation.
    #[must_use]
    pub fn new(target: &Implementation, random_seed: u64, filters: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            catalogue: fingerprint(),
            implementation: target.name.clone(),
            version: target.version.clone(),
            ours: target.ours,
            random_seed,
            profiles: target.profiles.clone(),
            strategies: target.strategies.clone(),
            credential_layout: target.credential_layout_in_words(),
            filters,
        }
    }
}

/// One matrix case, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedMatrixCase {
    /// The matrix case.
    pub matrix_case: MatrixCase,
    /// Where the gateway was, as its client saw it.
    pub gateway: String,
    /// What both faces saw.
    pub trace: Trace,
    /// What was known beside the trace when it was judged.
    #[serde(default, skip_serializing_if = "Evidence::is_usual")]
    pub evidence: Evidence,
    /// What was observed in the trace, by the observables' names.
    pub observations: BTreeMap<String, String>,
    /// What the rules say about it.
    pub findings: Vec<Finding>,
}

/// One scenario, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgedScenario {
    /// Its id.
    pub scenario: String,
    /// How the implementation was started.
    pub start: Start,
    /// Where the gateway was, as its client saw it.
    pub gateway: String,
    /// What both faces saw, over all steps.
    pub trace: Trace,
    /// What was known beside the trace when it was judged.
    #[serde(default, skip_serializing_if = "Evidence::is_usual")]
    pub evidence: Evidence,
    /// What was observed.
    pub observations: BTreeMap<String, String>,
    /// What its expectations say about it.
    pub findings: Vec<Finding>,
}

impl JudgedScenario {
    /// What reports and baselines call it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("scenario {} / {}", self.scenario, self.start)
    }
}

/// A matrix case or a scenario of a run, as whoever need not tell them apart sees it.
#[derive(Clone, Debug)]
pub struct JudgedCase<'a> {
    /// What reports and baselines call it.
    pub id: String,
    /// What `--only` takes it by.
    pub only: String,
    /// The matrix case, where it is one.
    pub matrix_case: Option<&'a MatrixCase>,
    /// Where the gateway was, as its client saw it.
    pub gateway: &'a str,
    /// What both faces saw.
    pub trace: &'a Trace,
    /// What was known beside the trace when it was judged.
    pub evidence: &'a Evidence,
    /// What was observed.
    pub observations: &'a BTreeMap<String, String>,
    /// What is said about it.
    pub findings: &'a [Finding],
}

impl<'a> From<&'a JudgedMatrixCase> for JudgedCase<'a> {
    fn from(judged: &'a JudgedMatrixCase) -> Self {
        let JudgedMatrixCase {
            matrix_case,
            gateway,
            trace,
            evidence,
            observations,
            findings,
        } = judged;
        let id = matrix_case.to_string();
        Self {
            only: id.clone(),
            id,
            matrix_case: Some(matrix_case),
            gateway,
            trace,
            evidence,
            observations,
            findings,
        }
    }
}

impl<'a> From<&'a JudgedScenario> for JudgedCase<'a> {
    fn from(judged: &'a JudgedScenario) -> Self {
        let JudgedScenario {
            scenario, gateway, trace, evidence, observations, findings, ..
        } = judged;
        Self {
            id: judged.id(),
            only: scenario.clone(),
            matrix_case: None,
            gateway,
            trace,
            evidence,
            observations,
            findings,
        }
    }
}

/// What the matrix cases of a batch did to the implementation itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// How the implementation was started.
    pub start: Start,
    /// The smallest set of matrix cases found that does it.
    pub matrix_cases: Vec<String>,
    /// What no longer worked afterwards.
    pub description: String,
}

/// How many lines there must be, and whether the run came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// Lines of matrix cases.
    pub matrix_cases: usize,
    /// Lines of scenarios.
    pub scenarios: usize,
    /// Lines of damage.
    pub damages: usize,
    /// Whether it was stopped before everything selected had run.
    pub interrupted: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a line lives as long as it takes to read or write it, and the large one comes once"
)]
enum Line<'a> {
    Header(Owned<'a, Header>),
    Setup(Owned<'a, Setup>),
    MatrixCase(Owned<'a, JudgedMatrixCase>),
    Scenario(Owned<'a, JudgedScenario>),
    Damage(Owned<'a, Damage>),
    Footer(Footer),
}

/// Borrowed where it is written, owned where it was read.
type Owned<'a, T> = std::borrow::Cow<'a, T>;

/// A whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was run.
    pub header: Header,
    /// What the implementation was configured with; a run that started none has none.
    pub setup: Option<Setup>,
    /// The matrix cases, in the order of the matrix.
    pub matrix_cases: Vec<JudgedMatrixCase>,
    /// The scenarios.
    pub scenarios: Vec<JudgedScenario>,
    /// What happened to the implementation.
    pub damages: Vec<Damage>,
    /// Whether it was stopped before everything selected had run.
    pub interrupted: bool,
}

impl Run {
    /// A run of which nothing has happened yet.
    #[must_use]
    pub fn new(header: Header) -> Self {
        Self {
            header,
            setup: None,
            matrix_cases: Vec::new(),
            scenarios: Vec::new(),
            damages: Vec::new(),
            interrupted: false,
        }
    }

    /// The findings of all matrix cases and scenarios, each with the id of what it is about.
    pub fn findings(&self) -> impl Iterator<Item = (String, &Finding)> {
        self.cases().flat_map(|JudgedCase { id, findings, .. }| {
            findings.iter().map(move |finding| (id.clone(), finding))
        })
    }

    /// The matrix cases, and behind them the scenarios.
    pub fn cases(&self) -> impl Iterator<Item = JudgedCase<'_>> {
        self.matrix_cases
            .iter()
            .map(JudgedCase::from)
            .chain(self.scenarios.iter().map(JudgedCase::from))
    }
}

/// Writes a run line by line.
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
        self.line(&Line::Setup(Owned::Borrowed(setup)))
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

    /// Writes the footer and hands everything to the file.
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

/// Why a run file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("the run file could not be read: {0}")]
    Io(#[from] io::Error),
    /// The first line is not a header.
    #[error(
        "line 1 is no header: expected a run file written by `preflight-conformance run --output`"
    )]
    NoHeader,
    /// Another version wrote it.
    #[error("format {found} is not format {FORMAT}: run the suite again with this version")]
    OtherFormat {
        /// The format found.
        found: u32,
    },
    /// A line is not one of ours.
    #[error("line {line} is not a line of a run file: {why}")]
    BadLine {
        /// Its number, from one.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// There is no footer.
    #[error("the run file ends after line {lines} without a footer: the run was cut short")]
    Truncated {
        /// How many lines there are.
        lines: usize,
    },
    /// The footer counts other lines than there are.
    #[error("the footer counts {counted}, the file holds {held}: lines were lost or added")]
    Miscounted {
        /// What the footer says.
        counted: String,
        /// What there is.
        held: String,
    },
    /// There is something behind the footer.
    #[error("line {line} stands behind the footer")]
    AfterFooter {
        /// Its number, from one.
        line: usize,
    },
}

impl Run {
    /// Reads a whole run file, and refuses one that is not whole.
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
            let line = match serde_json::from_str::<Line<'_>>(&text) {
                Ok(line) => line,
                Err(_) if lines == 1 => return Err(ReadError::NoHeader),
                // The last line of a run that was killed is cut anywhere.
                Err(why) if why.is_eof() => return Err(ReadError::Truncated { lines }),
                Err(why) => return Err(ReadError::BadLine { line: lines, why: why.to_string() }),
            };
            match (line, &mut run) {
                (Line::Header(header), None) => {
                    if header.format != FORMAT {
                        return Err(ReadError::OtherFormat { found: header.format });
                    }
                    run = Some(Self::new(header.into_owned()));
                }
                (Line::Header(_), Some(_)) => {
                    return Err(ReadError::BadLine { line: lines, why: "a second header".into() });
                }
                (_, None) => return Err(ReadError::NoHeader),
                (Line::Setup(setup), Some(run)) => run.setup = Some(setup.into_owned()),
                (Line::MatrixCase(matrix_case), Some(run)) => {
                    run.matrix_cases.push(matrix_case.into_owned())
                }
                (Line::Scenario(scenario), Some(run)) => run.scenarios.push(scenario.into_owned()),
                (Line::Damage(damage), Some(run)) => run.damages.push(damage.into_owned()),
                (Line::Footer(read), Some(_)) => footer = Some(read),
            }
        }
        let mut run = run.ok_or(ReadError::NoHeader)?;
        let footer = footer.ok_or(ReadError::Truncated { lines })?;
        run.interrupted = footer.interrupted;
        let held = Footer {
            matrix_cases: run.matrix_cases.len(),
            scenarios: run.scenarios.len(),
            damages: run.damages.len(),
            ..footer.clone()
        };
        if held != footer {
            return Err(ReadError::Miscounted { counted: footer.counts(), held: held.counts() });
        }
        Ok(run)
    }
}

impl Footer {
    fn counts(&self) -> String {
        format!(
            "{} matrix cases, {} scenarios and {} damages",
            self.matrix_cases, self.scenarios, self.damages
        )
    }
}

#[cfg(test)]
mod tests;
