//! The lines of a run file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Damage, Header, JudgedMatrixCase, JudgedScenario, Note, Setup};

/// The footer of a run file: the number of lines of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// The number of matrix cases.
    pub matrix_cases: usize,
    /// The number of scenarios.
    pub scenarios: usize,
    /// The number of damages.
    pub damages: usize,
    /// The number of notes.
    #[serde(default)]
    pub notes: usize,
    /// Whether the run was interrupted before everything selected had run.
    pub interrupted: bool,
}

impl Footer {
    /// The counts, for error messages.
    pub(super) fn counts(&self) -> String {
        format!(
            "{} matrix cases, {} scenarios, {} damages and {} notes",
            self.matrix_cases, self.scenarios, self.damages, self.notes
        )
    }
}

/// One line of a run file.
#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub(super) enum Line<'a> {
    Header(Owned<'a, Header>),
    // In a box, because it is much larger than the other lines.
    Setup(Box<Owned<'a, Setup>>),
    MatrixCase(Owned<'a, JudgedMatrixCase>),
    Scenario(Owned<'a, JudgedScenario>),
    Damage(Owned<'a, Damage>),
    Note(Owned<'a, Note>),
    Footer(Footer),
}

/// Borrowed by the writer, owned by the reader.
pub(super) type Owned<'a, T> = Cow<'a, T>;
