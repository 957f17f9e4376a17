//! Notes: what a reader of a run should know about how the run was made.
//!
//! A note is no finding. It changes no verdict.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cases::axis::Start;

/// One note about the part of a run with one start of the implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// How the implementation was started.
    pub start: Start,
    /// What happened.
    #[serde(flatten)]
    pub event: NotedEvent,
    /// The ids of the cases to which it happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum NotedEvent {
    /// The cases ran a second time, alone, because it was not certain that their upstream requests
    /// belonged to them. Only the second run counts.
    RanAlone {
        /// Why it was not certain.
        reason: String,
    },
    /// The positive control failed after the cases, and passed again without a restart.
    Recovered {
        /// What the failed control observed.
        failure: String,
        /// How long it took, in milliseconds.
        after_ms: u64,
    },
    /// The cases ran one after another on each server, with a healthy call after each of them.
    HealthyCalls,
    /// The session of the cases was opened at the second attempt.
    SessionReopened,
    /// The cases were not run, because the part reached its time limit.
    TimeLimit {
        /// The limit, in seconds.
        limit_s: u64,
        /// The number of cases of the part.
        planned: usize,
    },
}

impl Note {
    /// The note as sentences.
    #[must_use]
    pub fn in_words(&self) -> String {
        let cases = counted(self.cases.len());
        match &self.event {
            NotedEvent::RanAlone { reason } => {
                format!("{cases} ran again alone, and only that run counts: {reason}.")
            }
            NotedEvent::Recovered { failure, after_ms } => format!(
                "The gateway recovered {:.1} s after {cases}, without a restart. Before that, \
                 {failure}.",
                Duration::from_millis(*after_ms).as_secs_f64()
            ),
            NotedEvent::HealthyCalls => format!(
                "{cases} ran with a healthy call after each of them, because the gateway had \
                 stopped forwarding requests after several failures."
            ),
            NotedEvent::SessionReopened => {
                format!("The client opened the session of {cases} at the second attempt.")
            }
            NotedEvent::TimeLimit { limit_s, planned } => format!(
                "{cases} of {planned} did not run, because the gateway is slow: the time limit of \
                 {limit_s} s was reached (start: {}).",
                self.start
            ),
        }
    }
}

/// A number of cases in words.
fn counted(cases: usize) -> String {
    match cases {
        1 => "1 case".to_owned(),
        _ => format!("{cases} cases"),
    }
}
