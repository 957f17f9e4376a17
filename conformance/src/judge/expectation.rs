//! Judges a case by one expectation of a rule or scenario.

use super::{
    Finding, Verdict, observables::Observable, observation::Observation, subject::Subject,
};
use crate::{
    cases::{
        axis::Method,
        expectation::{Expectation, Need},
    },
    catalogue::{Catalogue, Feature, Level, Requirement},
};

/// The findings of an expectation that needs a feature which the implementation does not declare.
#[must_use]
pub(super) fn skip(id: &str, expectation: &Expectation, feature: &str) -> Vec<Finding> {
    let reason = format!("feature `{feature}` is not declared");
    findings_without_observation(id, expectation, Verdict::Skip, &reason)
}

/// The findings of an expectation about a case that proves nothing, for this reason.
#[must_use]
pub(super) fn inconclusive(
    id: &str,
    expectation: &Expectation,
    reason: &str,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let mut findings = findings_without_observation(id, expectation, Verdict::Inconclusive, reason);
    for finding in &mut findings {
        finding.limit_to_applicable(subject.context.profile, subject.protocol_version);
    }
    findings
}

/// The findings of an expectation in a case. Empty if the expectation is not for the gateway or for
/// the profile of the case, or if one of its `given` conditions does not hold.
#[must_use]
pub(super) fn judge_expectation(
    id: &str,
    expectation: &Expectation,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let profiles = &expectation.profiles;
    if !profiles.is_empty() && !profiles.contains(&subject.context.profile) {
        return Vec::new();
    }
    let gateway = subject.context.gateway_traits();
    let judged = &expectation.only_for;
    if !judged.is_empty() && !judged.iter().any(|condition| condition.holds(&gateway)) {
        return Vec::new();
    }
    let declared = &subject.context.features;
    if let Some(feature) =
        expectation.features.iter().find(|feature| !declared.contains(feature.as_str()))
    {
        return skip(id, expectation, feature.as_str());
    }
    // The start of an implementation is observed without a request.
    if subject.trace.exchanges.is_empty() && !expectation.expect.contains_key("start-outcome") {
        let (verdict, reason) = if subject.context.refused {
            (Verdict::Untestable, refused_start(&subject.context.output))
        } else {
            (Verdict::Error, "no request was sent".to_owned())
        };
        return findings_without_observation(id, expectation, verdict, &reason);
    }
    for (name, pattern) in &expectation.given {
        match observe(name, subject) {
            Observation::Value(value) if pattern.matches(&value) => {}
            Observation::Value(_) | Observation::NotApplicable => return Vec::new(),
            Observation::Unknown(reason) => {
                return findings_for_each_requirement(id, expectation, |_| Conclusion {
                    verdict: Verdict::Untestable,
                    observable: name.clone(),
                    expected: pattern.to_string(),
                    actual: reason.to_owned(),
                });
            }
        }
    }
    let mut findings = Vec::new();
    for (name, pattern) in &expectation.expect {
        let Some((comparison, actual)) = compare(name, expectation, subject) else {
            continue;
        };
        findings.extend(findings_for_each_requirement(id, expectation, |requirement| Conclusion {
            verdict: comparison.verdict(expectation.level.unwrap_or(requirement.level)),
            observable: name.clone(),
            expected: pattern.to_string(),
            actual: actual.clone(),
        }));
    }
    for finding in &mut findings {
        finding.limit_to_applicable(subject.context.profile, subject.protocol_version);
    }
    findings
}

/// How an observation compares with an expectation.
#[derive(Clone, Copy)]
enum Comparison {
    /// It has an expected value.
    Expected,
    /// It has a value that the expectation tolerates.
    Tolerated,
    /// It has another value.
    Unexpected,
    /// The expectation needs a request to the upstream, and there was none.
    NoUpstreamRequest,
    /// The evidence is missing.
    NoEvidence,
}

impl Comparison {
    const fn verdict(self, level: Level) -> Verdict {
        match self {
            Self::Expected => Verdict::Pass,
            Self::Tolerated => Verdict::NonStrict,
            Self::Unexpected => Verdict::of_violation(level),
            Self::NoUpstreamRequest => Verdict::Inconclusive,
            Self::NoEvidence => Verdict::Untestable,
        }
    }
}

/// Compares one observation with an expectation, and describes it. `None` if the observable does
/// not apply.
fn compare(
    name: &str,
    expectation: &Expectation,
    subject: &Subject<'_>,
) -> Option<(Comparison, String)> {
    let value = match observe(name, subject) {
        Observation::NotApplicable => return None,
        unknown @ Observation::Unknown(_) => {
            return Some((Comparison::NoEvidence, unknown.to_string()));
        }
        Observation::Value(value) => value,
    };
    if lacks_upstream_request(expectation, subject) {
        let actual = format!("{value}, and the upstream received no request");
        return Some((Comparison::NoUpstreamRequest, actual));
    }
    let is_tolerated =
        || expectation.non_strict.get(name).is_some_and(|pattern| pattern.matches(&value));
    if expectation.expect.get(name).is_some_and(|pattern| pattern.matches(&value)) {
        let absence = Observable::find(name).and_then(|observable| observable.absence);
        if absence == Some(value.as_str()) && !subject.context.control {
            let actual = format!("{value}, and the positive control failed");
            return Some((Comparison::NoEvidence, actual));
        }
        Some((Comparison::Expected, value))
    } else if is_tolerated() {
        Some((Comparison::Tolerated, value))
    } else {
        Some((Comparison::Unexpected, value))
    }
}

fn lacks_upstream_request(expectation: &Expectation, subject: &Subject<'_>) -> bool {
    expectation.needs.iter().any(|need| match need {
        Need::Upstream => true,
        Need::Forwarding => can_be_answered_by_gateway(subject),
    }) && observe("upstream-credential", subject) == Observation::Value("no-request".to_owned())
}

/// Whether a gateway of this kind may answer the message of the case without its server.
///
/// The requests to a server that cannot be reached are not recorded, so their absence proves
/// nothing about a request with an id.
fn can_be_answered_by_gateway(subject: &Subject<'_>) -> bool {
    let probes = subject.context.features.contains(Feature::PreflightProbe.as_str());
    let Some(matrix_case) = subject.matrix_case.filter(|_| !probes) else {
        return false;
    };
    match matrix_case.method {
        Method::Notification | Method::Get | Method::Delete | Method::Listen => true,
        Method::Initialize | Method::Discover | Method::ToolsList => {
            let behaviour = subject.behaviour();
            behaviour.is_some_and(|behaviour| behaviour.server().is_none())
        }
        _ => false,
    }
}

fn observe(name: &str, subject: &Subject<'_>) -> Observation {
    match Observable::find(name) {
        Some(observable) => observable.observe(subject),
        None => Observation::Unknown("no such observable"),
    }
}

/// The parts of a finding that depend on the observation.
struct Conclusion {
    verdict: Verdict,
    observable: String,
    expected: String,
    actual: String,
}

/// Why a case with a configuration of its own could not run: the first line of the error, which is
/// the cause, and the name of the log.
fn refused_start(error: &str) -> String {
    let mut lines = error.lines();
    let cause = lines.next().unwrap_or_default();
    let log = lines.find(|line| line.starts_with("log: "));
    let log = log.map(|log| format!("; {log}")).unwrap_or_default();
    format!("the implementation did not start with the configuration of the case: {cause}{log}")
}

fn findings_without_observation(
    id: &str,
    expectation: &Expectation,
    verdict: Verdict,
    reason: &str,
) -> Vec<Finding> {
    findings_for_each_requirement(id, expectation, |_| Conclusion {
        verdict,
        observable: String::new(),
        expected: String::new(),
        actual: reason.to_owned(),
    })
}

fn findings_for_each_requirement(
    id: &str,
    expectation: &Expectation,
    conclusion: impl Fn(&Requirement) -> Conclusion,
) -> Vec<Finding> {
    let finding = |requirement: &Requirement| {
        let Conclusion { verdict, observable, expected, actual } = conclusion(requirement);
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
