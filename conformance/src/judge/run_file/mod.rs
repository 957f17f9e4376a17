//! Run files: JSON lines that record a whole run. Every report is a function of a run file.
//!
//! The first line says what was run; the last line counts the lines before it. So an incomplete
//! file is recognised and rejected.
//!
//! | module | contents |
//! | --- | --- |
//! | `header`, `judged_case`, `evidence`, `note`, `line` | the data of the lines |
//! | `writer`, `reader` | writing a run while it happens, and reading it back |

use serde::{Deserialize, Serialize};

pub use self::{
    evidence::{Evidence, Setup},
    header::{CasesLeftOut, Header, fingerprint},
    judged_case::{JudgedCase, JudgedMatrixCase, JudgedScenario, scenario_id},
    line::Footer,
    note::{Note, NotedEvent},
    reader::ReadError,
    writer::Writer,
};
use crate::{cases::axis::Start, catalogue::GatewayTraits, judge::Finding};

mod evidence;
mod header;
mod judged_case;
mod line;
mod note;
mod reader;
#[cfg(test)]
pub(in crate::judge) mod tests;
mod writer;

/// The version of the format. A reader rejects every other version.
pub const FORMAT: u32 = 3;

/// A lasting defect of the implementation that cases caused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// How the implementation was started.
    pub start: Start,
    /// The ids of the smallest known set of cases that causes it.
    pub matrix_cases: Vec<String>,
    /// What no longer worked afterwards.
    pub description: String,
    /// How the process of the implementation ended, for example `signal SIGSEGV`; `None` if it did
    /// not end, or if the suite did not start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_end: Option<String>,
    /// The last lines of its log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// The number of cases that were not judged because restarting was given up.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_judged: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Damage {
    /// A damage about which nothing else is known.
    #[must_use]
    pub fn new(start: Start, matrix_cases: Vec<String>, description: String) -> Self {
        Self {
            start,
            matrix_cases,
            description,
            process_end: None,
            log: Vec::new(),
            not_judged: 0,
        }
    }

    /// The description, and how the process ended.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.process_end {
            Some(end) => format!("the process ended with {end}; {}", self.description),
            None => self.description.clone(),
        }
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was run.
    pub header: Header,
    /// What the implementation was configured with; `None` if none was started.
    pub setup: Option<Setup>,
    /// The matrix cases, in the order of the matrix.
    pub matrix_cases: Vec<JudgedMatrixCase>,
    /// The scenarios.
    pub scenarios: Vec<JudgedScenario>,
    /// Lasting defects of the implementation.
    pub damages: Vec<Damage>,
    /// What a reader should know about how the run was made.
    pub notes: Vec<Note>,
    /// Whether the run was interrupted before everything selected had run.
    pub interrupted: bool,
}

impl Run {
    /// What decides which requirements bind the gateway.
    #[must_use]
    pub fn gateway_traits(&self) -> GatewayTraits {
        let traits = match &self.setup {
            Some(setup) => setup.gateway_traits(),
            None => GatewayTraits { kind: self.header.kind, ..GatewayTraits::default() },
        };
        GatewayTraits { ours: self.header.ours, ..traits }
    }

    /// A run without cases.
    #[must_use]
    pub fn new(header: Header) -> Self {
        Self {
            header,
            setup: None,
            matrix_cases: Vec::new(),
            scenarios: Vec::new(),
            damages: Vec::new(),
            notes: Vec::new(),
            interrupted: false,
        }
    }

    /// The findings of all matrix cases and scenarios, each with the id of its case.
    pub fn findings(&self) -> impl Iterator<Item = (String, &Finding)> {
        self.cases().flat_map(|JudgedCase { id, findings, .. }| {
            findings.iter().map(move |finding| (id.clone(), finding))
        })
    }

    /// The matrix cases, then the scenarios.
    pub fn cases(&self) -> impl Iterator<Item = JudgedCase<'_>> {
        self.matrix_cases
            .iter()
            .map(JudgedCase::from)
            .chain(self.scenarios.iter().map(JudgedCase::from))
    }
}
