//! Compares the observations of a case with one expectation, of a rule or of a scenario.

use super::{
    Finding, Verdict,
    observables::{Observable, Observation, Subject},
};
use crate::{
    cases::rule::{Expectation, Need},
    catalogue::{Catalogue, Level, Requirement},
};

/// The findings for an expectation that needs a feature which the implementation does not declare.
#[must_use]
pub(super) fn skip(id: &str, expectation: &Expectation, feature: &str) -> Vec<Finding> {
    let reason = format!("feature `{feature}` is not declared");
    of_requirements(id, expectation, |_| {
        (Verdict::Skip, String::new(), String::new(), reason.clone())
    })
}

/// Judges a trace by one expectation, of a rule or of a scenario.
#[must_use]
pub(super) fn judge_expectation(
    id: &str,
    expectation: &Expectation,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    // How a start went is seen without a request.
    if subject.trace.exchanges.is_empty() && !expectation.expect.contains_key("start-outcome") {
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
        && look("upstream-credential", subject) == Observation::Seen("no-request".to_owned());
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
        let applies = Catalogue::embedded().get(&finding.requirement).is_none_or(|found| {
            found.applies_to(subject.context.profile, subject.protocol_version)
        });
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
        let (verdict, observable, expected, actual) = say(requirement);
        Finding {
            requirement: requirement.id.clone(),
            rule: id.to_owned(),
            verdict,
            observable,
            expected,
            actual,
        }
    };
    expectation
        .requires
        .iter()
        .filter_map(|id| Catalogue::embedded().get(id))
        .map(finding)
        .collect()
}
