//! Says how each finding stands once the baseline has been asked: unexpected, known, merely recommended, or just what it says.
//!
//! Every report but the terminal's speaks in these words, so that no two of them count differently.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalogue::{Catalogue, Requirement},
    judge::{
        Finding, Verdict,
        baseline::{Assessment, ExpectedFailure},
        run_file::Run,
        summary::{RequirementVerdict, verdicts},
    },
};

/// How a finding, a case or a requirement stands. Ordered from harmless to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectiveVerdict {
    /// Nothing was judged, or it belongs to another profile.
    NotApplicable,
    /// It needs a feature that is not declared.
    Skip,
    /// This case says nothing.
    Inconclusive,
    /// Met.
    Pass,
    /// A permission that was not made use of.
    Info,
    /// Not wrong, and not what was asked for.
    NonStrict,
    /// A SHOULD that is not met.
    Warn,
    /// Not met, and only recommended to this implementation.
    Recommended,
    /// Not met, as the baseline knows.
    ExpectedFailure,
    /// There is no telling.
    Untestable,
    /// Not met.
    Fail,
    /// The suite itself failed.
    Error,
}

impl EffectiveVerdict {
    /// Every standing, the gravest last.
    pub const ALL: [Self; 12] = [
        Self::NotApplicable,
        Self::Skip,
        Self::Inconclusive,
        Self::Pass,
        Self::Info,
        Self::NonStrict,
        Self::Warn,
        Self::Recommended,
        Self::ExpectedFailure,
        Self::Untestable,
        Self::Fail,
        Self::Error,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Skip => "skip",
            Self::Inconclusive => "inconclusive",
            Self::Pass => "pass",
            Self::Info => "info",
            Self::NonStrict => "non-strict",
            Self::Warn => "warn",
            Self::Recommended => "recommended",
            Self::ExpectedFailure => "known",
            Self::Untestable => "untestable",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }

    const fn of(verdict: Verdict) -> Self {
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

/// One requirement, with everything that a report says in its row.
pub struct Row<'a> {
    /// What the run says about it.
    pub verdict: RequirementVerdict,
    /// How that stands.
    pub standing: EffectiveVerdict,
    /// Whether it makes the run come out other than expected.
    pub unexpected: bool,
    /// The baseline's reason, where it knows a failure.
    pub known: Option<&'a ExpectedFailure>,
}

impl Row<'_> {
    /// The family of the id: `STA` of `STA-05`.
    pub fn family(&self) -> &str {
        self.verdict.id.split('-').next().unwrap_or(&self.verdict.id)
    }

    /// What is required.
    pub fn statement(&self) -> &'static str {
        Catalogue::embedded()
            .get(&self.verdict.id)
            .map_or("", |requirement| requirement.statement.as_str())
    }

    /// Whether any case was judged.
    pub fn judged(&self) -> bool {
        !self.verdict.counts.is_empty()
    }
}

/// How the findings of one run stand.
pub struct EffectiveVerdicts<'a> {
    unexpected: BTreeSet<Key<'a>>,
    known: BTreeMap<Key<'a>, &'a ExpectedFailure>,
    ours: bool,
}

/// What tells one finding of a case from another.
type Key<'a> = (String, &'a str, &'a str, &'a str);

fn key<'a>(about: &str, finding: &'a Finding) -> Key<'a> {
    (about.to_owned(), &finding.requirement, &finding.rule, &finding.observable)
}

impl<'a> EffectiveVerdicts<'a> {
    /// The effective verdicts of a run that was compared with a baseline.
    #[must_use]
    pub fn new(run: &'a Run, assessment: &'a Assessment<'a>) -> Self {
        Self {
            unexpected: assessment
                .unexpected
                .iter()
                .map(|(about, finding)| key(about, finding))
                .collect(),
            known: assessment
                .known
                .iter()
                .map(|(about, finding, known)| (key(about, finding), *known))
                .collect(),
            ours: run.header.ours,
        }
    }

    /// How one finding about a matrix case or scenario stands.
    pub fn of(&self, about: &str, finding: &Finding) -> EffectiveVerdict {
        let key = key(about, finding);
        let core = self.ours
            || Catalogue::embedded().get(&finding.requirement).is_none_or(Requirement::core);
        if self.known.contains_key(&key) {
            EffectiveVerdict::ExpectedFailure
        } else if finding.verdict == Verdict::Inconclusive && self.unexpected.contains(&key) {
            EffectiveVerdict::Untestable
        } else if finding.verdict.is_red() && !core {
            EffectiveVerdict::Recommended
        } else {
            EffectiveVerdict::of(finding.verdict)
        }
    }

    /// How a case stands: as its gravest finding does. `None` where no rule speaks of it.
    pub fn of_all<'f>(
        &self,
        about: &str,
        findings: impl IntoIterator<Item = &'f Finding>,
    ) -> Option<EffectiveVerdict> {
        findings.into_iter().map(|finding| self.of(about, finding)).max()
    }

    /// Every requirement of the catalogue, in its order.
    pub fn rows(&self, run: &Run) -> Vec<Row<'a>> {
        let mut gravest: BTreeMap<&str, EffectiveVerdict> = BTreeMap::new();
        for (about, finding) in run.findings() {
            let standing = self.of(&about, finding);
            let so_far = gravest.entry(&finding.requirement).or_insert(standing);
            *so_far = standing.max(*so_far);
        }
        let row = |verdict: RequirementVerdict| {
            let silent = verdict.verdict == Verdict::Untestable && !verdict.core && !self.ours;
            let standing = match gravest.get(verdict.id.as_str()) {
                // Where no case says anything, there is no telling.
                Some(EffectiveVerdict::Inconclusive) if silent => EffectiveVerdict::Recommended,
                Some(standing) => *standing,
                None => EffectiveVerdict::of(verdict.verdict),
            };
            Row {
                standing,
                unexpected: self
                    .unexpected
                    .iter()
                    .any(|(_, requirement, ..)| *requirement == verdict.id),
                known: self
                    .known
                    .iter()
                    .find(|((_, requirement, ..), _)| *requirement == verdict.id)
                    .map(|(_, known)| *known),
                verdict,
            }
        };
        verdicts(run).into_iter().map(row).collect()
    }
}
