//! Sums the findings of a run up: one verdict for each requirement, and the result of the run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Finding, Verdict, run_file::Run};
use crate::catalogue::{Catalogue, Level, Requirement, Status, Strength};

/// What a run says about one requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementVerdict {
    /// The requirement.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Where it gets its force from.
    pub strength: Strength,
    /// Whether it decides the result of an implementation that is not ours.
    pub core: bool,
    /// The gravest verdict of all findings.
    pub verdict: Verdict,
    /// How many findings there are of each verdict.
    pub counts: BTreeMap<Verdict, usize>,
    /// The catalogue's reason, where nothing was judged because nothing can be yet.
    pub note: Option<String>,
}

/// Sums the findings of a run up: one verdict for every requirement of the catalogue, in its order.
///
/// A requirement without findings is not applicable where the catalogue says that it is not judged, and skipped otherwise.
pub fn summarise<'a>(
    catalogue: &Catalogue,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> Vec<RequirementVerdict> {
    let mut counts: BTreeMap<&str, BTreeMap<Verdict, usize>> = BTreeMap::new();
    for finding in findings {
        *counts
            .entry(&finding.requirement)
            .or_default()
            .entry(finding.verdict)
            .or_default() += 1;
    }
    let sum = |requirement: &Requirement| {
        let counts = counts.remove(requirement.id.as_str()).unwrap_or_default();
        let note = match requirement.status() {
            Status::Covered => None,
            Status::NotYet(reason) | Status::Excluded(reason) => Some(reason),
        };
        let unjudged = if note.is_some() { Verdict::NotApplicable } else { Verdict::Skip };
        RequirementVerdict {
            id: requirement.id.clone(),
            level: requirement.level,
            strength: requirement.strength,
            core: requirement.core(),
            verdict: match counts.keys().next_back() {
                // Where no case says anything, there is no telling.
                Some(Verdict::Inconclusive) => Verdict::Untestable,
                Some(gravest) => *gravest,
                None => unjudged,
            },
            counts,
            note,
        }
    };
    catalogue.iter().map(sum).collect()
}

/// What a run says about an implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileResult {
    /// Everything that binds it is met, to the letter.
    Success,
    /// Everything that binds it is met, and some of it not to the letter.
    Partial,
    /// Something that binds it is not met, or there is no telling.
    Failure,
}

/// The result of a run. Recommended requirements bind our own gateway alone.
#[must_use]
pub fn result(verdicts: &[RequirementVerdict], ours: bool) -> ProfileResult {
    let binds = |verdict: &&RequirementVerdict| ours || verdict.core;
    let partial = |verdict: &RequirementVerdict| {
        matches!(verdict.verdict, Verdict::Warn | Verdict::NonStrict) || verdict.verdict.is_red()
    };
    if verdicts.iter().filter(binds).any(|verdict| verdict.verdict.is_red()) {
        ProfileResult::Failure
    } else if verdicts.iter().any(partial) {
        ProfileResult::Partial
    } else {
        ProfileResult::Success
    }
}

/// What a run says about every requirement.
#[must_use]
pub fn verdicts(run: &Run) -> Vec<RequirementVerdict> {
    summarise(Catalogue::embedded(), run.findings().map(|(_, finding)| finding))
}

/// Whether a finding is a failure of this implementation: of its core requirements, or of all of them where it is our own.
#[must_use]
pub fn counts(finding: &Finding, ours: bool) -> bool {
    let core = Catalogue::embedded().get(&finding.requirement).is_none_or(Requirement::core);
    (finding.verdict.is_red() && (core || ours)) || (ours && finding.verdict == Verdict::Warn)
}

/// How each finding of a run counts against its implementation, if it does. What no case says anything about counts as untestable.
pub fn failures_of(run: &Run) -> impl Fn(&Finding) -> Option<Verdict> {
    let ours = run.header.ours;
    let verdicts = verdicts(run)
        .into_iter()
        .filter(|verdict| verdict.verdict == Verdict::Untestable && (ours || verdict.core));
    let untestable: BTreeSet<String> = verdicts.map(|verdict| verdict.id).collect();
    move |finding| match finding.verdict {
        Verdict::Inconclusive if untestable.contains(&finding.requirement) => {
            Some(Verdict::Untestable)
        }
        verdict => counts(finding, ours).then_some(verdict),
    }
}

/// What a run comes to. Damage is a failure whatever else was found.
#[must_use]
pub fn outcome(run: &Run, verdicts: &[RequirementVerdict]) -> ProfileResult {
    if run.damages.is_empty() {
        result(verdicts, run.header.ours)
    } else {
        ProfileResult::Failure
    }
}
