//! Rejudges a recorded run by the catalogue and the rules of this build, without the
//! implementation.
//!
//! The outputs of a whole run are not recorded, so the findings about them are kept.

use super::{
    Finding,
    case::{Judgement, judge_matrix_case, judge_scenario},
    run_file::{Header, Run, fingerprint},
};
use crate::cases::{
    scenario::Scenario,
    selection::{Selection, SelectionError},
};

/// Why a run cannot be rejudged.
#[derive(Debug, thiserror::Error)]
pub enum RejudgeError {
    /// The run has no setup.
    #[error("the run has no setup: its implementation was not started")]
    NoSetup,
    /// This build does not support the filters of the run.
    #[error("the filters of the run: {0}")]
    Selection(#[from] SelectionError),
}

/// The rejudged run, and the ids of the cases that this build cannot rejudge.
///
/// # Errors
///
/// If the run has no setup, or if its filters are invalid.
pub fn rejudge(run: &Run) -> Result<(Run, Vec<String>), RejudgeError> {
    let setup = run.setup.as_ref().ok_or(RejudgeError::NoSetup)?;
    let selection = Selection::from_options(&run.header.filters)?;
    let select = |case_id: &str, findings: Vec<Finding>| -> Vec<Finding> {
        findings
            .into_iter()
            .filter(|finding| selection.includes_finding(case_id, &finding.requirement))
            .collect()
    };
    let mut rejudged = Run {
        header: Header {
            catalogue: fingerprint(),
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            ..run.header.clone()
        },
        ..run.clone()
    };
    for judged in &mut rejudged.matrix_cases {
        let context = setup.context(&judged.gateway, &judged.evidence);
        let Judgement { observations, findings } =
            judge_matrix_case(&judged.matrix_case, &context, &judged.trace);
        judged.observations = observations;
        judged.findings = select(&judged.matrix_case.to_string(), findings);
    }
    let mut kept = Vec::new();
    for judged in &mut rejudged.scenarios {
        let Some(scenario) = Scenario::find(&judged.scenario) else {
            kept.push(judged.id());
            continue;
        };
        let context = setup.context(&judged.gateway, &judged.evidence);
        let Judgement { observations, findings } =
            judge_scenario(scenario, &context, &judged.trace);
        judged.observations = observations;
        judged.findings = select(&judged.scenario, findings);
    }
    Ok((rejudged, kept))
}
