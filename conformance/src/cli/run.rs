//! `run`: selects cases, runs them against an implementation, and reports.

use std::{
    error::Error,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;

use super::{
    Exit,
    at_url::{DescriptionArgs, RunUpstreams, UrlArgs},
    exit::{EXIT_CODES, exit_of_error},
    interruption,
    last_result::LastResult,
    named_value::{level, profile, strategy},
    notify, print,
    progress::ProgressDisplay,
    report::{BaselineArgs, RequestedReport, print_and_write_reports, read_run, verbosity},
    report_error,
};
use crate::{
    cases::{
        axis::Strategy,
        selection::{FailedCases, Selection},
    },
    catalogue::{Level, Profile},
    implementations::{self, Implementation, RunningImplementation, cache_folder},
    judge::{
        Finding,
        baseline::Baseline,
        run_file::{Header, Run},
        summary,
    },
    runner::{Options, Part, Progress, RECOVERY, Recorder, Runner, left_out, plan},
};

/// The number of matrix cases that run at the same time against a built-in gateway, whose cases
/// mostly wait.
const JOBS_BUILT_IN: usize = 32;
/// The same for a gateway in its own process. More could overload it, and it would fail for that.
const JOBS_PROCESS: usize = 8;

const EXAMPLES: &str = "\
Examples:
  preflight-conformance run                       the reference gateway, which is built in
  preflight-conformance run ./my-gateway --report html=report.html --output run.jsonl
  preflight-conformance run litellm --only 'STA-*' --level MUST
  preflight-conformance run --where upstream=401-* --where method=tools-list --dry-run
  preflight-conformance run ./my-gateway --only-failed run.jsonl
  preflight-conformance run url:http://127.0.0.1:4000 --kind relay --upstreams plan.json
  preflight-conformance run builtin:defect/403-as-401 --only STA-05 --fail-fast --hold";

/// The arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct RunArgs {
    /// builtin:reference, builtin:model, builtin:defect/NAME, builtin:variant/NAME,
    /// url:http://HOST:PORT, a name from `list implementations`, or the path of a folder
    #[arg(default_value = implementations::DEFAULT)]
    implementation: String,
    /// Select requirements, matrix cases and scenarios whose id matches this pattern: STA-05, STA-*
    /// or STA for a group, or the id of a case as a report shows it. `*` matches any text, and `!`
    /// before a pattern excludes what it matches; repeatable
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// Select matrix cases by the value of an axis, which may be a pattern: method=tools-list,
    /// upstream=401-*; repeatable
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    axes: Vec<String>,
    /// Select the cases that judge requirements of this level: MUST, SHOULD, MAY …; repeatable
    #[arg(long = "level", value_name = "LEVEL", value_parser = level)]
    levels: Vec<Level>,
    /// Select only the cases that failed in the run with this file, which `run --output` wrote; the
    /// baseline has no influence
    #[arg(long, value_name = "FILE")]
    only_failed: Option<PathBuf>,
    /// Print the selected cases and do not run them
    #[arg(long)]
    dry_run: bool,
    /// Start the implementation with this strategy only
    #[arg(long, value_parser = strategy, value_name = "STRATEGY")]
    strategy: Option<Strategy>,
    /// Start the implementation with this profile only
    #[arg(long, value_parser = profile, value_name = "PROFILE")]
    profile: Option<Profile>,
    /// The number of matrix cases that run at the same time [default: 32 for a built-in gateway, 8
    /// for a process, because an overloaded gateway answers too late]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// The random seed from which keys, tokens and canary values are derived; the report shows it
    /// [default: chosen at random]
    #[arg(long, alias = "seed", value_name = "NUMBER")]
    random_seed: Option<u64>,
    /// Write the run to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write a report to a file: html=report.html, junit=junit.xml, …; repeatable
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<RequestedReport>,
    #[command(flatten)]
    baseline: BaselineArgs,
    /// List every judged requirement in the printed report, also those that pass
    #[arg(long, short)]
    verbose: bool,
    /// Stop at the first failure
    #[arg(long)]
    fail_fast: bool,
    /// The time limit of the run in seconds; cases for which the time does not suffice are
    /// inconclusive [default: 300, and for each case 2 divided by the number of jobs, or four times
    /// as long as a healthy call if that is more]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    time_limit: Option<u32>,
    /// After the report, keep the implementation and the mock upstreams running until Ctrl-C, so
    /// that the curl commands of the report work
    #[arg(long)]
    hold: bool,
    #[command(flatten)]
    description: DescriptionArgs,
    #[command(flatten)]
    at_url: UrlArgs,
}

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
              expected ids that `preflight-conformance list` or `list matrix-cases` shows, or \
              patterns in which `*` stands for any text",
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
    let gateway = implementation.gateway_traits();
    let counts = |finding: &Finding| summary::is_failure(finding, &gateway);
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
            notify(&number_of_failed_cases(failed, &parts, &implementation.name));
        }
        let default_jobs = if implementation.ours { JOBS_BUILT_IN } else { JOBS_PROCESS };
        let random_seed = arguments.random_seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
        let header = Header {
            left_out: left_out(&implementation, &parts),
            ..Header::new(&implementation, random_seed, selection.to_options())
        };
        let options = Options {
            jobs: arguments.jobs.map_or(default_jobs, usize::from),
            recovery: RECOVERY,
            time_limit: arguments.time_limit.map(|seconds| Duration::from_secs(seconds.into())),
            fail_fast: arguments.fail_fast,
            records_observations: true,
            cache: cache(),
            selection,
        };
        Ok(Self { implementation, baseline, parts, options, header })
    }
}
