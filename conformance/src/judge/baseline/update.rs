//! Updates the text of a baseline from a run, and keeps everything that people wrote.

use std::collections::BTreeMap;

use super::{Assessment, Baseline};
use crate::judge::{Finding, Verdict};

const ENTRY: &str = "\n[[expected-failure]]";

/// The text of a baseline, updated from a run.
///
/// Stale entries are removed, with the comments above them. New entries are added at the end. Everything
/// else is unchanged.
#[must_use]
pub fn updated(baseline: &Baseline, text: &str, assessment: &Assessment<'_>) -> String {
    let is_stale = |index: usize| {
        baseline
            .entries
            .get(index)
            .is_some_and(|entry| assessment.stale.iter().any(|stale| std::ptr::eq(*stale, entry)))
    };
    let text = format!("\n{text}");
    let mut entries = text.split(ENTRY);
    let mut updated = entries.next().unwrap_or_default().to_owned();
    for (index, entry) in entries.enumerate() {
        if is_stale(index) {
            if index > 0 {
                updated.truncate(start_of_next_comment(&updated));
            }
            updated.push_str(&entry[start_of_next_comment(entry)..]);
        } else {
            updated.push_str(ENTRY);
            updated.push_str(entry);
        }
    }
    for entry in new_entries(assessment) {
        updated.truncate(updated.trim_end().len());
        updated.push_str(&format!("\n{ENTRY}\n{entry}"));
    }
    format!("{}\n", updated.trim())
}

/// Where the comment of the next entry starts. It is above that entry, so it is at the end of the text before.
fn start_of_next_comment(text: &str) -> usize {
    text.rfind("\n\n")
        .filter(|at| text[at + 2..].starts_with('#'))
        .unwrap_or(text.len())
}

/// An entry for each requirement and verdict with unexpected failures. The reason describes the first failure.
fn new_entries(assessment: &Assessment<'_>) -> Vec<String> {
    let mut failures: BTreeMap<(&str, Verdict), Vec<&(String, &Finding)>> = BTreeMap::new();
    for failure in &assessment.unexpected {
        let (_, finding) = failure;
        let verdict = match finding.verdict {
            Verdict::Inconclusive => Verdict::Untestable,
            verdict => verdict,
        };
        failures.entry((&finding.requirement, verdict)).or_default().push(failure);
    }
    failures
        .into_iter()
        .filter_map(|((requirement, verdict), failures)| {
            let reason = toml::Value::String(description(&failures)?);
            Some(format!(
                "requirement = \"{requirement}\"\nverdict = \"{verdict}\"\nreason = {reason}\n"
            ))
        })
        .collect()
}

fn description(failures: &[&(String, &Finding)]) -> Option<String> {
    let ((case_id, finding), others) = failures.split_first()?;
    let Finding { observable, expected, actual, .. } = finding;
    let mut description =
        format!("{observable}: expected {expected}, actual {actual}, in {case_id}");
    if !others.is_empty() {
        description.push_str(&format!(", and {} more", others.len()));
    }
    Some(description)
}
