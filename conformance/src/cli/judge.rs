//! `judge` and `diff`: what can be said of run files without any implementation.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    Exit, colour, complain, print,
    report::{BaselineArgs, Wanted, own_baseline, read, tell, write},
};
use crate::{
    judge::{
        compare::{Change, Comparison, compare},
        rejudge::again,
    },
    report::Format,
};

const JUDGE_EXAMPLES: &str = "\
Examples:
  preflight-conformance judge run.jsonl
  preflight-conformance judge yesterday.jsonl --report html=today.html

A run file holds both faces of every case, so a newer build can judge an older run. The exit code is that of a run.";

const DIFF_EXAMPLES: &str = "\
Examples:
  preflight-conformance diff before.jsonl after.jsonl
  preflight-conformance diff main.jsonl branch.jsonl --all

Ends 0 where nothing is worse in the second run, 1 where something is.";

/// What `judge` is told.
#[derive(Debug, Args)]
#[command(after_help = JUDGE_EXAMPLES)]
pub(super) struct JudgeArgs {
    /// A file that `run --output` wrote, with this version or an earlier one.
    file: PathBuf,
    /// Write a report beside the one that is printed: html=report.html, junit=junit.xml, …; may be given several times.
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<Wanted>,
    #[command(flatten)]
    baseline: BaselineArgs,
}

/// What `diff` is told.
#[derive(Debug, Args)]
#[command(after_help = DIFF_EXAMPLES)]
pub(super) struct DiffArgs {
    /// The run file to compare with.
    before: PathBuf,
    /// The run file to compare.
    after: PathBuf,
    /// Name every case that stands otherwise, instead of the first few.
    #[arg(long)]
    all: bool,
}

/// Judges a recorded run by the rules of this build.
pub(super) fn judge(arguments: &JudgeArgs) -> Exit {
    let recorded = match read(&arguments.file) {
        Ok(run) => run,
        Err(error) => return complain(Exit::Usage, &error),
    };
    let (run, carried) = match again(&recorded) {
        Ok(judged) => judged,
        Err(error) => {
            return complain(Exit::Usage, &format!("{}: {error}", arguments.file.display()));
        }
    };
    if recorded.header.catalogue != run.header.catalogue {
        eprintln!(
            "recorded under catalogue {}, judged under {}",
            recorded.header.catalogue, run.header.catalogue
        );
    }
    for id in carried {
        eprintln!("{id}: carried over as it was judged then");
    }
    let baseline = match arguments.baseline.or_else(|| own_baseline(&run)) {
        Ok(baseline) => baseline,
        Err(error) => return complain(Exit::Usage, &error),
    };
    let told = tell(&run, &baseline, Format::Terminal);
    match write(&run, &baseline, &arguments.reports) {
        Exit::Usage => Exit::Usage,
        _ => told,
    }
}

/// Compares two run files.
pub(super) fn diff(arguments: &DiffArgs) -> Exit {
    let both = |path: &Path| read(path);
    let (before, after) = match (both(&arguments.before), both(&arguments.after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(error), _) | (_, Err(error)) => return complain(Exit::Usage, &error),
    };
    let comparison = compare(&before, &after);
    let name = |run: &crate::judge::run_file::Run| {
        format!("{} {}", run.header.implementation, run.header.version)
    };
    let mut text = format!("{}  ->  {}\n", name(&before), name(&after));
    if before.header.catalogue != after.header.catalogue {
        text.push_str("judged under different catalogues: `judge` brings both under this one\n");
    }
    text.push('\n');
    text.push_str(&in_words(&comparison, if arguments.all { usize::MAX } else { 3 }));
    print(&colour::verdicts(&text));
    if comparison.is_worse() { Exit::Unexpected } else { Exit::Expected }
}

fn in_words(comparison: &Comparison, most: usize) -> String {
    let mut text = String::new();
    for change in &comparison.changes {
        one(&mut text, change, most);
    }
    for damage in &comparison.damage {
        let _ = writeln!(text, "DAMAGE   {damage}");
    }
    for (name, only) in [("first", &comparison.only_first), ("second", &comparison.only_second)] {
        if !only.is_empty() {
            let _ = writeln!(text, "only in the {name}: {} cases", only.len());
            for case in only.iter().take(if most == usize::MAX { most } else { 0 }) {
                let _ = writeln!(text, "         {case}");
            }
        }
    }
    let changed = if comparison.changes.len() == 1 {
        "1 requirement".to_owned()
    } else {
        format!("{} requirements", comparison.changes.len())
    };
    let _ = writeln!(text, "{changed} changed, {} as before", comparison.alike);
    text
}

fn one(text: &mut String, change: &Change, most: usize) {
    let Change { requirement, verdict: (was, is), cases } = change;
    let word = if change.is_worse() { "WORSE" } else { "BETTER" };
    let verdict = if was == is { was.to_string() } else { format!("{was} -> {is}") };
    let count = if cases.len() == 1 {
        "1 case".to_owned()
    } else {
        format!("{} cases", cases.len())
    };
    let _ = writeln!(text, "{word:<7}  {requirement}  {verdict}  {count}");
    for (about, was, is) in cases.iter().take(most) {
        let _ = writeln!(text, "         {was} -> {is}  {about}");
    }
    if cases.len() > most {
        let _ = writeln!(text, "         and {} more", cases.len() - most);
    }
}
