//! The command line of the suite.
//!
//! It judges nothing. Results go to standard output, everything else to standard error.

mod arguments;
mod at_url;
mod baseline;
mod colour;
mod completions;
mod diff;
mod exit;
mod explain;
mod instructions;
mod judge;
mod last_result;
mod list;
mod named_value;
mod new_implementation;
mod progress;
mod reference;
mod report;
mod run;
pub mod schemas;
mod self_test;
mod smoke;
mod upstreams;

use std::{ffi::OsString, fmt::Display, io::Write as _, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _};

use self::arguments::{Cli, Command};
pub use self::exit::Exit;
use crate::trace::printable::printable_lines;

/// Runs the command that the arguments name.
pub async fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = Cli::command()
        .color(colour::choice_for_help())
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // clap reports help and version as errors with exit code 0.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()));
        }
    };
    colour::choose(cli.color);
    ExitCode::from(execute(cli.command).await.code())
}

async fn execute(command: Command) -> Exit {
    match command {
        Command::Run(arguments) => Box::pin(run::run(arguments)).await,
        Command::Report(arguments) => report::report(&arguments),
        Command::Smoke(arguments) => smoke::smoke(&arguments).await,
        Command::Judge(arguments) => judge::judge(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Baseline(command) => baseline::baseline(&command),
        Command::NewImplementation(arguments) => new_implementation::new_implementation(arguments),
        Command::Schema { format } => schemas::schema(format),
        Command::SelfTest(arguments) => {
            tokio::task::block_in_place(|| self_test::self_test(&arguments))
        }
        Command::Completions { shell } => completions::completions(shell),
        Command::List { subject } => list::list(subject),
        Command::Explain { id } => explain::explain(&id),
        Command::Upstreams(arguments) => upstreams::upstreams(&arguments).await,
    }
}

/// Prints to standard output. A reader that closed the pipe is not an error.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints an error to standard error and returns the exit code that belongs to it.
fn report_error(exit: Exit, error: &dyn Display) -> Exit {
    notify(error);
    exit
}

/// Prints a text to standard error. It can contain texts of a run file or a gateway.
fn notify(text: &dyn Display) {
    eprintln!("{}", printable_lines(&text.to_string()));
}

/// Installs handlers for SIGINT and SIGTERM. The returned future waits for one of the signals.
fn interruption() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    async move {
        // Without handlers, a signal ends the process.
        let Ok((mut interrupt, mut terminate)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
