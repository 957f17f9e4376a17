//! `diff`: compares the verdicts of two run files.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;

use super::{Exit, colour, print, report::read_run, report_error};
use crate::{
    judge::{
        compare::{Change, Comparison, Direction, MaskingChange, compare},
        masking::Masking,
        run_file::Run,
    },
    trace::printable::printable_lines,
};

const EXAMPLES: &str = "\
Examples:
  preflight-conformance diff before.jsonl after.jsonl
  preflight-conformance diff main.jsonl branch.jsonl --all

Requirements that changed because of the same defect are listed below the one that describes it
best. CHANGED means that only one of the runs judged the requirement. The masking of a refusal is
listed as well: from the least to the most harmful, a JSON-RPC error in a 200, an `isError` result,
a cached list, and an empty success. The exit code is 1 if a verdict or a masking is worse in the
second run, and 0 otherwise.";

/// The number of cases that are listed for each requirement without `--all`.
const LISTED_CASES: usize = 3;

/// The arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DiffArgs {
    /// The first run file
    before: PathBuf,
    /// The second run file
    after: PathBuf,
    /// List every case that changed, instead of the first three of each requirement
    #[arg(long)]
    all: bool,
}

/// Compares two run files.
pub(super) fn diff(arguments: &DiffArgs) -> Exit {
    let (before, after) = match (read_run(&arguments.before), read_run(&arguments.after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(error), _) | (_, Err(error)) => return report_error(Exit::Usage, &error),
    };
    let comparison = compare(&before, &after);
    let mut text = format!("{}  ->  {}\n", name(&before), name(&after));
    if before.header.catalogue != after.header.catalogue {
        text.push_str(
            "the runs were judged with different catalogues; `judge` judges both with this one\n",
        );
    }
    text.push('\n');
    text.push_str(&in_words(&comparison, arguments.all));
    print(&colour::coloured(&printable_lines(&text)));
    if comparison.is_worse() { Exit::Unexpected } else { Exit::Expected }
}

fn name(run: &Run) -> String {
    format!("{} {}", run.header.implementation, run.header.version)
}

fn in_words(comparison: &Comparison, all: bool) -> String {
    let mut text = String::new();
    let listed = if all { usize::MAX } else { LISTED_CASES };
    let heads = comparison
        .changes
        .iter()
        .filter(|change| !comparison.consequences.contains_key(&change.requirement));
    for change in heads {
        text += &change_in_words(change, listed);
        for other in &comparison.changes {
            if comparison.consequences.get(&other.requirement) == Some(&change.requirement) {
                let _ = writeln!(text, "         consequence: {}", verdicts_in_words(other));
            }
        }
    }
    for change in &comparison.masking {
        text += &masking_in_words(change, listed);
    }
    for damage in &comparison.damage {
        let _ = writeln!(text, "DAMAGE   {damage}");
    }
    for (run, cases) in [("first", &comparison.only_first), ("second", &comparison.only_second)] {
        if cases.is_empty() {
            continue;
        }
        let _ = writeln!(text, "only in the {run} run: {}", count(cases.len(), "case"));
        for case in cases.iter().filter(|_| all) {
            let _ = writeln!(text, "         {case}");
        }
    }
    let changed = count(comparison.changes.len(), "requirement");
    let _ = writeln!(text, "{changed} changed, {} unchanged", comparison.alike);
    text
}

fn change_in_words(change: &Change, listed: usize) -> String {
    let cases = &change.cases;
    let label = match change.direction() {
        Direction::Worse => "WORSE",
        Direction::Better => "BETTER",
        Direction::NotComparable => "CHANGED",
    };
    let mut text = format!("{label:<7}  {}\n", verdicts_in_words(change));
    for (case_id, before, after) in cases.iter().take(listed) {
        let _ = writeln!(text, "         {before} -> {after}  {case_id}");
    }
    if cases.len() > listed {
        let _ = writeln!(text, "         and {} more", cases.len() - listed);
    }
    text
}

/// The requirement, its verdicts in both runs, and the number of cases that changed.
fn verdicts_in_words(change: &Change) -> String {
    let Change { requirement, verdict: (before, after), cases } = change;
    let verdict = if before == after {
        before.to_string()
    } else {
        format!("{before} -> {after}")
    };
    format!("{requirement}  {verdict}  {}", count(cases.len(), "case"))
}

fn masking_in_words(change: &MaskingChange, listed: usize) -> String {
    let MaskingChange { before, after, cases } = change;
    let name = |masking: &Option<Masking>| masking.map_or("not masked", Masking::description);
    let label = if change.is_worse() { "WORSE" } else { "BETTER" };
    let mut text = format!(
        "{label:<7}  masking of a refusal  {} -> {}  {}\n",
        name(before),
        name(after),
        count(cases.len(), "case")
    );
    for case_id in cases.iter().take(listed) {
        let _ = writeln!(text, "         {case_id}");
    }
    if cases.len() > listed {
        let _ = writeln!(text, "         and {} more", cases.len() - listed);
    }
    text
}

/// A number with a noun in the right number.
fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}
