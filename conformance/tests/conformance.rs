//! Every matrix case and every scenario of the matrix, driven through this project's own gateway, each a named test.
//!
//! The tests that a filter leaves in are driven together, as `preflight-conformance run` does it, and each one then reads its own
//! verdicts; nothing may be non-strict either. `cargo test conformance::seed::deferred` works, and so does `-- --list`. One test is about
//! the run as a whole: its table of what judges what has no gap.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_preflight_conformance::{
    cases::{axis::Start, matrix_case::MatrixCase, selection::Selection},
    implementations::{DEFAULT, Implementation},
    judge::{Finding, Verdict, idle_gap, run_file::Run, summary, whole_output},
    report,
    runner::{Options, Part, Recorder, Runner, plan},
    upstreams::MockUpstreams,
};

/// What secrets derive from; any other seed would do.
const SEED: u64 = 20_261_122;
/// The test that needs all the others' cases.
const NO_GAP: &str = "conformance::no_requirement_is_without_its_judge";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let target =
        Implementation::resolve(DEFAULT, None).expect("the reference implementation is built in");
    let whole = plan(&target, &Selection::default());
    let names = |part: &Part| names(part).map(|(name, _)| name).collect::<Vec<_>>();
    let wanted = |name: &String| !arguments.is_filtered_out(&Trial::test(name.clone(), || Ok(())));
    let all = wanted(&NO_GAP.to_owned());
    let selected: BTreeSet<String> =
        whole.iter().flat_map(names).filter(|name| all || wanted(name)).collect();
    let run = if arguments.list || selected.is_empty() {
        None
    } else {
        Some(Arc::new(driven(&target, &whole, &selected)))
    };
    let trials = whole.iter().flat_map(|part| {
        let run = run.clone();
        names_with_ids(part).map(move |(name, about)| {
            let run = run.clone();
            Trial::test(name, move || run.map_or(Ok(()), |run| verdict(&run, &about)))
        })
    });
    let no_gap = Trial::test(NO_GAP, {
        let run = run.clone();
        move || run.map_or(Ok(()), |run| no_gap(&run))
    });
    libtest_mimic::run(&arguments, trials.chain([no_gap]).collect()).exit_code()
}

/// Every requirement is judged by some case of this run or says why it cannot be, and a defect shows of every MUST that its failure is seen.
fn no_gap(run: &Run) -> Result<(), Failed> {
    let gaps = report::gaps(run);
    if gaps.is_empty() { Ok(()) } else { Err(gaps.join("\n").into()) }
}

/// Each test of a part with the id by which reports know its case.
fn names(part: &Part) -> impl Iterator<Item = (String, String)> {
    let matrix_cases = part
        .matrix_cases
        .iter()
        .map(|matrix_case| (name(matrix_case), matrix_case.to_string()));
    let start = part.start;
    let scenarios = part
        .scenarios
        .iter()
        .map(|scenario| scenario.id.as_str())
        .chain([whole_output::ID, idle_gap::ID]);
    matrix_cases.chain(
        scenarios.map(move |id| (scenario_name(start, id), format!("scenario {id} / {start}"))),
    )
}

fn names_with_ids(part: &Part) -> impl Iterator<Item = (String, String)> + use<> {
    names(part).collect::<Vec<_>>().into_iter()
}

fn name(matrix_case: &MatrixCase) -> String {
    let MatrixCase {
        credentials,
        server,
        upstream,
        method,
        route,
        strategy,
        profile,
        protocol_version,
    } = matrix_case;
    format!(
        "conformance::{profile}::{strategy}::{protocol_version}::{credentials}::{server}::{upstream}::{method}::{route}"
    )
}

fn scenario_name(Start { profile, strategy }: Start, id: &str) -> String {
    format!("conformance::{profile}::{strategy}::scenario::{id}")
}

/// Drives what is selected, once.
fn driven(target: &Implementation, whole: &[Part], selected: &BTreeSet<String>) -> Run {
    let wanted = |part: &Part| Part {
        start: part.start,
        matrix_cases: part
            .matrix_cases
            .iter()
            .filter(|matrix_case| selected.contains(&name(matrix_case)))
            .cloned()
            .collect(),
        scenarios: part
            .scenarios
            .iter()
            .filter(|scenario| selected.contains(&scenario_name(part.start, &scenario.id)))
            .copied()
            .collect(),
    };
    let has_any = |part: &Part| names(part).any(|(name, _)| selected.contains(&name));
    let parts: Vec<Part> = whole.iter().filter(|part| has_any(part)).map(wanted).collect();
    let header = mcp_preflight_conformance::judge::run_file::Header::new(target, SEED, Vec::new());
    let options = Options {
        jobs: 32,
        fail_fast: false,
        cache: PathBuf::new(),
        selection: Selection::default(),
    };
    let runtime = tokio::runtime::Runtime::new().expect("this machine has threads");
    runtime.block_on(async {
        let upstreams =
            Arc::new(MockUpstreams::start(SEED).await.expect("loopback has free ports"));
        let mut recorder = Recorder::start(header, None).expect("nothing is written");
        let counts = |finding: &Finding| summary::counts(finding, target.ours);
        let runner = Runner::new(target, upstreams, SEED, &options, &|_| {}, &counts);
        for running in runner
            .run(&parts, &mut recorder)
            .await
            .expect("the reference implementation starts")
        {
            running.stop().await;
        }
        recorder.finish(false).expect("nothing is written")
    })
}

/// What was found about one matrix case or scenario.
fn verdict(run: &Run, about: &str) -> Result<(), Failed> {
    if let Some(damage) = run.damages.iter().find(|damage| {
        damage.matrix_cases.is_empty()
            || damage
                .matrix_cases
                .iter()
                .any(|matrix_case| about.contains(matrix_case.as_str()))
    }) {
        return Err(damage.description.clone().into());
    }
    let Some(case) = run.cases().find(|case| case.id == about) else {
        return Err("was not driven".into());
    };
    // A stranger may do what is not wrong and not what was asked for; ours may not.
    let lax = case.findings.iter().filter(|finding| finding.verdict == Verdict::NonStrict);
    let lax = lax.map(|Finding { requirement, rule, observable, expected, actual, .. }| {
        format!("NON-STRICT  {requirement}  by rule {rule}\nexpected {observable} {expected}\nactual   {observable} {actual}\n")
    });
    let failures = report::failures_of_case(run, about) + &lax.collect::<String>();
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}
