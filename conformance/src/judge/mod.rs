//! Judges traces: observables, findings and verdicts; secret disclosure; baselines; run files.
//!
//! No rule and no requirement is known by name here. A verdict needs evidence: an event that did not happen counts only where the
//! positive control shows that it would have been recorded, and a response counts only where an upstream server took part in it if
//! the rule needs that.

pub mod baseline;
pub mod case;
pub mod compare;
pub mod disclosure;
pub mod effective_verdict;
mod expectation;
mod finding;
pub mod idle_gap;
pub mod observables;
pub mod rejudge;
pub mod run_file;
pub mod summary;
mod verdict;
pub mod vocabulary;
pub mod whole_output;

pub use self::{
    finding::{Finding, missed},
    verdict::Verdict,
};

#[cfg(test)]
mod tests;
