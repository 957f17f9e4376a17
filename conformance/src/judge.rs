//! Holds a trace against what is expected of it, and says which requirements are met.
//!
//! Knows no rule and no requirement by name. A verdict needs evidence: what did not happen counts only where the positive control
//! shows that it would have been seen, and an answer counts only where an upstream had a say in it if the rule needs that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    catalogue::{Catalogue, Level, Requirement, Status, Strength},
    cell::Cell,
    matrix::Axes,
    observe::{Observable, Observation, Subject},
    rule::{Expectation, Need, RuleBook},
    taint,
};

/// What became of one expectation. Ordered from harmless to grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The requirement belongs to another profile, or says nothing of this case.
    NotApplicable,
    /// It needs an optional feature that the implementation does not declare.
    Skip,
    /// This case says nothing, because the upstream was never asked; another may.
    Inconclusive,
    /// Met.
    Pass,
    /// A permission that was not made use of.
    Info,
    /// Not wrong, and not what was asked for.
    NonStrict,
    /// A SHOULD that is not met.
    Warn,
    /// There is no telling: evidence is missing.
    Untestable,
    /// A MUST that is not met.
    Fail,
    /// The suite itself failed.
    Error,
}

impl Verdict {
    /// Every verdict, the gravest last.
    pub const ALL: [Self; 10] = [
        Self::NotApplicable,
        Self::Skip,
        Self::Inconclusive,
        Self::Pass,
        Self::Info,
        Self::NonStrict,
        Self::Warn,
        Self::Untestable,
        Self::Fail,
        Self::Error,
    ];

    /// The verdict as reports and run files spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            Self::Skip => "skip",
            Self::Inconclusive => "inconclusive",
            Self::Pass => "pass",
            Self::Info => "info",
            Self::NonStrict => "non-strict",
            Self::Warn => "warn",
            Self::Untestable => "untestable",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }

    /// Whether it turns a run red where the requirement is a core one.
    #[must_use]
    pub const fn is_red(self) -> bool {
        matches!(self, Self::Fail | Self::Untestable | Self::Error)
    }

    const fn of_miss(level: Level) -> Self {
        match level {
            Level::Must | Level::MustNot => Self::Fail,
            Level::Should | Level::ShouldNot => Self::Warn,
            Level::May => Self::Info,
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one rule says about one requirement and one observable of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The requirement.
    pub requirement: String,
    /// The rule or scenario.
    pub rule: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What was looked at.
    pub observable: String,
    /// What it should have said.
    pub expected: String,
    /// What it said, or why that is not known.
    pub seen: String,
}

/// Judges the trace of a cell by every rule that speaks of the cell, and by what holds of any case.
#[must_use]
pub fn judge(rules: &RuleBook, cell: &Cell, subject: &Subject<'_>) -> Vec<Finding> {
    let missing = Axes::embedded().missing(cell, &subject.context.features);
    rules
        .of(cell)
        .flat_map(|rule| match missing {
            Some(feature) => skip(&rule.id, &rule.expectation, feature),
            None => judge_expectation(&rule.id, &rule.expectation, subject),
        })
        .chain(if missing.is_none() { taint::judge(subject) } else { Vec::new() })
        .collect()
}

/// The finding that nothing was expected to be seen, and something was.
#[must_use]
pub fn missed(
    requirement: &str,
    rule: &str,
    observable: &str,
    seen: &str,
    subject: &Subject<'_>,
) -> Option<Finding> {
    let found = Catalogue::embedded().get(requirement)?;
    let applies = found.applies_to(subject.context.profile, subject.era);
    Some(Finding {
        requirement: requirement.to_owned(),
        rule: rule.to_owned(),
        verdict: if applies {
            Verdict::of_miss(found.level)
        } else {
            Verdict::NotApplicable
        },
        observable: observable.to_owned(),
        expected: "nothing".to_owned(),
        seen: seen.to_owned(),
    })
}

/// The findings for an expectation that needs a feature which the implementation does not declare.
#[must_use]
pub fn skip(id: &str, expectation: &Expectation, feature: &str) -> Vec<Finding> {
    let reason = format!("feature `{feature}` is not declared");
    of_requirements(id, expectation, |_| {
        (Verdict::Skip, String::new(), String::new(), reason.clone())
    })
}

/// Judges a trace by one expectation, of a rule or of a scenario.
#[must_use]
pub fn judge_expectation(
    id: &str,
    expectation: &Expectation,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    // How a start went is seen without a request.
    if subject.trace.exchanges.is_empty() && !expectation.expect.contains_key("start") {
        let reason = if subject.context.refused {
            "it did not start as the case has it configured"
        } else {
            "no request was sent"
        };
        return of_requirements(id, expectation, |_| {
            (Verdict::Error, String::new(), String::new(), reason.to_owned())
        });
    }
    for (name, pattern) in &expectation.given {
        match look(name, subject) {
            Observation::Seen(seen) if pattern.matches(&seen) => {}
            Observation::Seen(_) | Observation::NotApplicable => return Vec::new(),
            Observation::Unknown(reason) => {
                return of_requirements(id, expectation, |_| {
                    (Verdict::Untestable, name.clone(), pattern.to_string(), reason.to_owned())
                });
            }
        }
    }
    let without_upstream = expectation.needs.contains(&Need::Upstream)
        && look("saw", subject) == Observation::Seen("nothing".to_owned());
    let mut findings = Vec::new();
    for (name, pattern) in &expectation.expect {
        let graded = expectation.non_strict.get(name);
        let observation = look(name, subject);
        let (outcome, seen) = match &observation {
            Observation::NotApplicable => continue,
            Observation::Unknown(_) => (Outcome::Unknown, observation.to_string()),
            Observation::Seen(seen) if without_upstream => {
                (Outcome::Mute, format!("{seen}, and the upstream was never asked"))
            }
            Observation::Seen(seen) if pattern.matches(seen) => {
                let absence = Observable::find(name).and_then(|observable| observable.absence);
                if absence == Some(seen.as_str()) && !subject.context.control {
                    (Outcome::Unknown, format!("{seen}, and the positive control failed"))
                } else {
                    (Outcome::Met, seen.clone())
                }
            }
            Observation::Seen(seen) if graded.is_some_and(|graded| graded.matches(seen)) => {
                (Outcome::Nearly, seen.clone())
            }
            Observation::Seen(seen) => (Outcome::Missed, seen.clone()),
        };
        findings.extend(of_requirements(id, expectation, |requirement| {
            (
                outcome.verdict(requirement.level),
                name.clone(),
                pattern.to_string(),
                seen.clone(),
            )
        }));
    }
    for finding in &mut findings {
        let applies = Catalogue::embedded()
            .get(&finding.requirement)
            .is_none_or(|found| found.applies_to(subject.context.profile, subject.era));
        if !applies {
            finding.verdict = Verdict::NotApplicable;
        }
    }
    findings
}

#[derive(Clone, Copy)]
enum Outcome {
    Met,
    Nearly,
    Missed,
    Mute,
    Unknown,
}

impl Outcome {
    const fn verdict(self, level: Level) -> Verdict {
        match self {
            Self::Met => Verdict::Pass,
            Self::Nearly => Verdict::NonStrict,
            Self::Missed => Verdict::of_miss(level),
            Self::Mute => Verdict::Inconclusive,
            Self::Unknown => Verdict::Untestable,
        }
    }
}

fn look(name: &str, subject: &Subject<'_>) -> Observation {
    Observable::find(name).map_or(Observation::Unknown("no such observable"), |observable| {
        observable.look(subject)
    })
}

fn of_requirements(
    id: &str,
    expectation: &Expectation,
    say: impl Fn(&Requirement) -> (Verdict, String, String, String),
) -> Vec<Finding> {
    let finding = |requirement: &Requirement| {
        let (verdict, observable, expected, seen) = say(requirement);
        Finding {
            requirement: requirement.id.clone(),
            rule: id.to_owned(),
            verdict,
            observable,
            expected,
            seen,
        }
    };
    expectation
        .requires
        .iter()
        .filter_map(|id| Catalogue::embedded().get(id))
        .map(finding)
        .collect()
}

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

#[cfg(test)]
mod tests;
