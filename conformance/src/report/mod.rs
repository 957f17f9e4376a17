//! Reports on a run, for people and for programs.
//!
//! Each report is a pure function of the run and of its comparison with a baseline. Nothing is
//! judged here, and no report leaves out anything that changes the result.

mod badge;
mod canonical;
mod cause;
mod comparison;
mod curl;
mod deviation;
mod failure;
mod format;
mod html;
mod json;
mod junit;
mod markdown;
mod not_judged;
mod telling;
mod terminal;
#[cfg(test)]
mod tests;
mod trace_summary;
mod traceability;

use std::{cmp::Reverse, collections::BTreeMap};

use self::{cause::decides, telling::Telling};
pub use self::{
    curl::curl,
    failure::failures_of_case,
    format::Format,
    terminal::{TerminalOptions, Verbosity, terminal},
    traceability::gaps,
};
use crate::judge::{
    Finding,
    effective_verdict::{EffectiveVerdict, EffectiveVerdicts, RequirementRow},
    run_file::Run,
    summary::ProfileResult,
};

/// The name of a result in every report.
const fn result_name(result: ProfileResult) -> &'static str {
    match result {
        ProfileResult::Success => "success",
        ProfileResult::Partial => "partial",
        ProfileResult::Failure => "failure",
    }
}

/// Counts the judged core or recommended requirements by effective verdict.
fn totals(rows: &[RequirementRow<'_>], core: bool) -> BTreeMap<EffectiveVerdict, usize> {
    count_verdicts(rows.iter().filter(|row| row.is_judged() && row.summary.core == core))
}

fn count_verdicts<'a, 'b: 'a>(
    rows: impl Iterator<Item = &'a RequirementRow<'b>>,
) -> BTreeMap<EffectiveVerdict, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.verdict).or_default() += 1;
    }
    counts
}

/// The counts in words, the most severe verdict first: `1 fail · 16 pass`.
fn counts_in_words(counts: &BTreeMap<EffectiveVerdict, usize>, separator: &str) -> String {
    counts
        .iter()
        .rev()
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect::<Vec<_>>()
        .join(separator)
}

/// Whether a row needs a reader's attention: anything worse than `info`.
fn is_unmet(row: &RequirementRow<'_>) -> bool {
    row.is_judged() && row.verdict > EffectiveVerdict::Info
}

/// The findings that decided the verdict of a requirement, each with the id of its case, the most
/// telling one first.
///
/// Inconclusive findings decide only an untestable requirement. Empty if the requirement is met or
/// was not judged.
fn deciding_findings<'a>(
    run: &'a Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    row: &RequirementRow<'_>,
) -> Vec<(String, &'a Finding)> {
    if !is_unmet(row) {
        return Vec::new();
    }
    let mut deciding: Vec<(String, &Finding)> = run
        .findings()
        .filter(|(_, finding)| finding.requirement == row.summary.id)
        .filter(|(case_id, finding)| decides(effective_verdicts.of_finding(case_id, finding), row))
        .collect();
    let ids = deciding.iter().map(|(case_id, _)| case_id.as_str()).collect();
    let telling = Telling::of_cases(run, &ids);
    deciding.sort_by_key(|(case_id, _)| Reverse(telling.get(case_id).copied()));
    deciding
}
