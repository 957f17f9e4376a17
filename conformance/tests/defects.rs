//! Shows that the suite notices: each gateway with one fault fails exactly the requirements that it claims, and the one without fails none;
//! nor does any that is different and right.
//!
//! What is driven and how stands in the library, for the command `self-test` does the same. Here each gateway is a test of its own:
//! `cargo test --test defects leaks-key`.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_preflight_conformance::{
    catalogue::{Catalogue, Status},
    model_gateway::{self, Fault},
    runner::self_test::{Claim, GATEWAYS, claims, drive, kill_matrix},
};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(GATEWAYS);
    let trial = |claim: Claim| Trial::test(claim.implementation.clone(), move || as_claimed(claim));
    let mut trials: Vec<Trial> = claims().into_iter().map(trial).collect();
    trials.push(Trial::test("the_kill_matrix", the_kill_matrix));
    trials.push(Trial::test(
        "claims_name_covered_requirements",
        claims_name_covered_requirements,
    ));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn as_claimed(claim: Claim) -> Result<(), Failed> {
    let differences = drive(claim)?.differences();
    if differences.is_empty() { Ok(()) } else { Err(differences.into()) }
}

/// What the trials show, the other way round.
fn the_kill_matrix() -> Result<(), Failed> {
    let caught = |id: &str| {
        model_gateway::all()
            .iter()
            .filter(|fault| fault.fails.iter().any(|failed| failed == id))
            .map(Fault::name)
            .collect()
    };
    insta::assert_snapshot!(kill_matrix(caught));
    Ok(())
}

fn claims_name_covered_requirements() -> Result<(), Failed> {
    for fault in model_gateway::all() {
        for id in &fault.fails {
            let requirement = Catalogue::embedded().get(id);
            assert!(
                requirement
                    .is_some_and(|requirement| matches!(requirement.status(), Status::Covered)),
                "{} claims {id}, which nothing judges",
                fault.name()
            );
        }
    }
    Ok(())
}
