//! Runs the suite against every defect and variant of the model gateway.
//!
//! Each gateway is a test of its own, for example `cargo test --test defects leaks-key`. A run
//! without a filter also compares the kill matrix that it measured with the snapshot. To accept a
//! change, run it with `INSTA_UPDATE=always` and review the difference.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_preflight_conformance::{
    catalogue::{Catalogue, Status},
    model_gateway::Defect,
    runner::self_test::{Claim, GATEWAYS_AT_ONCE, Outcome, claims, drive, kill_matrix},
};

/// The outcomes of the gateways that have been run.
type Outcomes = Arc<Mutex<Vec<Outcome>>>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(GATEWAYS_AT_ONCE);
    let outcomes = Outcomes::default();
    let claims = claims();
    let gateways = claims.len();
    let mut trials: Vec<Trial> =
        claims.into_iter().map(|claim| gateway_trial(claim, &outcomes)).collect();
    trials.push(Trial::test(
        "every_defect_names_covered_requirements",
        every_defect_names_covered_requirements,
    ));
    let conclusion = libtest_mimic::run(&arguments, trials);
    let outcomes = std::mem::take(&mut *lock(&outcomes));
    if outcomes.len() < gateways {
        // A filter selected some gateways, or one could not be run.
        return conclusion.exit_code();
    }
    let matrix = Trial::test("the_kill_matrix", move || the_kill_matrix(&outcomes));
    let matrix_conclusion = libtest_mimic::run(&arguments, vec![matrix]);
    if conclusion.has_failed() {
        conclusion.exit_code()
    } else {
        matrix_conclusion.exit_code()
    }
}

fn gateway_trial(claim: Claim, outcomes: &Outcomes) -> Trial {
    let outcomes = Arc::clone(outcomes);
    Trial::test(claim.implementation.clone(), move || {
        let outcome = drive(claim)?;
        let differences = outcome.differences();
        lock(&outcomes).push(outcome);
        if differences.is_empty() { Ok(()) } else { Err(differences.into()) }
    })
}

fn lock(outcomes: &Outcomes) -> MutexGuard<'_, Vec<Outcome>> {
    outcomes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn the_kill_matrix(outcomes: &[Outcome]) -> Result<(), Failed> {
    insta::assert_snapshot!(kill_matrix(outcomes));
    Ok(())
}

fn every_defect_names_covered_requirements() -> Result<(), Failed> {
    for defect in Defect::all() {
        for id in defect.fails {
            let requirement = Catalogue::embedded().get(id);
            assert!(
                requirement
                    .is_some_and(|requirement| matches!(requirement.status(), Status::Covered)),
                "{} names {id}, which no rule judges",
                defect.name
            );
        }
    }
    Ok(())
}
