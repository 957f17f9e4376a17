//! What a run did not judge, and why.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::{
    catalogue::{Binding, Catalogue, Requirement, Status},
    judge::{Finding, Verdict, effective_verdict::RequirementRow, run_file::Run},
};

/// One reason why requirements or cases were not judged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotJudged {
    /// The reason.
    pub(super) reason: String,
    /// The number of requirements that no case judged for this reason.
    pub(super) requirements: usize,
    /// The number of cases that did not judge for this reason.
    pub(super) cases: usize,
}

/// The requirements and cases of one reason.
#[derive(Default)]
struct Found<'a> {
    requirements: BTreeSet<&'a str>,
    cases: BTreeSet<String>,
    /// Cases of which only the number is known.
    counted_cases: usize,
}

/// The reasons, those of the most requirements first.
pub(super) fn not_judged(run: &Run, rows: &[RequirementRow<'_>]) -> Vec<NotJudged> {
    let unjudged: BTreeSet<&str> = rows
        .iter()
        .filter(|row| !row.is_judged())
        .map(|row| row.summary.id.as_str())
        .collect();
    let mut reasons: IndexMap<String, Found<'_>> = IndexMap::new();
    for (case_id, finding) in run.findings() {
        let Some(reason) = reason_of_finding(finding) else { continue };
        let found = reasons.entry(reason).or_default();
        found.cases.insert(case_id);
        if let Some(id) = unjudged.get(finding.requirement.as_str()) {
            found.requirements.insert(id);
        }
    }
    for row in rows.iter().filter(|row| row.summary.counts.is_empty()) {
        let found = reasons.entry(reason_without_finding(run, row)).or_default();
        found.requirements.insert(&row.summary.id);
    }
    let left_out = &run.header.left_out;
    for (reason, cases) in [
        (FILTERS, left_out.by_filters),
        (GIVEN_UP, run.damages.iter().map(|damage| damage.not_judged).sum()),
        (MATRIX, left_out.by_matrix),
    ] {
        if cases > 0 {
            reasons.entry(reason.to_owned()).or_default().counted_cases += cases;
        }
    }
    let mut reasons: Vec<NotJudged> = reasons
        .into_iter()
        .map(|(reason, found)| NotJudged {
            reason,
            requirements: found.requirements.len(),
            cases: found.cases.len() + found.counted_cases,
        })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.requirements));
    reasons
}

const FILTERS: &str = "filtered by the command line";
const GIVEN_UP: &str = "restarting the implementation was given up";
const MATRIX: &str = "combinations that the matrix leaves out, because other cases give the same \
    evidence (`list matrix-cases`)";

/// Why a case did not judge a requirement; `None` if it did.
fn reason_of_finding(finding: &Finding) -> Option<String> {
    match finding.verdict {
        Verdict::Skip => Some(finding.actual.clone()),
        Verdict::NotApplicable => {
            Some("they concern another profile or protocol version".to_owned())
        }
        _ => None,
    }
}

/// Why no case has a finding about a requirement.
fn reason_without_finding(run: &Run, row: &RequirementRow<'_>) -> String {
    let requirement = Catalogue::embedded().get(&row.summary.id);
    if let Some(requirement) = requirement
        && requirement.binding(&run.gateway_traits()) == Binding::None
    {
        return requirement.not_judged_reason();
    }
    let status = requirement.map(Requirement::status);
    match status {
        Some(Status::Excluded(_)) => "they cannot be observed from outside",
        Some(Status::NotYet(_)) => "no rule of the suite judges them yet",
        _ if run.cases().next().is_none() => "the run contains no case",
        _ if !run.header.filters.is_empty() => FILTERS,
        _ => {
            "no case with the routes, profiles and strategies of this implementation concerns them"
        }
    }
    .to_owned()
}

/// A number with a noun, or nothing for zero: `3 requirements`.
fn count(number: usize, noun: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("1 {noun}")),
        _ => Some(format!("{number} {noun}s")),
    }
}

impl NotJudged {
    /// The numbers in words: `3 requirements, 40 cases`.
    pub(super) fn counts_in_words(&self) -> String {
        let counts = [count(self.requirements, "requirement"), count(self.cases, "case")];
        counts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}
