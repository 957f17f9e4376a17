//! The reference gateway in the suite: one named test for each matrix case and scenario.
//!
//! The tests that a filter selects are driven in one run, as `preflight-conformance run` does. Each
//! test then reads the findings of its case. The reference gateway must not have a `non-strict`
//! value either. Filters such as `cargo test conformance::seed::deferred` and `-- --list` work. One
//! more test checks that the traceability table of the whole run has no gap.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use mcp_preflight_conformance::{
    cases::{axis::Start, matrix_case::MatrixCase, selection::Selection},
    implementations::{DEFAULT, Implementation},
    judge::{
        Finding, Verdict, idle_gap,
        run_file::{Header, Run},
        summary, whole_output,
    },
    report,
    runner::{Options, Part, RECOVERY, Recorder, Runner, plan},
    upstreams::MockUpstreams,
};

/// The random seed of the run. Any other value would do.
const RANDOM_SEED: u64 = 20_261_122;
/// The test of the traceability table. It needs the cases of all other tests.
const NO_GAP: &str = "conformance::the_traceability_table_has_no_gap";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let reference = Implementation::resolve(DEFAULT, None).expect("the reference is built in");
    let parts = plan(&reference, &Selection::default());
    let selected = selected_names(&parts, &arguments);
    let run = if arguments.list || selected.is_empty() {
        None
    } else {
        Some(Arc::new(drive(&reference, &parts, &selected)))
    };
    let mut trials: Vec<Trial> =
        parts.iter().flat_map(tests).map(|test| test.trial(&run)).collect();
    trials.push(Trial::test(NO_GAP, move || run.map_or(Ok(()), |run| check_for_gaps(&run))));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The test of one case.
struct CaseTest {
    /// The name of the test.
    name: String,
    /// The id of the case in a run.
    case_id: String,
}

impl CaseTest {
    fn trial(self, run: &Option<Arc<Run>>) -> Trial {
        let run = run.clone();
        let Self { name, case_id } = self;
        Trial::test(name, move || run.map_or(Ok(()), |run| check_case(&run, &case_id)))
    }
}

/// The tests of a part: its matrix cases, its scenarios, and the checks of the whole part.
fn tests(part: &Part) -> Vec<CaseTest> {
    let matrix_cases = part
        .matrix_cases
        .iter()
        .map(|case| CaseTest { name: matrix_case_name(case), case_id: case.to_string() });
    let start = part.start;
    let scenarios = part
        .scenarios
        .iter()
        .map(|scenario| scenario.id.as_str())
        .chain([whole_output::ID, idle_gap::ID])
        .map(|id| CaseTest {
            name: scenario_name(start, id),
            case_id: format!("scenario {id} / {start}"),
        });
    matrix_cases.chain(scenarios).collect()
}

fn matrix_case_name(matrix_case: &MatrixCase) -> String {
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
        "conformance::{profile}::{strategy}::{protocol_version}::{credentials}::{server}::\
         {upstream}::{method}::{route}"
    )
}

fn scenario_name(Start { profile, strategy }: Start, id: &str) -> String {
    format!("conformance::{profile}::{strategy}::scenario::{id}")
}

/// The names of the tests that the arguments select; all of them for [`NO_GAP`].
fn selected_names(parts: &[Part], arguments: &Arguments) -> BTreeSet<String> {
    let is_selected =
        |name: &str| !arguments.is_filtered_out(&Trial::test(name.to_owned(), || Ok(())));
    let all = is_selected(NO_GAP);
    parts
        .iter()
        .flat_map(tests)
        .map(|test| test.name)
        .filter(|name| all || is_selected(name))
        .collect()
}

/// The selected cases of each part that has a selected test.
fn selected_parts(parts: &[Part], selected: &BTreeSet<String>) -> Vec<Part> {
    parts
        .iter()
        .filter(|part| tests(part).iter().any(|test| selected.contains(&test.name)))
        .map(|part| Part {
            start: part.start,
            matrix_cases: part
                .matrix_cases
                .iter()
                .filter(|case| selected.contains(&matrix_case_name(case)))
                .cloned()
                .collect(),
            scenarios: part
                .scenarios
                .iter()
                .filter(|scenario| selected.contains(&scenario_name(part.start, &scenario.id)))
                .copied()
                .collect(),
        })
        .collect()
}

/// Drives the selected cases in one run.
fn drive(reference: &Implementation, parts: &[Part], selected: &BTreeSet<String>) -> Run {
    let parts = selected_parts(parts, selected);
    let header = Header::new(reference, RANDOM_SEED, Vec::new());
    let options = Options {
        jobs: 32,
        fail_fast: false,
        recovery: RECOVERY,
        time_limit: None,
        records_observations: false,
        cache: PathBuf::new(),
        selection: Selection::default(),
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(async {
        let upstreams = MockUpstreams::start(RANDOM_SEED).await.expect("loopback ports are free");
        let mut recorder = Recorder::start(header, None).expect("no file is written");
        let gateway = reference.gateway_traits();
        let counts = |finding: &Finding| summary::is_failure(finding, &gateway);
        let upstreams = Arc::new(upstreams);
        let runner = Runner::new(reference, upstreams, RANDOM_SEED, &options, &|_| {}, &counts);
        let running = runner.run(&parts, &mut recorder).await.expect("the reference starts");
        for implementation in running {
            implementation.stop().await;
        }
        recorder.finish(false).expect("no file is written")
    })
}

/// Fails with the gaps of the traceability table.
fn check_for_gaps(run: &Run) -> Result<(), Failed> {
    let gaps = report::gaps(run);
    if gaps.is_empty() { Ok(()) } else { Err(gaps.join("\n").into()) }
}

/// Fails with the damage, the failures and the non-strict values of one case.
fn check_case(run: &Run, case_id: &str) -> Result<(), Failed> {
    let damage = run.damages.iter().find(|damage| {
        let cases = &damage.matrix_cases;
        cases.is_empty() || cases.iter().any(|case| case_id.contains(case.as_str()))
    });
    if let Some(damage) = damage {
        return Err(damage.description.clone().into());
    }
    let Some(case) = run.cases().find(|case| case.id == case_id) else {
        return Err("the case was not driven".into());
    };
    let mut failures = report::failures_of_case(run, case_id);
    failures.extend(case.findings.iter().filter_map(non_strict));
    if failures.is_empty() { Ok(()) } else { Err(failures.into()) }
}

/// A non-strict value, which other implementations may have.
fn non_strict(finding: &Finding) -> Option<String> {
    let Finding { requirement, rule, verdict, observable, expected, actual } = finding;
    (*verdict == Verdict::NonStrict).then(|| {
        format!(
            "NON-STRICT  {requirement}\n      \
             expected  {observable} {expected} (rule {rule})\n      \
             actual    {observable} {actual}\n"
        )
    })
}
