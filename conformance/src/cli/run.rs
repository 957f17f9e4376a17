//! `run`: selects cases, runs them against an implementation, and reports.

use std::{
    error::Error,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Exit,
    arguments::RunArgs,
    at_url::RunUpstreams,
    interruption,
    last_result::LastResult,
    print,
    progress::ProgressDisplay,
    report::{print_and_write_reports, read_run, verbosity},
    report_error,
};
use crate::{
    cases::selection::{FailedCases, Selection},
    implementations::{Implementation, RunningImplementation, cache_folder},
    judge::{
        Finding,
        baseline::Baseline,
        run_file::{Header, Run},
        summary,
    },
    runner::{Options, Part, Progress, Recorder, RunError, Runner, left_out, plan},
};

/// The number of matrix cases that run at the same time against a built-in gateway, whose cases
/// mostly wait.
const JOBS_BUILT_IN: usize = 32;
/// The same for a gateway in its own process. More could overload it, and it would fail for that.
const JOBS_PROCESS: usize = 8;

/// Runs the suite against an implementation.
pub(super) async fn run(arguments: RunArgs) -> Exit {
    let prepared = match PreparedRun::new(&arguments) {
        Ok(prepared) => prepared,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    if prepared.parts.iter().all(is_empty) {
        return report_error(
            Exit::NothingSelected,
            &"the filters select nothing\n\
              expected ids that `preflight-conformance list` or `list matrix-cases` shows",
        );
    }
    if arguments.dry_run {
        print(&selected_cases(&prepared));
        return Exit::Expected;
    }
    match execute(&arguments, &prepared).await {
        Ok(CompletedRun { run, held, upstreams }) => {
            let reports = &arguments.reports;
            let verbosity = verbosity(arguments.verbose);
            let exit = print_and_write_reports(&run, &prepared.baseline, reports, verbosity);
            if is_complete(&arguments, &run) {
                LastResult::record(&cache(), &prepared.implementation, exit);
            }
            if arguments.hold && !run.interrupted {
                wait_for_interruption(&held).await;
            }
            for running in held {
                running.stop().await;
            }
            drop(upstreams);
            exit
        }
        Err((exit, error)) => report_error(exit, &error),
    }
}

/// Whether every case of the implementation was run, and compared with its own baseline.
fn is_complete(arguments: &RunArgs, run: &Run) -> bool {
    let is_filtered = !run.header.filters.is_empty()
        || arguments.strategy.is_some()
        || arguments.profile.is_some();
    !is_filtered && !run.interrupted && !arguments.fail_fast && arguments.baseline.is_own()
}

/// A run, and what still runs after it.
struct CompletedRun {
    run: Run,
    held: Vec<RunningImplementation>,
    upstreams: RunUpstreams,
}

/// Runs the selected cases.
async fn execute(
    arguments: &RunArgs,
    prepared: &PreparedRun,
) -> Result<CompletedRun, (Exit, Box<dyn Error>)> {
    let PreparedRun { implementation, parts, options, header, .. } = prepared;
    let interrupted = interruption();
    let upstreams = arguments
        .at_url
        .start_upstreams(implementation, header.random_seed)
        .await
        .map_err(|(exit, error)| (exit, error.into()))?;
    let file = arguments.output.as_deref().map(File::create).transpose().map_err(|error| {
        (Exit::Usage, format!("the run file could not be created: {error}").into())
    })?;
    let write_error =
        |error: io::Error| (Exit::SuiteFailure, write_error_text(arguments, &error).into());
    let mut recorder = Recorder::start(header.clone(), file).map_err(write_error)?;
    let display = ProgressDisplay::new();
    let update = |progress: Progress<'_>| display.update(progress);
    let counts = |finding: &Finding| summary::is_failure(finding, implementation.ours);
    let runner = Runner::new(
        implementation,
        Arc::clone(&upstreams.mocks),
        header.random_seed,
        options,
        &update,
        &counts,
    );
    // An interruption drops the run, which stops the implementation.
    let run = async {
        arguments.at_url.wait_until_ready(&runner, implementation, &upstreams).await?;
        let ended = runner.run(parts, &mut recorder).await;
        ended.map_err(|error| (exit_of_error(&error), error.to_string()))
    };
    let ended = tokio::select! {
        ended = Box::pin(run) => Some(ended),
        () = interrupted => None,
    };
    display.clear();
    let run = recorder.finish(ended.is_none()).map_err(write_error)?;
    let held = match ended {
        Some(Ok(held)) => held,
        Some(Err((exit, error))) => return Err((exit, error.into())),
        None => Vec::new(),
    };
    drop(runner);
    Ok(CompletedRun { run, held, upstreams })
}

async fn wait_for_interruption(held: &[RunningImplementation]) {
    let urls: Vec<&str> = held.iter().map(RunningImplementation::base_url).collect();
    let interrupted = interruption();
    eprintln!("running at {} until Ctrl-C", urls.join(" and "));
    interrupted.await;
}

fn is_empty(part: &Part) -> bool {
    part.matrix_cases.is_empty() && part.scenarios.is_empty()
}

/// The error text if the run file cannot be written, most likely because the disk is full.
fn write_error_text(arguments: &RunArgs, error: &io::Error) -> String {
    let file = arguments.output.as_deref().unwrap_or_else(|| Path::new("the run file"));
    format!(
        "{} could not be written: {error}\n\
         the file is incomplete; free some space, or name another file with --output",
        file.display()
    )
}

/// The ids of the selected cases, one on each line, and their number.
fn selected_cases(prepared: &PreparedRun) -> String {
    let mut text = String::new();
    let (mut matrix_cases, mut scenarios) = (0, 0);
    for part in &prepared.parts {
        matrix_cases += part.matrix_cases.len();
        scenarios += part.scenarios.len();
        text.extend(part.matrix_cases.iter().map(|case| format!("{case}\n")));
        let ids = part.scenarios.iter().map(|scenario| &scenario.id);
        text.extend(ids.map(|id| format!("scenario {id} / {}\n", part.start)));
    }
    let starts = prepared.parts.iter().filter(|part| !is_empty(part)).count();
    let name = &prepared.implementation.name;
    text + &format!(
        "\n{matrix_cases} matrix cases and {scenarios} scenarios in {starts} starts of {name}\n"
    )
}

/// The cases that failed in a run, whether a baseline expects that or not.
fn failed_cases(path: &Path) -> Result<FailedCases, String> {
    let run = read_run(path)?;
    let verdict_of_failure = summary::failures_of(&run);
    let failures = run.findings().filter(|(_, finding)| verdict_of_failure(finding).is_some());
    let damaging = run.damages.iter().flat_map(|damage| damage.matrix_cases.iter().cloned());
    Ok(FailedCases {
        file: path.display().to_string(),
        ids: failures.map(|(case_id, _)| case_id).chain(damaging).collect(),
    })
}

/// How many cases failed in the earlier run, and how many of them are run again.
fn number_of_failed_cases(failed: &FailedCases, parts: &[Part], name: &str) -> String {
    let FailedCases { file, ids } = failed;
    let selected: usize =
        parts.iter().map(|part| part.matrix_cases.len() + part.scenarios.len()).sum();
    format!(
        "{} cases failed in {file}; {selected} of them are run against {name}",
        ids.len()
    )
}

/// The exit code of a run that could not be completed.
pub(super) fn exit_of_error(error: &RunError) -> Exit {
    match error {
        RunError::Implementation(error) if error.is_start() => Exit::NotStarted,
        RunError::Implementation(_) | RunError::Client(_) => Exit::Usage,
        RunError::File(_) => Exit::SuiteFailure,
    }
}

/// The folder for installed implementations; a folder in the working directory if the environment
/// names no other.
pub(super) fn cache() -> PathBuf {
    cache_folder(|name| std::env::var(name).ok())
        .unwrap_or_else(|| PathBuf::from(".preflight-conformance"))
}

/// A run that is decided but not started.
struct PreparedRun {
    implementation: Implementation,
    baseline: Baseline,
    parts: Vec<Part>,
    options: Options,
    header: Header,
}

impl PreparedRun {
    fn new(arguments: &RunArgs) -> Result<Self, Box<dyn Error>> {
        let mut implementation =
            Implementation::resolve(&arguments.implementation, arguments.description.of_url())?;
        if let Some(strategy) = arguments.strategy {
            implementation = implementation.with_strategy(strategy)?;
        }
        if let Some(profile) = arguments.profile {
            implementation = implementation.with_profile(profile)?;
        }
        let failed = arguments.only_failed.as_deref().map(failed_cases).transpose()?;
        let selection = Selection::parse(&arguments.only, &arguments.axes, &arguments.levels)?
            .only_failed(failed.clone());
        let baseline = arguments
            .baseline
            .or_else(|| Baseline::of(&implementation).map_err(|error| error.to_string()))?;
        let parts = plan(&implementation, &selection);
        if let Some(failed) = &failed {
            eprintln!("{}", number_of_failed_cases(failed, &parts, &implementation.name));
        }
        let default_jobs = if implementation.ours { JOBS_BUILT_IN } else { JOBS_PROCESS };
        let random_seed = arguments.random_seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
        let header = Header {
            left_out: left_out(&implementation, &parts),
            ..Header::new(&implementation, random_seed, selection.to_options())
        };
        let options = Options {
            jobs: arguments.jobs.map_or(default_jobs, usize::from),
            fail_fast: arguments.fail_fast,
            cache: cache(),
            selection,
        };
        Ok(Self { implementation, baseline, parts, options, header })
    }
}
