//! The command line: what can be asked of the suite, and which exit code says what.
//!
//! Decides nothing about any implementation. What it prints on standard output is the answer; everything else goes to standard error.

mod baseline;
mod colour;
mod completions;
mod explain;
mod judge;
mod list;
mod new_implementation;
mod report;
mod run;
pub mod schemas;
mod self_test;
mod smoke;
mod upstreams;

use std::{ffi::OsString, fmt::Display, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::{
    cases::axis::Strategy,
    catalogue::{Level, Profile},
    implementations,
};

/// What an exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All as expected.
    Expected,
    /// Something failed that the baseline does not know.
    Unexpected,
    /// The command line, or a file that it names, is wrong.
    Usage,
    /// The implementation did not start.
    NotStarted,
    /// The suite itself failed.
    Harness,
    /// The baseline knows a failure that no longer happens.
    Stale,
    /// Nothing was selected.
    Nothing,
    /// Stopped by a signal; the run file is marked and valid.
    Interrupted,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Expected => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::NotStarted => 3,
            Self::Harness => 4,
            Self::Stale => 5,
            Self::Nothing => 6,
            Self::Interrupted => 130,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    all as expected
  1    a failure that the baseline does not know
  2    the command line, or a file that it names, is wrong
  3    the implementation did not start
  4    the suite itself failed
  5    stale baseline: a known failure no longer happens
  6    nothing was selected
  130  interrupted; the run file is marked so, and valid";

const RUN_EXAMPLES: &str = "\
Examples:
  preflight-conformance run                                    the built-in gateway: nothing to install, nothing to configure
  preflight-conformance run ./my-gateway --report html=report.html --output run.jsonl
  preflight-conformance run litellm --only 'STA-*' --level MUST
  preflight-conformance run --where upstream=401-* --where method=tools-list --dry-run
  preflight-conformance run builtin:defect/403-as-401 --only STA-05 --fail-fast --hold";

/// Stands on both sides of an MCP gateway, drives it through every combination of credentials and refusals, and judges what both sides saw.
#[derive(Debug, Parser)]
#[command(name = "preflight-conformance", version, after_help = EXIT_CODES, max_term_width = 120)]
struct Cli {
    /// When to colour what is printed: auto (on a terminal, unless `NO_COLOR` is set), always or never.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        hide_possible_values = true
    )]
    color: colour::When,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drive an implementation and report what it does.
    #[command(after_help = format!("{RUN_EXAMPLES}\n\n{EXIT_CODES}"))]
    Run(RunArgs),
    /// Try whether an implementation is described rightly: positive controls alone, with a diagnosis for each that fails.
    Smoke(smoke::SmokeArgs),
    /// Read a run file and report on it again.
    Report(report::ReportArgs),
    /// Judge a run file again, by the rules of this build, without the implementation.
    Judge(judge::JudgeArgs),
    /// Say what changed between two run files.
    Diff(judge::DiffArgs),
    /// Look after a list of known failures.
    Baseline(baseline::BaselineCommand),
    /// Show that the suite notices: drive every gateway with a fault, and print which requirement each fails.
    SelfTest(self_test::SelfTestArgs),
    /// List what there is.
    List {
        /// What to list.
        #[arg(default_value = "requirements")]
        what: What,
    },
    /// Say everything about one requirement, matrix case, scenario, upstream behaviour or verdict.
    Explain {
        /// Its id or name, for example STA-05, 401-bare or untestable.
        id: String,
    },
    /// Start the mock upstreams alone, print what an implementation must be configured with, and serve until Ctrl-C.
    #[command(visible_alias = "fleet")]
    Upstreams {
        /// The random seed from which keys, tokens and canary values are derived.
        #[arg(long, alias = "seed", value_name = "NUMBER", default_value_t = 1)]
        random_seed: u64,
        /// Print the plan as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the folder that describes a gateway to the suite; asks, or takes flags.
    NewImplementation(new_implementation::NewArgs),
    /// Print the JSON Schema of a published format.
    Schema {
        /// Which format.
        format: schemas::Published,
    },
    /// Print a script that completes this command's words in your shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// builtin:reference, builtin:model, builtin:defect/NAME, builtin:variant/NAME, url:http://HOST:PORT, a name that `list implementations` shows, or the path of a folder.
    #[arg(default_value = implementations::DEFAULT)]
    implementation: String,
    /// Run what matches this glob over the ids of requirements, matrix cases and scenarios; may be given several times.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Run the matrix cases with this value of an axis, which may be a glob: method=tools-list, upstream=401-*; may be given several times.
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    axes: Vec<String>,
    /// Run what judges requirements of this level: MUST, SHOULD, MAY …; may be given several times.
    #[arg(long = "level", value_name = "LEVEL", value_parser = level)]
    levels: Vec<Level>,
    /// Print what would be run, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Start it with this strategy alone.
    #[arg(long, value_parser = strategy, value_name = "STRATEGY")]
    strategy: Option<Strategy>,
    /// Start it with this profile alone.
    #[arg(long, value_parser = profile, value_name = "PROFILE")]
    profile: Option<Profile>,
    /// How many matrix cases at once: 32 for what is built in, because most of their time is waiting; 8 for a process of its own, because a
    /// gateway that is overrun is judged for that.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// The random seed from which keys, tokens and canary values are derived; the report names it [default: chosen at random].
    #[arg(long, alias = "seed", value_name = "NUMBER")]
    random_seed: Option<u64>,
    /// Write the run to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a report beside the one that is printed: html=report.html, junit=junit.xml, …; may be given several times.
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<report::Wanted>,
    #[command(flatten)]
    baseline: report::BaselineArgs,
    /// Stop at the first failure.
    #[arg(long)]
    fail_fast: bool,
    /// Keep the implementation and the mock upstreams running after the report, so that its curl lines work, until Ctrl-C.
    #[arg(long)]
    hold: bool,
    /// The implementation whose layout and routes the one behind a url: has.
    #[arg(long, value_name = "IMPLEMENTATION")]
    like: Option<String>,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// The catalogue, with what judges each row or why nothing does.
    Requirements,
    /// The matrix cases of the reference implementation, and what is left out.
    MatrixCases,
    /// The cases of several steps.
    Scenarios,
    /// What the mock upstreams can be told to do.
    Behaviours,
    /// What `run` takes by name.
    Implementations,
    /// Which sink may see which secret.
    Taint,
    /// The requirements as a release file records them.
    Release,
}

fn strategy(name: &str) -> Result<Strategy, String> {
    Strategy::ALL
        .iter()
        .copied()
        .find(|strategy| strategy.as_str() == name)
        .ok_or_else(|| {
            let known: Vec<&str> = Strategy::ALL.iter().map(|strategy| strategy.as_str()).collect();
            format!("expected one of {}", known.join(", "))
        })
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::ALL
        .iter()
        .copied()
        .find(|profile| profile.as_str() == name)
        .ok_or_else(|| {
            let known: Vec<&str> = Profile::ALL.iter().map(|profile| profile.as_str()).collect();
            format!("expected one of {}", known.join(", "))
        })
}

fn level(name: &str) -> Result<Level, String> {
    Level::ALL
        .into_iter()
        .find(|level| level.as_str().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let known: Vec<&str> = Level::ALL.iter().map(|level| level.as_str()).collect();
            format!("expected one of {}", known.join(", "))
        })
}

/// Does what the command line says.
pub async fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = Cli::command()
        .color(colour::of_help())
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers too; clap knows which is which.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()));
        }
    };
    colour::choose(cli.color);
    let exit = match cli.command {
        Command::Run(arguments) => Box::pin(run::run(arguments)).await,
        Command::Report(arguments) => report::report(&arguments),
        Command::Smoke(arguments) => smoke::smoke(&arguments).await,
        Command::Judge(arguments) => judge::judge(&arguments),
        Command::Diff(arguments) => judge::diff(&arguments),
        Command::Baseline(command) => baseline::baseline(&command),
        Command::NewImplementation(arguments) => new_implementation::new_implementation(arguments),
        Command::Schema { format } => schemas::schema(format),
        Command::SelfTest(arguments) => {
            tokio::task::block_in_place(|| self_test::self_test(&arguments))
        }
        Command::Completions { shell } => completions::completions(shell),
        Command::List { what } => list::list(what),
        Command::Explain { id } => explain::explain(&id),
        Command::Upstreams { random_seed, json } => upstreams::upstreams(random_seed, json).await,
    };
    ExitCode::from(exit.code())
}

/// Answers. A reader that has gone away has seen enough.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Complains, and gives the exit code back.
fn complain(exit: Exit, error: &dyn Display) -> Exit {
    eprintln!("{error}");
    exit
}

/// Listens for Ctrl-C and SIGTERM from now on; what it returns waits for one of them.
fn interruption() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    async move {
        // Without handlers the signals end the process, which is an interruption as well.
        let Ok((mut interrupt, mut terminate)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_documented() {
        use Exit::{Expected, Harness, Interrupted, NotStarted, Nothing, Stale, Unexpected, Usage};
        for exit in [Expected, Unexpected, Usage, NotStarted, Harness, Stale, Nothing, Interrupted]
        {
            assert!(EXIT_CODES.contains(&format!("\n  {:<3}  ", exit.code())), "{exit:?}");
        }
    }
}
