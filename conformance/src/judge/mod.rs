//! Judges traces: observables, findings and verdicts; secret disclosure; baselines; run files.
//!
//! No rule and no requirement has special treatment here, except two that concern a whole run. A
//! verdict needs evidence: an event that did not happen is evidence only if the positive control
//! passed, and a response is evidence only if an upstream took part in it, where a rule needs that.
//!
//! Each module depends only on modules above it.
//!
//! | module | decides |
//! | --- | --- |
//! | [`Verdict`], [`Finding`] | the result for one requirement, rule and observable |
//! | [`disclosure`] | which secrets were disclosed |
//! | [`subject`], [`observation`] | what is judged, and what was observed of it |
//! | [`masking`] | how a refusal is masked by a success |
//! | [`observables`] | the value of each observable |
//! | [`case`] | the findings of one case; `expectation` judges one expectation |
//! | [`whole_output`], [`idle_gap`] | the findings of a whole run |
//! | [`vocabulary`] | whether rules name existing observables and values |
//! | [`run_file`] | how a run is written and read |
//! | [`summary`] | the verdict of each requirement, and the result of a run |
//! | [`baseline`] | which failures are expected |
//! | [`effective_verdict`] | the verdict that reports show, considering the baseline |
//! | [`root_cause`] | which requirements fail because of the same defect |
//! | [`rejudge`], [`compare`] | how a recorded run is judged, and how two runs differ |

pub mod baseline;
pub mod case;
pub mod compare;
pub mod disclosure;
pub mod effective_verdict;
mod expectation;
mod finding;
pub mod idle_gap;
pub mod masking;
pub mod observables;
pub mod observation;
pub mod rejudge;
pub mod root_cause;
pub mod run_file;
pub mod subject;
pub mod summary;
mod verdict;
pub mod vocabulary;
pub mod whole_output;

pub(crate) use self::finding::skip_unbound;
pub use self::{finding::Finding, verdict::Verdict};

#[cfg(test)]
mod tests;
