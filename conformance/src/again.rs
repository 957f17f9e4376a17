//! Judges a recorded run once more, by the catalogue and the rules of this build: no implementation and no fleet are needed.
//!
//! What the run file does not hold cannot be judged again: the whole output of an implementation is not kept, so what was found in it is
//! carried over as it was.

use crate::{
    judge::{self, Finding},
    observe::{self, Observable, Subject},
    rule::RuleBook,
    run_file::{Header, Run, Setup, fingerprint},
    runner::{Selection, SelectionError, distrust},
    scenario::Scenario,
};

/// Why a run cannot be judged again.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// Nothing was started, so there is nothing to judge.
    #[error("the run holds no setup: its implementation was never started")]
    NoSetup,
    /// Its filters do not make sense to this build.
    #[error("the filters of the run: {0}")]
    Selection(#[from] SelectionError),
}

/// The run with new observations and findings, and what could not be judged again, by its id.
pub fn again(run: &Run) -> Result<(Run, Vec<String>), AgainError> {
    let setup = run.setup.as_ref().ok_or(AgainError::NoSetup)?;
    let selection = Selection::of_words(&run.header.filters)?;
    let keep = |about: &str, findings: &mut Vec<Finding>| {
        findings.retain(|finding| selection.takes_finding(about, &finding.requirement))
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
    for cell in &mut judged.cells {
        let context = setup.context(&cell.gateway, &cell.evidence);
        let subject = Subject::of_cell(&cell.cell, &context, &cell.trace);
        cell.findings = judge::judge(RuleBook::embedded(), &cell.cell, &subject);
        cell.observations = observe::all(&subject);
        if !context.control {
            distrust(&mut cell.findings);
        }
        keep(&cell.cell.to_string(), &mut cell.findings);
    }
    for played in &mut judged.scenarios {
        match Scenario::find(&played.scenario) {
            Some(scenario) => {
                replay(scenario, setup, played);
                keep(&played.scenario, &mut played.findings);
            }
            None => carried.push(played.id()),
        }
    }
    Ok((judged, carried))
}

fn replay(scenario: &Scenario, setup: &Setup, played: &mut crate::run_file::JudgedScenario) {
    let context = setup.context(&played.gateway, &played.evidence);
    let subject = Subject::new(scenario.server(), scenario.era, &context, &played.trace);
    let look = |name: &str| {
        Observable::find(name)
            .map(|observable| (name.to_owned(), observable.look(&subject).to_string()))
    };
    played.observations = scenario.observables().filter_map(look).collect();
    played.findings = match scenario.missing(&setup.features) {
        Some(feature) => scenario.skip(&feature),
        None => scenario.judge(&subject),
    };
    if !context.control {
        distrust(&mut played.findings);
    }
}
