//! What a gateway did wrong in a case, without the details by which cases differ.

use crate::{
    cases::behaviour::Behaviours,
    judge::{Finding, Verdict, run_file::JudgedCase},
};

/// How far a request had come when the gateway deviated.
///
/// A deviation of an earlier phase can be the cause of a later one, but not the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The gateway sent something to an upstream server, or did not.
    UpstreamRequest,
    /// The gateway responded to the client.
    Response,
    /// A client followed the challenge of the response.
    FollowUp,
}

/// The observables of requests to upstream servers.
pub(super) const OF_UPSTREAM_REQUEST: [&str; 32] = [
    "upstream-credential",
    "other-servers-contacted",
    "redirect-target-contacted",
    "upstream-attempts",
    "forwarded-schemes",
    "server-specific-token",
    "upstream-authorization",
    "mcp-requests",
    "unrequested-servers",
    "forwarded-origin",
    "upstream-cancellation",
    "upstream-settled",
    "upstream-framing",
    "probes",
    "probe",
    "probe-target",
    "probe-form",
    "probe-marker",
    "probe-session",
    "probe-session-end",
    "probe-wait",
    "request-after-probe",
    "key-disclosure",
    "token-disclosure",
    "credential-disclosure",
    "unexpected-forwarded-fields",
    "query-token",
    "mirrored-fields",
    "servers-contacted",
    "repeated-upstream-requests",
    "protection-spaces-reached",
    "connections-per-exchange",
];

/// The observables of what a client reaches that follows a challenge.
pub(super) const OF_FOLLOW_UP: [&str; 2] = ["re-authorisation", "discovery"];

/// The observables that show how the response to the client differs from that of the upstream
/// server.
pub(super) const OF_OUTCOME: [&str; 7] = [
    "status",
    "all-statuses",
    "result",
    "rpc-error",
    "ending",
    "all-responses-complete",
    "retry-after",
];

/// The observables that show how a refusal differs from what a client can follow.
pub(super) const OF_CHALLENGE: [&str; 6] = [
    "challenge",
    "bearer-challenge",
    "challenge-name",
    "challenge-parameters",
    "resource-metadata",
    "authorization-uri",
];

/// How the upstream servers answered in a case: the gravest answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UpstreamAnswer {
    /// No upstream server received a request.
    NoRequest,
    /// The server of the case cannot be reached.
    Unreachable,
    /// Every answer was a success.
    Success,
    /// An answer was neither a success nor a refusal of the token.
    Failure,
    /// An answer was 403, and none was 401.
    Forbidden,
    /// An answer was 401.
    Unauthorized,
}

impl UpstreamAnswer {
    fn of(case: &JudgedCase<'_>) -> Self {
        let of_answer = |answered: &str| match answered.get(..3) {
            Some("401") => Self::Unauthorized,
            Some("403") => Self::Forbidden,
            Some(status) if status.starts_with('2') => Self::Success,
            _ => Self::Failure,
        };
        let answers = case.trace.arrivals.iter().map(|arrival| of_answer(&arrival.answered));
        let behaviour = case.matrix_case.and_then(|matrix_case| {
            let behaviours = Behaviours::embedded();
            behaviours.find(&matrix_case.upstream)
        });
        let without_answer = match behaviour {
            Some(behaviour) if behaviour.server().is_none() => Self::Unreachable,
            _ => Self::NoRequest,
        };
        answers.max().unwrap_or(without_answer)
    }

    const fn is_refusal(self) -> bool {
        matches!(self, Self::Forbidden | Self::Unauthorized)
    }
}

/// What a gateway did wrong in a case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deviation {
    /// The client received this response although the upstream servers answered otherwise.
    Outcome { upstream: UpstreamAnswer, client: String },
    /// An observable has this value.
    Value { observable: String, value: String },
    /// An observable has this value, which the rules tolerate.
    Tolerated { observable: String, value: String },
    /// The evidence is missing, for this reason.
    NoEvidence { reason: String },
}

impl Deviation {
    /// The deviation that a finding shows.
    pub(super) fn of(finding: &Finding, case: &JudgedCase<'_>) -> Self {
        let Finding { observable, actual, .. } = finding;
        if matches!(finding.verdict, Verdict::Untestable | Verdict::Inconclusive) {
            let reason = actual.rsplit(", and ").next().unwrap_or(actual);
            return Self::NoEvidence { reason: without_detail(reason).to_owned() };
        }
        if finding.verdict == Verdict::NonStrict {
            return Self::Tolerated {
                observable: observable.clone(),
                value: without_detail(actual).to_owned(),
            };
        }
        if OF_OUTCOME.contains(&observable.as_str()) {
            let statuses = (observable == "all-statuses").then_some(actual.as_str());
            return Self::outcome(case, statuses);
        }
        Self::Value {
            observable: observable.clone(),
            value: without_detail(actual).to_owned(),
        }
    }

    /// The outcome of a case. A list of statuses stands for the last one, if it is given.
    fn outcome(case: &JudgedCase<'_>, statuses: Option<&str>) -> Self {
        let status = || match case.trace.exchanges.last().map(|exchange| exchange.status) {
            Some(Some(status)) => status.to_string(),
            Some(None) | None => "none".to_owned(),
        };
        let client = statuses.map_or_else(status, str::to_owned);
        let is_success = client.split(',').all(|status| status.starts_with('2'));
        Self::Outcome {
            upstream: UpstreamAnswer::of(case),
            client: if is_success { "success".to_owned() } else { client },
        }
    }

    /// Whether a case shows the deviation, also where no rule judges it; `None` if the case does
    /// not record it.
    pub(super) fn is_shown_by(&self, case: &JudgedCase<'_>) -> Option<bool> {
        match self {
            Self::Outcome { .. } => Some(Self::outcome(case, None) == *self),
            Self::Value { observable, value } => {
                let of_finding = case.findings.iter().any(|finding| {
                    finding.observable == *observable && without_detail(&finding.actual) == value
                });
                if of_finding {
                    return Some(true);
                }
                let observed = case.observations.get(observable)?;
                Some(without_detail(observed) == value)
            }
            Self::Tolerated { .. } | Self::NoEvidence { .. } => Some(false),
        }
    }

    /// Whether it is a deviation that another one can cause.
    pub(super) const fn can_have_cause(&self) -> bool {
        matches!(self, Self::Outcome { .. } | Self::Value { .. })
    }

    /// Whether an upstream request deviates by a value that most cases have. Such a value is wrong
    /// only in some situations, so it does not identify a defect.
    pub(super) fn is_common(&self, cases: &[JudgedCase<'_>]) -> bool {
        let Self::Value { observable, value } = self else { return false };
        let observed = cases.iter().filter_map(|case| case.observations.get(observable));
        let (mut same, mut all) = (0, 0);
        for observed in observed {
            all += 1;
            same += usize::from(without_detail(observed) == value);
        }
        self.phase() == Phase::UpstreamRequest && same * 2 > all
    }

    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Outcome { .. } | Self::Tolerated { .. } | Self::NoEvidence { .. } => {
                Phase::Response
            }
            Self::Value { observable, value } => {
                let observable = observable.as_str();
                let is_sent_upstream = observable == "disclosed-secret" && value.contains(" to ");
                if is_sent_upstream || OF_UPSTREAM_REQUEST.contains(&observable) {
                    Phase::UpstreamRequest
                } else if OF_FOLLOW_UP.contains(&observable) {
                    Phase::FollowUp
                } else {
                    Phase::Response
                }
            }
        }
    }

    /// Whether it can mislead a client that follows the challenge of a refusal.
    pub(super) fn concerns_refusals(&self) -> bool {
        match self {
            Self::Outcome { upstream, .. } => upstream.is_refusal(),
            Self::Value { observable, .. } => OF_CHALLENGE.contains(&observable.as_str()),
            Self::Tolerated { .. } | Self::NoEvidence { .. } => false,
        }
    }
}

/// The observed value without the place at which it was found: `caller's token to beta` instead of
/// `caller's token to beta in authorization`.
fn without_detail(actual: &str) -> &str {
    let value = actual.split([':', ',']).next().unwrap_or(actual);
    match value.split_once(" to ") {
        Some(_) => value.split(" in ").next().unwrap_or(value),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::observables::Observable;

    #[test]
    fn every_named_observable_exists() {
        let named = OF_UPSTREAM_REQUEST
            .iter()
            .chain(&OF_FOLLOW_UP)
            .chain(&OF_OUTCOME)
            .chain(&OF_CHALLENGE);
        for name in named {
            assert!(Observable::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_place_of_a_disclosure_is_a_detail() {
        for (actual, value) in [
            ("caller's token to beta in authorization", "caller's token to beta"),
            ("caller's token in the log, its first 8 characters", "caller's token in the log"),
            ("non-ascii: www-authenticate", "non-ascii"),
            ("absent", "absent"),
        ] {
            assert_eq!(without_detail(actual), value);
        }
    }
}
