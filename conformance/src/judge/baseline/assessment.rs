//! How a run compares with a baseline.

use std::collections::BTreeMap;

use super::{Baseline, Entry, ExpectedDamage, Origin, shows_absence};
use crate::judge::{
    Finding, Verdict,
    run_file::{Damage, Run},
};

/// How a run compares with a baseline.
#[derive(Debug, Default)]
pub struct Assessment<'a> {
    /// Where the baseline comes from.
    pub origin: Origin,
    /// Failures without an entry, with the ids of their cases.
    pub unexpected: Vec<(String, &'a Finding)>,
    /// Failures with an entry, with the ids of their cases.
    pub expected: Vec<(String, &'a Finding, Entry<'a>)>,
    /// Damages without an entry.
    pub unexpected_damages: Vec<&'a Damage>,
    /// Damages with an entry.
    pub expected_damages: Vec<(&'a Damage, &'a ExpectedDamage)>,
    /// Entries whose cases were judged and whose failure or damage did not occur.
    pub stale: Vec<Entry<'a>>,
}

impl Baseline {
    /// Compares a run with the baseline. `failure` is the verdict with which a finding fails, if it
    /// does.
    pub fn assess<'a>(
        &'a self,
        run: &'a Run,
        failure: impl Fn(&Finding) -> Option<Verdict>,
    ) -> Assessment<'a> {
        let mut assessment = Assessment { origin: self.origin.clone(), ..Assessment::default() };
        self.assess_damages(run, &mut assessment);
        // The cases of expected damages, whose findings are untestable for that reason.
        let damaging: BTreeMap<&str, &ExpectedDamage> = assessment
            .expected_damages
            .iter()
            .flat_map(|(damage, entry)| {
                damage.matrix_cases.iter().map(|case_id| (case_id.as_str(), *entry))
            })
            .collect();
        let mut occurred = vec![false; self.expected_failure.len()];
        let mut judged = vec![false; self.expected_failure.len()];
        for (case_id, finding) in run.findings() {
            let failure = failure(finding);
            let verdict = failure.unwrap_or(finding.verdict);
            let mut expected = damaging
                .get(case_id.as_str())
                .filter(|_| verdict == Verdict::Untestable)
                .map(|entry| Entry::Damage(entry));
            for (index, entry) in self.expected_failure.iter().enumerate() {
                if !entry.concerns(&case_id, finding) {
                    continue;
                }
                judged[index] |= shows_absence(finding.verdict);
                if entry.expects(verdict, finding) {
                    occurred[index] = true;
                    expected = expected.or(Some(Entry::Failure(entry)));
                }
            }
            match (failure, expected) {
                (Some(_), Some(entry)) => assessment.expected.push((case_id, finding, entry)),
                (Some(_), None) => assessment.unexpected.push((case_id, finding)),
                (None, _) => {}
            }
        }
        let stale = self
            .expected_failure
            .iter()
            .zip(judged.into_iter().zip(occurred))
            .filter(|(entry, (judged, occurred))| *judged && !occurred && !entry.sometimes);
        assessment.stale.extend(stale.map(|(entry, _)| Entry::Failure(entry)));
        assessment
    }

    fn assess_damages<'a>(&'a self, run: &'a Run, assessment: &mut Assessment<'a>) {
        for damage in &run.damages {
            match self.expected_damage.iter().find(|entry| entry.expects(damage)) {
                Some(entry) => assessment.expected_damages.push((damage, entry)),
                None => assessment.unexpected_damages.push(damage),
            }
        }
        for entry in self.expected_damage.iter().filter(|entry| !entry.sometimes) {
            let occurred = run.damages.iter().any(|damage| entry.expects(damage));
            if !occurred && run.cases().any(|case| entry.cases.matches(&case.id)) {
                assessment.stale.push(Entry::Damage(entry));
            }
        }
    }
}
