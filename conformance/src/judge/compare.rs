//! Compares two runs: which requirements and cases have other verdicts.
//!
//! It compares verdicts, not traces.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, Verdict,
    masking::Masking,
    root_cause::{Attention, RootCause, UnmetRequirement, root_causes},
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

/// How a verdict or a requirement changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A verdict is more severe in the second run.
    Worse,
    /// A verdict is less severe in the second run, and both runs judged the requirement.
    Better,
    /// Only one of the runs judged the requirement, so the verdicts cannot be compared.
    NotComparable,
}

impl Direction {
    /// The direction of a changed verdict.
    ///
    /// A requirement that was met and is skipped now is not better. A failure is worse even if the
    /// first run did not judge the requirement.
    fn of(before: Verdict, after: Verdict) -> Self {
        let both_judged = before >= Verdict::Pass && after >= Verdict::Pass;
        if after > before && (both_judged || after.is_red()) {
            Self::Worse
        } else if after < before && both_judged {
            Self::Better
        } else {
            Self::NotComparable
        }
    }
}

impl Change {
    /// Whether the requirement is worse or better in the second run.
    ///
    /// One case that fails only in the second run is enough for worse.
    #[must_use]
    pub fn direction(&self) -> Direction {
        let (before, after) = self.verdict;
        let cases = || self.cases.iter().map(|(_, before, after)| (*before, *after));
        let fails_now = |(before, after): (Verdict, Verdict)| after > before && after.is_red();
        if cases().any(fails_now) {
            return Direction::Worse;
        }
        if before != after {
            return Direction::of(before, after);
        }
        let directions: Vec<Direction> =
            cases().map(|(before, after)| Direction::of(before, after)).collect();
        if directions.contains(&Direction::Better) {
            Direction::Better
        } else {
            Direction::NotComparable
        }
    }
}

/// Cases that mask a refusal in another way in the second run. `None` means that it is not masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskingChange {
    /// How the first run masks it.
    pub before: Option<Masking>,
    /// How the second run masks it.
    pub after: Option<Masking>,
    /// The ids of the cases.
    pub cases: Vec<String>,
}

impl MaskingChange {
    /// Whether the second run masks the refusal in a more harmful way.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.after > self.before
    }
}

/// The differences between two runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The requirements with another verdict, in the order of the catalogue.
    pub changes: Vec<Change>,
    /// The cases that mask a refusal in another way.
    pub masking: Vec<MaskingChange>,
    /// The cases that only the first run has.
    pub only_first: BTreeSet<String>,
    /// The cases that only the second run has.
    pub only_second: BTreeSet<String>,
    /// The damages that only the second run has, as reports describe them.
    pub damage: Vec<String>,
    /// The number of requirements with the same verdicts.
    pub alike: usize,
    /// The requirements that changed because of the same defect as another one: the id of each, and
    /// the id of the other one, whose change is described in full.
    pub consequences: BTreeMap<String, String>,
}

impl Comparison {
    /// Whether the second run is worse.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let is_worse = |change: &Change| change.direction() == Direction::Worse;
        !self.damage.is_empty()
            || self.changes.iter().any(is_worse)
            || self.masking.iter().any(MaskingChange::is_worse)
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
    comparison.masking = masking_changes(first, second);
    comparison.damage = new_damage(first, second);
    for (direction, run) in [(Direction::Worse, second), (Direction::Better, first)] {
        let consequences = consequences(&comparison.changes, direction, run);
        comparison.consequences.extend(consequences);
    }
    comparison
}

/// The consequences among the requirements that changed in this direction, by the findings of the
/// run in which they are worse.
fn consequences(changes: &[Change], direction: Direction, run: &Run) -> BTreeMap<String, String> {
    let changed: BTreeMap<&str, BTreeSet<&str>> = changes
        .iter()
        .filter(|change| change.direction() == direction)
        .map(|change| {
            let cases = change.cases.iter().map(|(case_id, ..)| case_id.as_str());
            (change.requirement.as_str(), cases.collect())
        })
        .collect();
    let mut findings: BTreeMap<&str, Vec<(String, &Finding)>> = BTreeMap::new();
    for (case_id, finding) in run.findings() {
        let id = finding.requirement.as_str();
        let is_changed = changed.get(id).is_some_and(|cases| cases.contains(case_id.as_str()));
        if is_changed && finding.verdict > Verdict::Info {
            findings.entry(id).or_default().push((case_id, finding));
        }
    }
    let unmet: Vec<UnmetRequirement<'_>> = changed
        .keys()
        .map(|id| UnmetRequirement {
            id,
            attention: Attention::Unexpected,
            findings: findings.remove(id).unwrap_or_default(),
        })
        .collect();
    let mut heads = BTreeMap::new();
    for RootCause { head, consequences } in root_causes(run, &unmet) {
        heads.extend(consequences.into_iter().map(|id| (id.to_owned(), head.to_owned())));
    }
    heads
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

/// The cases of both runs that mask a refusal in another way, grouped by how it changed.
fn masking_changes(first: &Run, second: &Run) -> Vec<MaskingChange> {
    let of_case: BTreeMap<String, Option<Masking>> =
        first.cases().map(|case| (case.id.clone(), Masking::of(&case))).collect();
    let mut changed: BTreeMap<(Option<Masking>, Option<Masking>), Vec<String>> = BTreeMap::new();
    for case in second.cases() {
        let after = Masking::of(&case);
        if let Some(before) = of_case.get(&case.id).filter(|before| **before != after) {
            changed.entry((*before, after)).or_default().push(case.id);
        }
    }
    changed
        .into_iter()
        .map(|((before, after), cases)| MaskingChange { before, after, cases })
        .collect()
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

#[cfg(test)]
pub(in crate::judge) mod tests {
    use super::*;
    use crate::judge::{run_file::tests::run, tests::refused_tools_list};

    /// A run with one case, a verdict, and the result that the client saw of a refused token.
    pub(in crate::judge) fn run_with(verdict: Verdict, result: &str) -> Run {
        let mut run = run();
        run.damages.clear();
        let judged = &mut run.matrix_cases[0];
        judged.findings[0].verdict = verdict;
        judged.observations.insert("result".to_owned(), result.to_owned());
        judged.trace.arrivals.push(refused_tools_list());
        run
    }

    fn direction(before: Verdict, after: Verdict) -> Direction {
        let (before, after) = (run_with(before, "absent"), run_with(after, "absent"));
        compare(&before, &after).changes[0].direction()
    }

    #[test]
    fn a_requirement_that_is_skipped_now_is_not_better() {
        assert_eq!(direction(Verdict::Pass, Verdict::Skip), Direction::NotComparable);
        assert_eq!(direction(Verdict::Fail, Verdict::Skip), Direction::NotComparable);
        assert_eq!(direction(Verdict::Fail, Verdict::Pass), Direction::Better);
        assert_eq!(direction(Verdict::Skip, Verdict::Pass), Direction::NotComparable);
        assert_eq!(direction(Verdict::Skip, Verdict::Fail), Direction::Worse);
        assert_eq!(direction(Verdict::Pass, Verdict::Fail), Direction::Worse);
    }

    #[test]
    fn requirements_that_get_worse_for_the_same_reason_are_one_change() {
        let with = |verdict| {
            let mut run = run_with(verdict, "absent");
            let findings = &mut run.matrix_cases[0].findings;
            findings[0].actual = "200".into();
            findings.push(Finding { requirement: "STA-02".into(), ..findings[0].clone() });
            run
        };
        let comparison = compare(&with(Verdict::Pass), &with(Verdict::Fail));
        assert_eq!(comparison.changes.len(), 2);
        let consequence = ("STA-02".to_owned(), "STA-01".to_owned());
        assert_eq!(comparison.consequences, BTreeMap::from([consequence]));
        let back = compare(&with(Verdict::Fail), &with(Verdict::Pass));
        assert_eq!(back.consequences, comparison.consequences);
    }

    #[test]
    fn a_more_harmful_masking_is_worse_although_both_runs_fail() {
        let error = run_with(Verdict::Fail, "json-rpc-error-200");
        let empty = run_with(Verdict::Fail, "empty-success");
        let worse = compare(&error, &empty);
        assert!(worse.is_worse() && worse.changes.is_empty());
        assert_eq!(worse.masking[0].cases.len(), 1);
        let better = compare(&empty, &error);
        assert!(!better.is_worse() && better.masking.len() == 1);
        assert!(compare(&empty, &empty).masking.is_empty());
    }
}
