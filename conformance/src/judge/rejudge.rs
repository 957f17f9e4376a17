//! Judges a recorded run once more, by the catalogue and the rules of this build: no implementation and no mock upstreams are needed.
//!
//! What the run file does not hold cannot be judged again: the whole output of an implementation is not kept, so what was found in it is
//! carried over as it was.

use super::{
    case::{Judgement, judge_matrix_case, judge_scenario},
    run_file::{Header, Run, fingerprint},
};
use crate::cases::{
    scenario::Scenario,
    selection::{Selection, SelectionError},
};

/// Why a run cannot be judged again.
#[derive(Debug, thiserror::Error)]
pub enum RejudgeError {
    /// Nothing was started, so there is nothing to judge.
    #[error("the run holds no setup: its implementation was never started")]
    NoSetup,
    /// Its filters do not make sense to this build.
    #[error("the filters of the run: {0}")]
    Selection(#[from] SelectionError),
}

/// The run with new observations and findings, and what could not be judged again, by its id.
pub fn again(run: &Run) -> Result<(Run, Vec<String>), RejudgeError> {
    let setup = run.setup.as_ref().ok_or(RejudgeError::NoSetup)?;
    let selection = Selection::of_words(&run.header.filters)?;
    let selected = |about: &str, judgement: Judgement| {
        let Judgement { observations, mut findings } = judgement;
        findings.retain(|finding| selection.takes_finding(about, &finding.requirement));
        (observations, findings)
    };
    let mut judged = Run {
        header: Header {
            catalogue: fingerprint(),
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            ..run.header.clone()
        },
        ..run.clone()
    };
    let mut carried = Vec::new();
    for matrix_case in &mut judged.matrix_cases {
        let context = setup.context(&matrix_case.gateway, &matrix_case.evidence);
        let judgement = judge_matrix_case(&matrix_case.matrix_case, &context, &matrix_case.trace);
        (matrix_case.observations, matrix_case.findings) =
            selected(&matrix_case.matrix_case.to_string(), judgement);
    }
    for played in &mut judged.scenarios {
        match Scenario::find(&played.scenario) {
            Some(scenario) => {
                let context = setup.context(&played.gateway, &played.evidence);
                let judgement = judge_scenario(scenario, &context, &played.trace);
                (played.observations, played.findings) = selected(&played.scenario, judgement);
            }
            None => carried.push(played.id()),
        }
    }
    Ok((judged, carried))
}
