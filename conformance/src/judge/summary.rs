//! Summarises the findings of a run: one verdict for each requirement, and the result of the run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Finding, Verdict, run_file::Run};
use crate::catalogue::{Binding, Catalogue, GatewayTraits, Level, Requirement, Status, Strength};

/// The verdict of a run on one requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementVerdict {
    /// The id of the requirement.
    pub id: String,
    /// The level of the requirement.
    pub level: Level,
    /// The source of its authority.
    pub strength: Strength,
    /// Whether it is core for the judged gateway. A requirement that is not core can decide the
    /// result of the reference gateway only.
    pub core: bool,
    /// The most severe verdict of all findings.
    pub verdict: Verdict,
    /// The number of findings with each verdict.
    pub counts: BTreeMap<Verdict, usize>,
    /// Why the requirement is not judged, if the catalogue says so.
    pub note: Option<String>,
}

impl RequirementVerdict {
    fn new(
        requirement: &Requirement,
        gateway: &GatewayTraits,
        counts: BTreeMap<Verdict, usize>,
    ) -> Self {
        let note = match requirement.status() {
            Status::Covered => None,
            Status::NotYet(reason) | Status::Excluded(reason) => Some(reason),
        };
        let verdict = match counts.keys().next_back() {
            // If every case is inconclusive, the evidence is missing.
            Some(Verdict::Inconclusive) => Verdict::Untestable,
            Some(most_severe) => *most_severe,
            None if note.is_some() => Verdict::NotApplicable,
            None => Verdict::Skip,
        };
        Self {
            id: requirement.id.clone(),
            level: requirement.level,
            strength: requirement.strength,
            core: requirement.binding(gateway) == Binding::Core,
            verdict,
            counts,
            note,
        }
    }
}

/// One verdict for every requirement of the catalogue, in its order.
///
/// A requirement without findings is not applicable if the catalogue says that it is not judged;
/// otherwise it is skipped.
pub fn summarise<'a>(
    catalogue: &Catalogue,
    gateway: &GatewayTraits,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> Vec<RequirementVerdict> {
    let mut counts: BTreeMap<&str, BTreeMap<Verdict, usize>> = BTreeMap::new();
    for Finding { requirement, verdict, .. } in findings {
        *counts.entry(requirement).or_default().entry(*verdict).or_default() += 1;
    }
    catalogue
        .iter()
        .map(|requirement| {
            let counts = counts.remove(requirement.id.as_str()).unwrap_or_default();
            RequirementVerdict::new(requirement, gateway, counts)
        })
        .collect()
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileResult {
    /// Every binding requirement is met.
    Success,
    /// Every binding requirement of the level MUST is met, and another requirement is not.
    Partial,
    /// A binding requirement of the level MUST is not met, or its evidence is missing.
    Failure,
}

/// The result by the verdicts alone. Recommended requirements bind only the reference gateway
/// (`ours`).
#[must_use]
pub fn result(verdicts: &[RequirementVerdict], ours: bool) -> ProfileResult {
    let is_binding = |verdict: &&RequirementVerdict| ours || verdict.core;
    let is_unmet = |verdict: &RequirementVerdict| {
        matches!(verdict.verdict, Verdict::Warn | Verdict::NonStrict) || verdict.verdict.is_red()
    };
    if verdicts.iter().filter(is_binding).any(|verdict| verdict.verdict.is_red()) {
        ProfileResult::Failure
    } else if verdicts.iter().any(is_unmet) {
        ProfileResult::Partial
    } else {
        ProfileResult::Success
    }
}

/// The verdicts of a run on every requirement.
#[must_use]
pub fn verdicts(run: &Run) -> Vec<RequirementVerdict> {
    summarise(
        Catalogue::embedded(),
        &run.gateway_traits(),
        run.findings().map(|(_, finding)| finding),
    )
}

/// Whether a finding is a failure of the implementation.
///
/// The reference gateway must meet every requirement; another implementation must meet the
/// requirements of the level MUST that are core for it.
#[must_use]
pub fn is_failure(finding: &Finding, gateway: &GatewayTraits) -> bool {
    let requirement = Catalogue::embedded().get(&finding.requirement);
    let decides = requirement.is_none_or(|requirement| requirement.decides(gateway));
    (finding.verdict.is_red() && decides) || (gateway.ours && finding.verdict == Verdict::Warn)
}

/// The verdict with which each finding of a run fails, if it does.
///
/// If every case of a requirement is inconclusive, its findings fail as `untestable`.
pub fn failures_of(run: &Run) -> impl Fn(&Finding) -> Option<Verdict> {
    let gateway = run.gateway_traits();
    let ours = gateway.ours;
    let untestable: BTreeSet<String> = verdicts(run)
        .into_iter()
        .filter(|verdict| verdict.verdict == Verdict::Untestable && (ours || verdict.core))
        .map(|verdict| verdict.id)
        .collect();
    move |finding| match finding.verdict {
        Verdict::Inconclusive if untestable.contains(&finding.requirement) => {
            Some(Verdict::Untestable)
        }
        verdict => is_failure(finding, &gateway).then_some(verdict),
    }
}

/// The result of a run. A run that damaged the implementation is a failure.
#[must_use]
pub fn run_result(run: &Run, verdicts: &[RequirementVerdict]) -> ProfileResult {
    if run.damages.is_empty() {
        result(verdicts, run.header.ours)
    } else {
        ProfileResult::Failure
    }
}
