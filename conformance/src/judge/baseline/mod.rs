//! Baselines: the failures that are expected of an implementation.
//!
//! A failure without an entry is unexpected. An entry whose failure no longer occurs is stale. A baseline
//! decides whether a run has the expected result; it does not hide failures from reports.

mod update;

use serde::{Deserialize, Deserializer, de};

pub use self::update::updated;
use crate::{
    cases::pattern::Pattern,
    implementations::Implementation,
    judge::{Finding, Verdict, run_file::Run},
};

/// The failures that are expected of an implementation.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The entries of the file.
    #[serde(default, rename = "expected-failure")]
    pub entries: Vec<ExpectedFailure>,
}

/// One expected failure.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFailure {
    /// The requirement that fails.
    pub requirement: String,
    /// The verdict of the failure.
    pub verdict: Verdict,
    /// Whether the failure is intermittent, for example because it depends on the load of the machine. Such an entry is never stale.
    #[serde(default)]
    pub sometimes: bool,
    /// A pattern for the ids of the cases that fail; all cases if absent.
    #[serde(default)]
    pub cases: Option<Pattern>,
    /// What the implementation does instead, and where that was reported.
    #[serde(deserialize_with = "reason")]
    pub reason: String,
}

fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let reason = String::deserialize(from)?;
    if reason.trim().is_empty() {
        Err(de::Error::custom(
            "an entry has an empty reason; expected what the implementation does instead",
        ))
    } else {
        Ok(reason)
    }
}

/// How a run compares with a baseline.
#[derive(Debug, Default)]
pub struct Assessment<'a> {
    /// Failures without an entry, with the ids of their cases.
    pub unexpected: Vec<(String, &'a Finding)>,
    /// Failures with an entry, with the ids of their cases.
    pub expected: Vec<(String, &'a Finding, &'a ExpectedFailure)>,
    /// Entries whose requirement was judged and whose failure did not occur.
    pub stale: Vec<&'a ExpectedFailure>,
}

/// The `baseline.toml` of an implementation does not parse.
#[derive(Debug, thiserror::Error)]
#[error("baseline.toml of {name}: {source}")]
pub struct BaselineError {
    /// The name of the implementation.
    name: String,
    /// What the parser found.
    source: Box<toml::de::Error>,
}

impl Baseline {
    /// The baseline of an implementation; empty if it has none.
    pub fn of(implementation: &Implementation) -> Result<Self, BaselineError> {
        implementation.baseline.as_deref().map_or_else(
            || Ok(Self::default()),
            |text| {
                Self::parse(text).map_err(|source| BaselineError {
                    name: implementation.name.clone(),
                    source: Box::new(source),
                })
            },
        )
    }

    /// Reads a `baseline.toml`.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Compares a run with the baseline. `failure` is the verdict with which a finding fails, if it does.
    pub fn assess<'a>(
        &'a self,
        run: &'a Run,
        failure: impl Fn(&Finding) -> Option<Verdict>,
    ) -> Assessment<'a> {
        let mut occurred = vec![false; self.entries.len()];
        let mut judged = vec![false; self.entries.len()];
        let mut assessment = Assessment::default();
        for (case_id, finding) in run.findings() {
            let failure = failure(finding);
            let verdict = failure.unwrap_or(finding.verdict);
            let mut expected = None;
            for (index, entry) in self.entries.iter().enumerate() {
                if !entry.concerns(&case_id, finding) {
                    continue;
                }
                judged[index] |= shows_absence(finding.verdict);
                if entry.verdict == verdict {
                    occurred[index] = true;
                    expected = expected.or(Some(entry));
                }
            }
            match (failure, expected) {
                (Some(_), Some(entry)) => assessment.expected.push((case_id, finding, entry)),
                (Some(_), None) => assessment.unexpected.push((case_id, finding)),
                (None, _) => {}
            }
        }
        assessment.stale = self
            .entries
            .iter()
            .zip(judged.into_iter().zip(occurred))
            .filter(|(entry, (judged, occurred))| *judged && !occurred && !entry.sometimes)
            .map(|(entry, _)| entry)
            .collect();
        assessment
    }
}

/// Whether a finding with this verdict can show that a failure no longer occurs.
const fn shows_absence(verdict: Verdict) -> bool {
    match verdict {
        Verdict::NotApplicable
        | Verdict::Skip
        | Verdict::Inconclusive
        | Verdict::Untestable
        | Verdict::Error => false,
        Verdict::Pass | Verdict::Info | Verdict::NonStrict | Verdict::Warn | Verdict::Fail => true,
    }
}

impl ExpectedFailure {
    /// Whether the entry is about this finding of a case, with any verdict.
    fn concerns(&self, case_id: &str, finding: &Finding) -> bool {
        self.requirement == finding.requirement
            && self.cases.as_ref().is_none_or(|cases| cases.matches(case_id))
    }
}

#[cfg(test)]
mod tests;
