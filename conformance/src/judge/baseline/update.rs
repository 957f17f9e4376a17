//! Updates the text of a baseline from a run, and keeps everything that people wrote.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Assessment, Baseline, Entry, covering::covering_patterns, entry::outcome_of, shows_absence,
};
use crate::{
    cases::pattern::wildcard_match,
    judge::{
        Finding, Verdict,
        observables::Observable,
        run_file::{Damage, Run},
    },
};

/// The start of an entry of either kind.
const ENTRY: &str = "\n[[expected-";
/// What follows it in an entry about damage, and in one about a failure.
const DAMAGE: &str = "damage]]";
const FAILURE: &str = "failure]]";
/// The largest number of new entries for one requirement and verdict.
const MAX_ENTRIES: usize = 3;
/// With more outcomes than this, a new entry expects any outcome.
const MAX_OUTCOMES: usize = 8;

/// A finding with the id of its case.
type CaseFinding<'a> = (String, &'a Finding);

/// The text of a baseline, updated from a run.
///
/// Stale entries are removed, with the comments above them. New entries are added at the end.
/// Everything else is unchanged.
#[must_use]
pub fn updated(baseline: &Baseline, text: &str, run: &Run, assessment: &Assessment<'_>) -> String {
    let mut failures = baseline.expected_failure.iter().map(Entry::Failure);
    let mut damages = baseline.expected_damage.iter().map(Entry::Damage);
    let mut is_stale = |entry: &str| {
        let entry = if entry.starts_with(DAMAGE) {
            damages.next()
        } else {
            failures.next()
        };
        entry.is_some_and(|entry| assessment.stale.iter().any(|stale| stale.is(entry)))
    };
    let text = format!("\n{text}");
    let mut entries = text.split(ENTRY);
    let mut updated = entries.next().unwrap_or_default().to_owned();
    for (index, entry) in entries.enumerate() {
        if is_stale(entry) {
            if index > 0 {
                updated.truncate(start_of_next_comment(&updated));
            }
            updated.push_str(&entry[start_of_next_comment(entry)..]);
        } else {
            updated.push_str(ENTRY);
            updated.push_str(entry);
        }
    }
    for entry in new_damage_entries(assessment).into_iter().chain(new_entries(run, assessment)) {
        updated.truncate(updated.trim_end().len());
        updated.push_str(&format!("\n{ENTRY}{entry}"));
    }
    format!("{}\n", updated.trim())
}

/// Where the comment of the next entry starts. It is above that entry, so it is at the end of the
/// text before.
fn start_of_next_comment(text: &str) -> usize {
    text.rfind("\n\n")
        .filter(|at| text[at + 2..].starts_with('#'))
        .unwrap_or(text.len())
}

/// An entry for each unexpected damage with known cases.
fn new_damage_entries(assessment: &Assessment<'_>) -> Vec<String> {
    let entry = |damage: &&Damage| {
        let reason = toml::Value::from(damage.in_words());
        let outcome: Vec<String> = damage.process_end.iter().cloned().collect();
        format!(
            "{DAMAGE}\n{}{}reason = {reason}\n",
            pattern_line("cases", &damage.matrix_cases),
            pattern_line("outcome", &outcome)
        )
    };
    let with_cases = |damage: &&&Damage| !damage.matrix_cases.is_empty();
    assessment.unexpected_damages.iter().filter(with_cases).map(entry).collect()
}

/// Entries for the unexpected failures: few for each requirement and verdict.
fn new_entries(run: &Run, assessment: &Assessment<'_>) -> Vec<String> {
    let mut failures: BTreeMap<(&str, Verdict), Vec<&CaseFinding<'_>>> = BTreeMap::new();
    let damages = assessment.unexpected_damages.iter();
    let damaging: BTreeSet<&String> = damages.flat_map(|damage| &damage.matrix_cases).collect();
    for failure in &assessment.unexpected {
        let (case_id, finding) = failure;
        // The new entry about the damage expects it.
        if finding.verdict == Verdict::Untestable && damaging.contains(case_id) {
            continue;
        }
        let verdict = match finding.verdict {
            Verdict::Inconclusive => Verdict::Untestable,
            verdict => verdict,
        };
        failures.entry((&finding.requirement, verdict)).or_default().push(failure);
    }
    failures
        .into_iter()
        .flat_map(|((requirement, verdict), failures)| {
            let others = cases_without_failure(requirement, run, assessment);
            let others = others.iter().map(String::as_str).collect();
            entries_of(requirement, verdict, &failures, &others)
        })
        .collect()
}

/// The ids of the cases that show that a requirement is met there.
fn cases_without_failure(
    requirement: &str,
    run: &Run,
    assessment: &Assessment<'_>,
) -> BTreeSet<String> {
    let is_about = |finding: &Finding| finding.requirement == requirement;
    let unexpected = assessment.unexpected.iter().map(|(case_id, finding)| (case_id, *finding));
    let expected = assessment.expected.iter().map(|(case_id, finding, _)| (case_id, *finding));
    let failing: BTreeSet<&String> = unexpected
        .chain(expected)
        .filter(|(_, finding)| is_about(finding))
        .map(|(case_id, _)| case_id)
        .collect();
    run.findings()
        .filter(|(_, finding)| is_about(finding) && shows_absence(finding.verdict))
        .map(|(case_id, _)| case_id)
        .filter(|case_id| !failing.contains(case_id))
        .collect()
}

/// Entries for the failures of a requirement with one verdict.
///
/// Outcomes that are seen in the same cases share an entry. If there were more than
/// [`MAX_ENTRIES`] entries, all outcomes share one.
fn entries_of(
    requirement: &str,
    verdict: Verdict,
    failures: &[&CaseFinding<'_>],
    others: &BTreeSet<&str>,
) -> Vec<String> {
    let mut by_outcome: BTreeMap<Option<String>, Vec<&CaseFinding<'_>>> = BTreeMap::new();
    for failure in failures {
        // If the evidence is missing, the observed value means nothing.
        let outcome = (verdict != Verdict::Untestable).then(|| outcome_pattern(failure.1));
        by_outcome.entry(outcome).or_default().push(failure);
    }
    let mut by_cases: BTreeMap<Vec<String>, EntryContent<'_>> = BTreeMap::new();
    for (outcome, failures) in by_outcome {
        let patterns = covering_patterns(&case_ids(&failures), others);
        let content = by_cases.entry(patterns).or_default();
        content.outcomes.extend(outcome);
        content.failures.extend(failures);
    }
    if by_cases.len() > MAX_ENTRIES {
        let content = EntryContent {
            outcomes: by_cases.values().flat_map(|content| content.outcomes.clone()).collect(),
            failures: failures.to_vec(),
        };
        by_cases = [(covering_patterns(&case_ids(failures), others), content)].into();
    }
    by_cases
        .into_iter()
        .filter_map(|(cases, content)| content.entry(requirement, verdict, &cases))
        .collect()
}

fn case_ids<'a>(failures: &[&'a CaseFinding<'_>]) -> BTreeSet<&'a str> {
    failures.iter().map(|(case_id, _)| case_id.as_str()).collect()
}

/// The failures that one new entry expects, and their outcomes.
#[derive(Default)]
struct EntryContent<'a> {
    outcomes: Vec<String>,
    failures: Vec<&'a CaseFinding<'a>>,
}

impl EntryContent<'_> {
    /// The keys of the entry; `None` without a failure.
    fn entry(&self, requirement: &str, verdict: Verdict, cases: &[String]) -> Option<String> {
        let reason = toml::Value::String(description(&self.failures)?);
        let mut text =
            format!("{FAILURE}\nrequirement = \"{requirement}\"\nverdict = \"{verdict}\"\n");
        text += &pattern_line("cases", cases);
        if self.outcomes.len() <= MAX_OUTCOMES {
            text += &pattern_line("outcome", &self.outcomes);
        }
        Some(text + &format!("reason = {reason}\n"))
    }
}

/// A key with a pattern of these values; a list has one value on each line. Empty without a value.
fn pattern_line(key: &str, values: &[String]) -> String {
    let quoted: Vec<String> = values
        .iter()
        .map(|value| toml::Value::from(value.as_str()).to_string())
        .collect();
    match &quoted[..] {
        [] => String::new(),
        [one] => format!("{key} = {one}\n"),
        several => format!("{key} = [\n    {},\n]\n", several.join(",\n    ")),
    }
}

/// A pattern for the outcome of a finding, without details that differ from run to run.
fn outcome_pattern(finding: &Finding) -> String {
    let Finding { observable, actual, .. } = finding;
    let values = Observable::find(observable).map_or(&[][..], |observable| observable.values);
    if values.contains(&actual.as_str()) {
        return outcome_of(finding);
    }
    let without_detail = values
        .iter()
        .filter(|value| value.ends_with(": *"))
        .find(|value| wildcard_match(value, actual));
    match (without_detail, actual.split_once(": ")) {
        (Some(value), _) => format!("{observable} {value}"),
        // A finding about a whole log quotes a line of it.
        (None, Some((kind, _))) if values.is_empty() => format!("{observable} {kind}: *"),
        (None, _) => outcome_of(finding),
    }
}

fn description(failures: &[&CaseFinding<'_>]) -> Option<String> {
    let ((case_id, finding), others) = failures.split_first()?;
    let Finding { observable, expected, actual, .. } = finding;
    let mut description =
        format!("{observable}: expected {expected}, actual {actual}, in {case_id}");
    if !others.is_empty() {
        description.push_str(&format!(", and {} more", others.len()));
    }
    Some(description)
}
