//! Shows that the suite notices: each gateway with one fault fails exactly the requirements that it claims, and the one without fails none.
//!
//! All of them are driven through the same part of the matrix, the part in which a value of an axis stands for those that are like it.
//! Each is a test of its own: `cargo test --test defects leaks-key`.

use std::{collections::BTreeMap, fmt::Write as _, iter, path::PathBuf, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_preflight_conformance::{
    catalogue::{Catalogue, Status},
    cell::{Cell, Credentials, Method, ServerKind},
    defect::{self, Fault},
    fleet::Fleet,
    report,
    runner::{Options, Part, Recorder, Runner, Selection, parts},
    target::Target,
};

/// What secrets derive from; any other seed would do.
const SEED: u64 = 20_261_122;
/// How many gateways at once. Most of a run is waiting.
const GATEWAYS: usize = 8;
/// How many cells of each at once: few, because a machine that is too busy makes honest gateways late.
const CELLS: usize = 12;

/// The upstreams to which a forwarding server's callers send every method; elsewhere `tools/call` speaks for all.
const WITH_EVERY_METHOD: [&str; 6] = ["200-json", "401-full+json-rpc", "403-bare+json-rpc", "good-then-401", "delete-405", "delete-never"];

/// One body, one spelling of the route and one method stand for all, where nothing depends on them.
fn stands_for_others(cell: &Cell, usual_route: &str) -> bool {
    let usual_body = !cell.upstream.ends_with("+oauth") && !cell.upstream.ends_with("+empty");
    let methods_matter = matches!(cell.credentials, Credentials::KeyAndToken | Credentials::KeyOnly)
        && cell.server == ServerKind::Forwarding
        && WITH_EVERY_METHOD.contains(&cell.upstream.as_str());
    usual_body && (cell.method == Method::ToolsCall || methods_matter) && cell.route == usual_route
}

/// The requirements that the suite reports as failed, each with one finding that says so.
fn failed(implementation: &str) -> BTreeMap<String, String> {
    let target = Target::resolve(implementation, None).expect("the model is built in, with every fault");
    let usual_route = target.routes.first().expect("every implementation has a route").clone();
    let parts: Vec<Part> = parts(&target, &Selection::default())
        .into_iter()
        .map(|part| Part { cells: part.cells.into_iter().filter(|cell| stands_for_others(cell, &usual_route)).collect(), ..part })
        .collect();
    let header = target.header(SEED, Vec::new());
    let options = Options { jobs: CELLS, fail_fast: false, cache: PathBuf::new(), selection: Selection::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("this machine has sockets and a clock");
    let run = runtime.block_on(async {
        let fleet = Arc::new(Fleet::start(SEED).await.expect("loopback has free ports"));
        let mut recorder = Recorder::start(header, None).expect("nothing is written");
        let counts = |finding: &_| report::counts(finding, target.ours);
        let runner = Runner::new(&target, fleet, SEED, &options, &|_| {}, &counts);
        for running in runner.run(&parts, &mut recorder).await.expect("the model starts") {
            running.stop().await;
        }
        recorder.finish(false).expect("nothing is written")
    });
    let damages = run.damages.iter().map(|damage| ("damage".to_owned(), damage.says.clone()));
    let findings = run.findings().filter(|(_, finding)| report::counts(finding, target.ours));
    let findings = findings.map(|(about, finding)| {
        let says = format!("{about}: {} expected {}, seen {} ({})", finding.observable, finding.expected, finding.seen, finding.rule);
        (finding.requirement.clone(), says)
    });
    findings.chain(damages).collect()
}

/// Where a run differs from the claim, in words.
fn differences(implementation: &str, claimed: &[String]) -> Result<(), Failed> {
    let failed = failed(implementation);
    let mut text = String::new();
    for (requirement, says) in failed.iter().filter(|(requirement, _)| !claimed.contains(requirement)) {
        let _ = writeln!(text, "{implementation} fails {requirement} and does not claim it\n    {says}");
    }
    for requirement in claimed.iter().filter(|requirement| !failed.contains_key(*requirement)) {
        let _ = writeln!(text, "{implementation} claims {requirement} and does not fail it");
    }
    if text.is_empty() { Ok(()) } else { Err(text.into()) }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(GATEWAYS);
    let faults = defect::all().iter().map(|fault| (format!("builtin:defect/{}", fault.name()), fault.fails.as_slice()));
    let all = iter::once(("builtin:model".to_owned(), &[][..])).chain(faults);
    let mut trials: Vec<Trial> = all.map(|(name, claimed)| Trial::test(name.clone(), move || differences(&name, claimed))).collect();
    trials.push(Trial::test("the_kill_matrix", the_kill_matrix));
    trials.push(Trial::test("claims_name_covered_requirements", claims_name_covered_requirements));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What the trials show, the other way round: which requirements would go unwatched if a rule were lost.
fn the_kill_matrix() -> Result<(), Failed> {
    let mut text = String::new();
    for requirement in Catalogue::embedded().iter().filter(|requirement| matches!(requirement.status(), Status::Covered)) {
        let fails = |fault: &&Fault| fault.fails.contains(&requirement.id);
        let caught: Vec<&str> = defect::all().iter().filter(fails).map(Fault::name).collect();
        let _ = writeln!(text, "{:<8} {}", requirement.id, if caught.is_empty() { "-".to_owned() } else { caught.join(" ") });
    }
    insta::assert_snapshot!(text);
    Ok(())
}

fn claims_name_covered_requirements() -> Result<(), Failed> {
    for fault in defect::all() {
        for id in &fault.fails {
            let requirement = Catalogue::embedded().get(id);
            assert!(
                requirement.is_some_and(|requirement| matches!(requirement.status(), Status::Covered)),
                "{} claims {id}, which nothing judges",
                fault.name()
            );
        }
    }
    Ok(())
}
