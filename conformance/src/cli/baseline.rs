//! `baseline update`: brings a baseline in line with a run, and leaves alone what somebody wrote and what still holds.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{
    Exit, complain, print,
    report::{own_baseline, read, read_baseline},
};
use crate::judge::{
    baseline::{Baseline, updated},
    run_file::Run,
    summary::failures_of,
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance run ./my-gateway --output run.jsonl
  preflight-conformance baseline update run.jsonl             # rewrites ./my-gateway/baseline.toml
  preflight-conformance baseline update run.jsonl --print     # shows what it would write

Entries that no longer happen go, new failures come with a reason to be improved on, and all else stays as it was written.";

/// What `baseline` is told.
#[derive(Debug, Args)]
pub(super) struct BaselineCommand {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Bring a baseline in line with a run.
    #[command(after_help = EXAMPLES)]
    Update {
        /// A file that `run --output` wrote; of a whole run, so that nothing looks stale that was only left out.
        run: PathBuf,
        /// The baseline to update; the one in the implementation's folder, unless said.
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// Print it instead of writing it.
        #[arg(long)]
        print: bool,
    },
}

/// Does what it is told.
pub(super) fn baseline(command: &BaselineCommand) -> Exit {
    let What::Update { run, baseline, print: only_print } = &command.command;
    let run = match read(run) {
        Ok(run) => run,
        Err(error) => return complain(Exit::Usage, &error),
    };
    if run.interrupted || !run.header.filters.is_empty() {
        return complain(
            Exit::Usage,
            &"the run is only a part: what it left out would look as if it no longer failed",
        );
    }
    let file = baseline.clone().or_else(|| file_of(&run.header.implementation));
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let parsed = match (&file, &text) {
        (Some(file), Some(_)) => read_baseline(file),
        (Some(_), None) => Ok(Baseline::default()),
        (None, _) => own_baseline(&run),
    };
    match parsed {
        Ok(parsed) => written(
            &run,
            &parsed,
            text.as_deref().unwrap_or_default(),
            file.as_deref().filter(|_| !only_print),
        ),
        Err(error) => complain(Exit::Usage, &error),
    }
}

fn written(run: &Run, parsed: &Baseline, text: &str, file: Option<&Path>) -> Exit {
    let assessment = parsed.assess(run, failures_of(run));
    let (new, gone) = (assessment.unexpected.len(), assessment.stale.len());
    let text = updated(parsed, text, &assessment);
    match file {
        None => print(&text),
        Some(file) => {
            if let Err(error) = std::fs::write(file, text) {
                return complain(Exit::Usage, &format!("{}: {error}", file.display()));
            }
            print(&format!("{}: {new} failures added, {gone} entries gone\n", file.display()));
        }
    }
    Exit::Expected
}

/// The baseline in an implementation's folder, where it is one on disk.
fn file_of(implementation: &str) -> Option<PathBuf> {
    let folder = Path::new(implementation);
    (implementation.contains('/') && folder.is_dir()).then(|| folder.join("baseline.toml"))
}
