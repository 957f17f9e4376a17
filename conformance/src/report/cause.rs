//! The requirements that are not met, grouped by root cause.

use std::collections::{BTreeMap, BTreeSet};

use super::is_unmet;
use crate::judge::{
    Finding, Verdict,
    effective_verdict::{EffectiveVerdict, EffectiveVerdicts, RequirementRow},
    root_cause::{Attention, UnmetRequirement, root_causes},
    run_file::Run,
};

/// Requirements that fail because of the same defect.
pub(super) struct Cause<'r, 'a> {
    /// The one that describes the defect best.
    pub(super) head: Unmet<'r, 'a>,
    pub(super) consequences: Vec<Unmet<'r, 'a>>,
}

impl<'r, 'a> Cause<'r, 'a> {
    /// The head and the consequences.
    pub(super) fn requirements(&self) -> impl Iterator<Item = &Unmet<'r, 'a>> {
        std::iter::once(&self.head).chain(&self.consequences)
    }

    /// The consequences in one line; `None` if there is none.
    pub(super) fn consequences_in_words(&self) -> Option<String> {
        let consequences: Vec<String> =
            self.consequences.iter().map(|unmet| unmet.in_short(self.head.row)).collect();
        (!consequences.is_empty()).then(|| consequences.join(", "))
    }
}

/// A requirement that is not met.
pub(super) struct Unmet<'r, 'a> {
    pub(super) row: &'r RequirementRow<'a>,
    /// The number of cases with the verdict of the requirement.
    pub(super) failing: usize,
    /// The number of cases that show whether it is met.
    pub(super) judged: usize,
}

impl Unmet<'_, '_> {
    pub(super) fn id(&self) -> &str {
        &self.row.summary.id
    }

    /// How many of the cases that show whether the requirement is met fail: `9 of 40 cases`.
    pub(super) fn count_in_words(&self) -> String {
        share_of_cases(self.failing, self.judged)
    }

    /// The id and the number of failing cases: `STA-01 (9 of 40 cases)`. The verdict is named if it
    /// is not that of the head.
    pub(super) fn in_short(&self, head: &RequirementRow<'_>) -> String {
        let (id, count) = (self.id(), self.count_in_words());
        if self.row.verdict == head.verdict {
            format!("{id} ({count})")
        } else {
            format!("{id} ({}, {count})", self.row.verdict)
        }
    }
}

/// A number of failing cases among the judged ones: `9 of 40 cases`.
pub(super) fn share_of_cases(failing: usize, judged: usize) -> String {
    let noun = if judged == 1 { "case" } else { "cases" };
    format!("{failing} of {judged} {noun}")
}

/// The unmet requirements by root cause: those that need most attention first.
pub(super) fn causes<'r, 'a>(
    run: &'a Run,
    effective_verdicts: &EffectiveVerdicts<'a>,
    rows: &'r [RequirementRow<'a>],
) -> Vec<Cause<'r, 'a>> {
    let unmet: BTreeMap<&str, &'r RequirementRow<'a>> = rows
        .iter()
        .filter(|row| is_unmet(row))
        .map(|row| (row.summary.id.as_str(), row))
        .collect();
    let mut deciding: BTreeMap<&str, Vec<(String, &Finding)>> = BTreeMap::new();
    let mut judged: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (case_id, finding) in run.findings() {
        let id = finding.requirement.as_str();
        let Some(row) = unmet.get(id) else { continue };
        if finding.is_conclusive() {
            judged.entry(id).or_default().insert(case_id.clone());
        }
        if decides(effective_verdicts.of_finding(&case_id, finding), row) {
            deciding.entry(id).or_default().push((case_id, finding));
        }
    }
    let requirements: Vec<UnmetRequirement<'_>> = rows
        .iter()
        .filter(|row| is_unmet(row))
        .map(|row| UnmetRequirement {
            id: &row.summary.id,
            attention: attention(row),
            findings: deciding.get(row.summary.id.as_str()).cloned().unwrap_or_default(),
        })
        .collect();
    let unmet = |id: &str| {
        let failing: BTreeSet<&String> =
            deciding.get(id).into_iter().flatten().map(|(case_id, _)| case_id).collect();
        let judged = judged.get(id).map_or(0, BTreeSet::len);
        Unmet {
            row: unmet[id],
            failing: failing.len(),
            judged: judged.max(failing.len()),
        }
    };
    root_causes(run, &requirements)
        .into_iter()
        .map(|cause| Cause {
            head: unmet(cause.head),
            consequences: cause.consequences.into_iter().map(unmet).collect(),
        })
        .collect()
}

/// Whether a finding with this effective verdict decides the verdict of an unmet requirement.
/// Inconclusive findings decide only an untestable one.
pub(super) fn decides(verdict: EffectiveVerdict, row: &RequirementRow<'_>) -> bool {
    let untestable = row.summary.verdict == Verdict::Untestable;
    verdict == row.verdict || (untestable && verdict == EffectiveVerdict::Inconclusive)
}

fn attention(row: &RequirementRow<'_>) -> Attention {
    if row.unexpected {
        Attention::Unexpected
    } else if row.verdict == EffectiveVerdict::ExpectedFailure {
        Attention::Expected
    } else {
        Attention::Advisory
    }
}
