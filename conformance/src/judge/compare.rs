//! Says what changed between two runs: which requirements stand otherwise, and in which cases.
//!
//! Compares verdicts, not traces: what both runs judged alike is the same, however it was said.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::{Finding, Verdict, run_file::Run, summary};

/// One requirement that stands otherwise in the second run, or in some of its cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The requirement.
    pub requirement: String,
    /// Its verdict in the first run and in the second.
    pub verdict: (Verdict, Verdict),
    /// Each case that stands otherwise, with its verdict in the first run and in the second.
    pub cases: Vec<(String, Verdict, Verdict)>,
}

impl Change {
    /// Whether something is worse than it was.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.verdict.1 > self.verdict.0
            || self.cases.iter().any(|(_, before, after)| after > before && after.is_red())
    }
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The requirements that stand otherwise, in the order of the catalogue.
    pub changes: Vec<Change>,
    /// Cases that only the first run has.
    pub only_first: BTreeSet<String>,
    /// Cases that only the second run has.
    pub only_second: BTreeSet<String>,
    /// Damage that only the second run did, in words.
    pub damage: Vec<String>,
    /// How many requirements stand as they did.
    pub alike: usize,
}

impl Comparison {
    /// Whether something is worse than it was.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        !self.damage.is_empty() || self.changes.iter().any(Change::is_worse)
    }
}

/// A case of one requirement.
type Case<'a> = (&'a str, String);

/// The gravest verdict of each case on each requirement.
fn cases(run: &Run) -> BTreeMap<Case<'_>, Verdict> {
    let mut cases = BTreeMap::new();
    for (about, Finding { requirement, verdict, .. }) in run.findings() {
        let gravest = cases.entry((requirement.as_str(), about)).or_insert(*verdict);
        *gravest = (*gravest).max(*verdict);
    }
    cases
}

fn ids(run: &Run) -> BTreeSet<String> {
    run.matrix_cases
        .iter()
        .map(|judged| judged.matrix_case.to_string())
        .chain(run.scenarios.iter().map(crate::judge::run_file::JudgedScenario::id))
        .collect()
}

/// Compares two runs.
#[must_use]
pub fn compare(first: &Run, second: &Run) -> Comparison {
    let (before, after) = (cases(first), cases(second));
    let mut changed: BTreeMap<&str, Vec<(String, Verdict, Verdict)>> = BTreeMap::new();
    for ((requirement, about), was) in &before {
        if let Some(is) = after.get(&(*requirement, about.clone())).filter(|is| *is != was) {
            changed.entry(requirement).or_default().push((about.clone(), *was, *is));
        }
    }
    let mut comparison = Comparison::default();
    for (was, is) in summary::verdicts(first).into_iter().zip(summary::verdicts(second)) {
        let cases = changed.remove(was.id.as_str()).unwrap_or_default();
        // What was judged in one run alone is a matter of what was run, and told as such.
        let judged = !was.counts.is_empty() && !is.counts.is_empty();
        if judged && (was.verdict != is.verdict || !cases.is_empty()) {
            comparison.changes.push(Change {
                requirement: was.id,
                verdict: (was.verdict, is.verdict),
                cases,
            });
        } else if judged {
            comparison.alike += 1;
        }
    }
    let (before, after) = (ids(first), ids(second));
    comparison.only_first = before.difference(&after).cloned().collect();
    comparison.only_second = after.difference(&before).cloned().collect();
    let known: BTreeSet<&String> =
        first.damages.iter().flat_map(|damage| &damage.matrix_cases).collect();
    let new = second.damages.iter().filter(|damage| {
        first.damages.is_empty()
            || damage.matrix_cases.iter().any(|matrix_case| !known.contains(matrix_case))
    });
    comparison.damage = new
        .map(|damage| format!("{} after {}", damage.description, damage.matrix_cases.join(", ")))
        .collect();
    comparison
}
