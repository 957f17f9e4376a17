//! `baseline update`: brings a baseline in line with a run.
//!
//! Entries that still hold, and comments, stay as they were written.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{
    Exit, print,
    report::{baseline_of_implementation, read_baseline, read_run},
    report_error,
};
use crate::judge::{
    baseline::{Baseline, updated},
    run_file::Run,
    summary::failures_of,
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance run ./my-gateway --output run.jsonl
  preflight-conformance baseline update run.jsonl             # writes ./my-gateway/baseline.toml
  preflight-conformance baseline update run.jsonl --print     # prints it instead

Stale entries are removed. New failures get an entry with patterns for their cases and their
outcomes, and a placeholder reason; edit it. Everything else stays unchanged.";

/// The arguments of `baseline`.
#[derive(Debug, Args)]
pub(super) struct BaselineCommand {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Bring a baseline in line with a run
    #[command(after_help = EXAMPLES)]
    Update {
        /// A run file that `run --output` wrote; a complete run, because a partial one does not
        /// show which entries are stale
        run: PathBuf,
        /// The baseline to update [default: baseline.toml in the implementation's folder]
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// Print the baseline instead of writing it
        #[arg(long)]
        print: bool,
    },
}

/// Runs the subcommand.
pub(super) fn baseline(command: &BaselineCommand) -> Exit {
    let Subcommands::Update { run, baseline, print: only_print } = &command.command;
    let run = match read_run(run) {
        Ok(run) => run,
        Err(error) => return report_error(Exit::Usage, &error),
    };
    if run.interrupted || !run.header.filters.is_empty() {
        return report_error(
            Exit::Usage,
            &"this is a partial run: entries about cases that it did not run would be removed\n\
              expected a run without filters that was not interrupted",
        );
    }
    let file = baseline.clone().or_else(|| file_of(&run.header.implementation));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let parsed = match (&file, &text) {
        (Some(file), Some(_)) => read_baseline(file),
        (Some(_), None) => Ok(Baseline::default()),
        (None, _) => baseline_of_implementation(&run),
    };
    match parsed {
        Ok(parsed) => {
            let file = file.as_deref().filter(|_| !only_print);
            update(&run, &parsed, text.as_deref().unwrap_or_default(), file)
        }
        Err(error) => report_error(Exit::Usage, &error),
    }
}

/// Writes the updated baseline to the file, or prints it if there is none.
fn update(run: &Run, baseline: &Baseline, text: &str, file: Option<&Path>) -> Exit {
    let assessment = baseline.assess(run, failures_of(run));
    let text = updated(baseline, text, run, &assessment);
    let Some(file) = file else {
        print(&text);
        return Exit::Expected;
    };
    if let Err(error) = std::fs::write(file, text) {
        return report_error(Exit::Usage, &format!("{}: {error}", file.display()));
    }
    print(&format!(
        "{}: {} unexpected failures now have an entry, {} stale entries removed\n",
        file.display(),
        assessment.unexpected.len(),
        assessment.stale.len()
    ));
    Exit::Expected
}

/// The baseline in an implementation's folder; `None` if the implementation is not a folder.
fn file_of(implementation: &str) -> Option<PathBuf> {
    let folder = Path::new(implementation);
    (implementation.contains('/') && folder.is_dir()).then(|| folder.join("baseline.toml"))
}
