//! `run`: choose, drive, report, and turn what came of it into an exit code.

use std::{
    fs::File,
    io::{self, IsTerminal as _, stderr},
    path::{Path, PathBuf},
    sync::Arc,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Exit, RunArgs, complain, interruption, print,
    report::{tell, write},
};
use crate::{
    cases::selection::Selection,
    implementations::{Implementation, RunningImplementation, cache_folder},
    judge::{baseline::Baseline, run_file::Header, summary},
    report::Format,
    runner::{Options, Part, Progress, Recorder, RunError, Runner, plan},
    upstreams::MockUpstreams,
};

/// Drives an implementation and reports.
pub(super) async fn run(arguments: RunArgs) -> Exit {
    let prepared = match Prepared::from(&arguments) {
        Ok(prepared) => prepared,
        Err(error) => return complain(Exit::Usage, &error),
    };
    if prepared
        .parts
        .iter()
        .all(|part| part.matrix_cases.is_empty() && part.scenarios.is_empty())
    {
        return complain(
            Exit::Nothing,
            &"nothing was selected: `preflight-conformance list` shows the ids of requirements, `list matrix cases` those of matrix cases",
        );
    }
    if arguments.dry_run {
        print(&what_would_run(&prepared));
        return Exit::Expected;
    }
    let interrupted = interruption();
    let upstreams = match MockUpstreams::start(prepared.header.random_seed).await {
        Ok(upstreams) => Arc::new(upstreams),
        Err(error) => {
            return complain(Exit::Harness, &format!("the mock upstreams did not start: {error}"));
        }
    };
    let file = match arguments.output.as_deref().map(File::create).transpose() {
        Ok(file) => file,
        Err(error) => {
            return complain(Exit::Usage, &format!("the run file could not be created: {error}"));
        }
    };
    let mut recorder = match Recorder::start(prepared.header.clone(), file) {
        Ok(recorder) => recorder,
        Err(error) => return complain(Exit::Harness, &unwritten(&arguments, &error)),
    };
    let bar = Bar::new();
    let say = |progress: Progress<'_>| bar.hear(progress);
    let ours = prepared.target.ours;
    let counts = |finding: &crate::judge::Finding| summary::counts(finding, ours);
    let runner = Runner::new(
        &prepared.target,
        upstreams,
        prepared.header.random_seed,
        &prepared.options,
        &say,
        &counts,
    );
    // Dropping the run takes the implementation down with it.
    let ended = tokio::select! {
        ended = Box::pin(runner.run(&prepared.parts, &mut recorder)) => Some(ended),
        () = interrupted => None,
    };
    bar.clear();
    let run = match recorder.finish(ended.is_none()) {
        Ok(run) => run,
        Err(error) => return complain(Exit::Harness, &unwritten(&arguments, &error)),
    };
    let held = match ended {
        Some(Ok(held)) => held,
        Some(Err(error)) => return complain(exit_of(&error), &error),
        None => Vec::new(),
    };
    let told = tell(&run, &prepared.baseline, Format::Terminal);
    let exit = match write(&run, &prepared.baseline, &arguments.reports) {
        Exit::Usage => Exit::Usage,
        _ => told,
    };
    if arguments.hold && !run.interrupted {
        let at: Vec<&str> = held.iter().map(RunningImplementation::base_url).collect();
        let interrupted = interruption();
        eprintln!("held at {} until Ctrl-C", at.join(" and "));
        interrupted.await;
    }
    for running in held {
        running.stop().await;
    }
    exit
}

/// A full disk, most likely: a file that could not be created is an error of usage.
fn unwritten(arguments: &RunArgs, error: &io::Error) -> String {
    let place = arguments
        .output
        .as_deref()
        .unwrap_or_else(|| Path::new("the run file"))
        .display();
    format!(
        "{place} could not be written: {error}\nmake room there, or name another place with --output; what it holds so far is no whole run"
    )
}

/// The cases of a run, one on each line, and how many they are.
fn what_would_run(prepared: &Prepared) -> String {
    let mut text = String::new();
    let (mut matrix_cases, mut scenarios) = (0, 0);
    for part in &prepared.parts {
        matrix_cases += part.matrix_cases.len();
        scenarios += part.scenarios.len();
        text.extend(part.matrix_cases.iter().map(|matrix_case| format!("{matrix_case}\n")));
        text.extend(
            part.scenarios
                .iter()
                .map(|scenario| format!("scenario {} / {}\n", scenario.id, part.start)),
        );
    }
    let starts = prepared
        .parts
        .iter()
        .filter(|part| !part.matrix_cases.is_empty() || !part.scenarios.is_empty())
        .count();
    text + &format!(
        "\n{matrix_cases} matrix cases and {scenarios} scenarios over {starts} starts of {}\n",
        prepared.target.name
    )
}

/// What a run that could not go on comes to.
pub(super) fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Implementation(error) if error.is_start() => Exit::NotStarted,
        RunError::Implementation(_) | RunError::Client(_) => Exit::Usage,
        RunError::File(_) => Exit::Harness,
    }
}

/// Everything that is known before anything is started.
struct Prepared {
    target: Implementation,
    baseline: Baseline,
    parts: Vec<Part>,
    options: Options,
    header: Header,
}

impl Prepared {
    fn from(arguments: &RunArgs) -> Result<Self, Box<dyn std::error::Error>> {
        let mut target =
            Implementation::resolve(&arguments.implementation, arguments.like.as_deref())?;
        if let Some(strategy) = arguments.strategy {
            target = target.with_strategy(strategy)?;
        }
        if let Some(profile) = arguments.profile {
            target = target.with_profile(profile)?;
        }
        let selection = Selection::parse(&arguments.only, &arguments.axes, &arguments.levels)?;
        let baseline = arguments
            .baseline
            .or_else(|| Baseline::of(&target).map_err(|error| error.to_string()))?;
        let parts = plan(&target, &selection);
        let cache = cache_folder(|name| std::env::var(name).ok())
            .unwrap_or_else(|| PathBuf::from(".preflight-conformance"));
        let options = Options {
            jobs: arguments.jobs.map_or(if target.ours { 32 } else { 8 }, usize::from),
            fail_fast: arguments.fail_fast,
            cache,
            selection: selection.clone(),
        };
        let header = Header::new(
            &target,
            arguments.random_seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
            selection.in_words(),
        );
        Ok(Self { target, baseline, parts, options, header })
    }
}

/// Progress: a bar on a terminal, sentences alone elsewhere.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new() -> Self {
        if !stderr().is_terminal() {
            return Self(None);
        }
        let style =
            ProgressStyle::with_template("{prefix:>22} {bar:40} {pos}/{len} {elapsed} {msg}");
        Self(Some(
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
        ))
    }

    fn hear(&self, progress: Progress<'_>) {
        match (&self.0, progress) {
            (Some(bar), Progress::Message(text)) => bar.println(text),
            (None, Progress::Message(text)) => eprintln!("{text}"),
            (Some(bar), Progress::PartBegins(start, ahead)) => {
                bar.set_length(u64::try_from(ahead).unwrap_or(u64::MAX));
                bar.set_position(0);
                bar.set_prefix(start.to_string());
            }
            (None, Progress::PartBegins(start, ahead)) => {
                eprintln!(
                    "strategy {}, profile {}: {ahead} matrix cases and scenarios",
                    start.strategy, start.profile
                );
            }
            (Some(bar), Progress::CaseJudged) => bar.inc(1),
            (None, Progress::CaseJudged) => {}
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
