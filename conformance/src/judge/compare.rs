//! Compares two runs: which requirements and cases have other verdicts.
//!
//! It compares verdicts, not traces.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, Verdict,
    run_file::{JudgedCase, Run},
    summary::{self, RequirementVerdict},
};

/// A requirement with another verdict in the second run, as a whole or in some cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The id of the requirement.
    pub requirement: String,
    /// The verdicts in the first and in the second run.
    pub verdict: (Verdict, Verdict),
    /// The cases with another verdict: id, verdict in the first run, verdict in the second run.
    pub cases: Vec<(String, Verdict, Verdict)>,
}

impl Change {
    /// Whether a verdict is more severe in the second run.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.verdict.1 > self.verdict.0
            || self.cases.iter().any(|(_, before, after)| after > before && after.is_red())
    }
}

/// The differences between two runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The requirements with another verdict, in the order of the catalogue.
    pub changes: Vec<Change>,
    /// The cases that only the first run has.
    pub only_first: BTreeSet<String>,
    /// The cases that only the second run has.
    pub only_second: BTreeSet<String>,
    /// The damages that only the second run has, as reports describe them.
    pub damage: Vec<String>,
    /// The number of requirements with the same verdicts.
    pub alike: usize,
}

impl Comparison {
    /// Whether the second run is worse.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        !self.damage.is_empty() || self.changes.iter().any(Change::is_worse)
    }
}

/// Compares two runs.
#[must_use]
pub fn compare(first: &Run, second: &Run) -> Comparison {
    let mut changed_cases = changed_cases(first, second);
    let mut comparison = Comparison::default();
    for (before, after) in summary::verdicts(first).into_iter().zip(summary::verdicts(second)) {
        // A requirement that only one run judged is a difference between the selections.
        if before.counts.is_empty() || after.counts.is_empty() {
            continue;
        }
        let cases = changed_cases.remove(before.id.as_str()).unwrap_or_default();
        if before.verdict == after.verdict && cases.is_empty() {
            comparison.alike += 1;
        } else {
            comparison.changes.push(change(before, &after, cases));
        }
    }
    let (before, after) = (case_ids(first), case_ids(second));
    comparison.only_first = before.difference(&after).cloned().collect();
    comparison.only_second = after.difference(&before).cloned().collect();
    comparison.damage = new_damage(first, second);
    comparison
}

fn change(
    before: RequirementVerdict,
    after: &RequirementVerdict,
    cases: Vec<(String, Verdict, Verdict)>,
) -> Change {
    Change {
        requirement: before.id,
        verdict: (before.verdict, after.verdict),
        cases,
    }
}

/// The cases with another verdict, by requirement.
fn changed_cases<'a>(
    first: &'a Run,
    second: &Run,
) -> BTreeMap<&'a str, Vec<(String, Verdict, Verdict)>> {
    let after = case_verdicts(second);
    let mut changed: BTreeMap<&str, Vec<(String, Verdict, Verdict)>> = BTreeMap::new();
    for ((requirement, case_id), before) in case_verdicts(first) {
        match after.get(&(requirement, case_id.clone())) {
            Some(after) if *after != before => {
                changed.entry(requirement).or_default().push((case_id, before, *after));
            }
            _ => {}
        }
    }
    changed
}

/// The most severe verdict of each requirement in each case.
fn case_verdicts(run: &Run) -> BTreeMap<(&str, String), Verdict> {
    let mut verdicts = BTreeMap::new();
    for (case_id, Finding { requirement, verdict, .. }) in run.findings() {
        let most_severe = verdicts.entry((requirement.as_str(), case_id)).or_insert(*verdict);
        *most_severe = (*most_severe).max(*verdict);
    }
    verdicts
}

fn case_ids(run: &Run) -> BTreeSet<String> {
    run.cases().map(|JudgedCase { id, .. }| id).collect()
}

/// The damages of the second run by cases that did no damage in the first run.
fn new_damage(first: &Run, second: &Run) -> Vec<String> {
    let known: BTreeSet<&String> =
        first.damages.iter().flat_map(|damage| &damage.matrix_cases).collect();
    second
        .damages
        .iter()
        .filter(|damage| {
            first.damages.is_empty()
                || damage.matrix_cases.iter().any(|case_id| !known.contains(case_id))
        })
        .map(|damage| format!("{} after {}", damage.in_words(), damage.matrix_cases.join(", ")))
        .collect()
}
