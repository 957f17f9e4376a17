//! Effective verdicts: the verdict of a finding after comparison with the baseline.
//!
//! A failure that the baseline expects becomes `expected-failure`. A failure of a requirement that
//! is only recommended to the implementation becomes `advisory`. Every report uses these verdicts,
//! so that no two reports count differently.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalogue::{Catalogue, GatewayTraits},
    judge::{
        Finding, Verdict,
        baseline::{Assessment, Entry},
        run_file::Run,
        summary::{RequirementVerdict, verdicts},
    },
};

/// The effective verdict of a finding, a case or a requirement. Ordered from harmless to severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectiveVerdict {
    /// Nothing was judged, or the requirement belongs to another profile.
    NotApplicable,
    /// The case needs a feature that the implementation does not declare.
    Skip,
    /// The case does not show whether the requirement is met.
    Inconclusive,
    /// The requirement is met.
    Pass,
    /// The implementation does not use a permission.
    Info,
    /// The value is not the expected one but is not wrong either.
    NonStrict,
    /// A SHOULD is not met.
    Warn,
    /// A requirement that is only recommended to this implementation is not met.
    Advisory,
    /// The requirement is not met, and the baseline expects that.
    ExpectedFailure,
    /// No case shows whether the requirement is met.
    Untestable,
    /// The requirement is not met.
    Fail,
    /// The suite itself failed.
    Error,
}

impl EffectiveVerdict {
    /// Every effective verdict, the most severe last.
    pub const ALL: [Self; 12] = [
        Self::NotApplicable,
        Self::Skip,
        Self::Inconclusive,
        Self::Pass,
        Self::Info,
        Self::NonStrict,
        Self::Warn,
        Self::Advisory,
        Self::ExpectedFailure,
        Self::Untestable,
        Self::Fail,
        Self::Error,
    ];

    /// The name that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Skip => "skip",
            Self::Inconclusive => "inconclusive",
            Self::Pass => "pass",
            Self::Info => "info",
            Self::NonStrict => "non-strict",
            Self::Warn => "warn",
            Self::Advisory => "advisory",
            Self::ExpectedFailure => "expected-failure",
            Self::Untestable => "untestable",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }

    /// What the verdict means, for `explain` and for reports.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::NotApplicable => Verdict::NotApplicable.description(),
            Self::Skip => Verdict::Skip.description(),
            Self::Inconclusive => Verdict::Inconclusive.description(),
            Self::Pass => Verdict::Pass.description(),
            Self::Info => Verdict::Info.description(),
            Self::NonStrict => Verdict::NonStrict.description(),
            Self::Warn => Verdict::Warn.description(),
            Self::Advisory => {
                "A requirement that is only recommended to this implementation is not met. It does \
                 not change the exit code."
            }
            Self::ExpectedFailure => {
                "The requirement is not met, and an entry of the baseline expects that. It does \
                 not change the exit code."
            }
            Self::Untestable => Verdict::Untestable.description(),
            Self::Fail => Verdict::Fail.description(),
            Self::Error => Verdict::Error.description(),
        }
    }

    const fn without_baseline(verdict: Verdict) -> Self {
        match verdict {
            Verdict::NotApplicable => Self::NotApplicable,
            Verdict::Skip => Self::Skip,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Pass => Self::Pass,
            Verdict::Info => Self::Info,
            Verdict::NonStrict => Self::NonStrict,
            Verdict::Warn => Self::Warn,
            Verdict::Untestable => Self::Untestable,
            Verdict::Fail => Self::Fail,
            Verdict::Error => Self::Error,
        }
    }
}

impl std::fmt::Display for EffectiveVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One requirement in a report.
pub struct RequirementRow<'a> {
    /// The requirement and the sum of its findings.
    pub summary: RequirementVerdict,
    /// The most severe effective verdict of its findings.
    pub verdict: EffectiveVerdict,
    /// Whether at least one of its findings is an unexpected failure.
    pub unexpected: bool,
    /// The baseline entries that expect a finding about it.
    pub expected_failures: Vec<Entry<'a>>,
}

impl RequirementRow<'_> {
    /// The reasons of the baseline entries, in one line; `None` if no entry expects a finding.
    pub fn reasons(&self) -> Option<String> {
        let reasons: Vec<&str> =
            self.expected_failures.iter().map(|entry| entry.reason()).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// The prefix of the id, which names the group: `STA` for `STA-05`.
    pub fn group(&self) -> &str {
        self.summary.id.split('-').next().unwrap_or(&self.summary.id)
    }

    /// The sentence of the catalogue.
    pub fn statement(&self) -> &'static str {
        Catalogue::embedded()
            .get(&self.summary.id)
            .map_or("", |requirement| requirement.statement.as_str())
    }

    /// Whether a case of the run judged it. A case that was skipped judges nothing.
    pub fn is_judged(&self) -> bool {
        self.summary.counts.keys().any(|verdict| *verdict > Verdict::Skip)
    }
}

/// The effective verdicts of one run.
pub struct EffectiveVerdicts<'a> {
    unexpected: BTreeSet<FindingKey<'a>>,
    expected: BTreeMap<FindingKey<'a>, Entry<'a>>,
    /// What decides which requirements bind the gateway.
    gateway: GatewayTraits,
}

/// Identifies a finding within a run: case id, requirement, rule and observable.
type FindingKey<'a> = (String, &'a str, &'a str, &'a str);

fn key<'a>(case_id: &str, finding: &'a Finding) -> FindingKey<'a> {
    (case_id.to_owned(), &finding.requirement, &finding.rule, &finding.observable)
}

impl<'a> EffectiveVerdicts<'a> {
    /// The effective verdicts of a run that was compared with a baseline.
    #[must_use]
    pub fn new(run: &'a Run, assessment: &'a Assessment<'a>) -> Self {
        Self {
            unexpected: assessment
                .unexpected
                .iter()
                .map(|(case_id, finding)| key(case_id, finding))
                .collect(),
            expected: assessment
                .expected
                .iter()
                .map(|(case_id, finding, entry)| (key(case_id, finding), *entry))
                .collect(),
            gateway: run.gateway_traits(),
        }
    }

    /// The effective verdict of one finding about a case.
    pub fn of_finding(&self, case_id: &str, finding: &Finding) -> EffectiveVerdict {
        let key = key(case_id, finding);
        let requirement = Catalogue::embedded().get(&finding.requirement);
        let decides = requirement.is_none_or(|requirement| requirement.decides(&self.gateway));
        if self.expected.contains_key(&key) {
            EffectiveVerdict::ExpectedFailure
        } else if finding.verdict == Verdict::Inconclusive && self.unexpected.contains(&key) {
            EffectiveVerdict::Untestable
        } else if finding.verdict.is_red() && !decides {
            EffectiveVerdict::Advisory
        } else {
            EffectiveVerdict::without_baseline(finding.verdict)
        }
    }

    /// The effective verdict of a case: the most severe one of its findings. `None` without
    /// findings.
    pub fn of_case<'f>(
        &self,
        case_id: &str,
        findings: impl IntoIterator<Item = &'f Finding>,
    ) -> Option<EffectiveVerdict> {
        findings.into_iter().map(|finding| self.of_finding(case_id, finding)).max()
    }

    /// A row for every requirement of the catalogue, in its order.
    pub fn rows(&self, run: &Run) -> Vec<RequirementRow<'a>> {
        let mut most_severe: BTreeMap<&str, EffectiveVerdict> = BTreeMap::new();
        for (case_id, finding) in run.findings() {
            let verdict = self.of_finding(&case_id, finding);
            let so_far = most_severe.entry(&finding.requirement).or_insert(verdict);
            *so_far = verdict.max(*so_far);
        }
        verdicts(run)
            .into_iter()
            .map(|summary| {
                let verdict = most_severe.get(summary.id.as_str()).copied();
                self.row(summary, verdict)
            })
            .collect()
    }

    fn row(
        &self,
        summary: RequirementVerdict,
        most_severe: Option<EffectiveVerdict>,
    ) -> RequirementRow<'a> {
        let untestable = summary.verdict == Verdict::Untestable;
        let verdict = match most_severe {
            // No case shows whether it is met, and it does not bind this implementation.
            Some(EffectiveVerdict::Inconclusive)
                if untestable && !summary.core && !self.gateway.ours =>
            {
                EffectiveVerdict::Advisory
            }
            Some(verdict) => verdict,
            None => EffectiveVerdict::without_baseline(summary.verdict),
        };
        let unexpected = self.unexpected.iter().any(|(_, id, ..)| *id == summary.id);
        let mut expected_failures: Vec<Entry<'a>> = Vec::new();
        for ((_, id, ..), entry) in &self.expected {
            if *id == summary.id && !expected_failures.iter().any(|known| known.is(*entry)) {
                expected_failures.push(*entry);
            }
        }
        RequirementRow { summary, verdict, unexpected, expected_failures }
    }
}
