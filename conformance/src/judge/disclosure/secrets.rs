//! Collects the secrets of cases and finds them in texts.

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    Disclosure, Part,
    captured::parts_of_arrival,
    index::{Index, Occurrence, Wanted},
    table::{Location, SecretClass},
};
use crate::{
    cases::{deployment::Deployment, token_script::TokenScript},
    trace::{Secret, SecretKind, Trace, all_headers},
};

const SESSION_ID: &str = "mcp-session-id";

/// What a secret is, independent of any request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SecretOrigin {
    GatewayKey,
    AdmissionBearer,
    CallersToken,
    StaticToken,
    MintedToken,
    ClientSecret,
    /// The id of a session that this upstream server opened.
    UpstreamSession(String),
    /// The id of a session that the gateway opened for its client.
    ClientSession,
}

impl SecretOrigin {
    fn of_secret(secret: &Secret, deployment: &Deployment) -> Self {
        match secret.kind {
            SecretKind::GatewayKey if secret.value == signature(deployment) => {
                Self::AdmissionBearer
            }
            SecretKind::GatewayKey => Self::GatewayKey,
            SecretKind::UpstreamToken => Self::CallersToken,
            SecretKind::StaticToken => Self::StaticToken,
            SecretKind::MintedToken => Self::MintedToken,
            SecretKind::ClientSecret => Self::ClientSecret,
        }
    }

    /// The class of the secret if it is not related to a request.
    pub(super) fn class(&self) -> SecretClass {
        match self {
            Self::GatewayKey => SecretClass::GatewayKey,
            Self::AdmissionBearer => SecretClass::AdmissionBearer,
            Self::CallersToken => SecretClass::CallersToken,
            Self::StaticToken => SecretClass::StaticToken,
            Self::MintedToken => SecretClass::MintedToken,
            Self::ClientSecret => SecretClass::ClientSecret,
            Self::UpstreamSession(_) => SecretClass::Session,
            Self::ClientSession => SecretClass::ClientSession,
        }
    }
}

/// The secrets of one or several cases, ready to be searched for.
#[derive(Debug)]
pub struct Secrets {
    index: Index,
    origins: Vec<(String, SecretOrigin)>,
}

impl Secrets {
    /// Collects the secrets of these cases, each once.
    #[must_use]
    pub fn collect<'a>(
        deployment: &Deployment,
        traces: impl IntoIterator<Item = &'a Trace>,
    ) -> Self {
        let mut all: BTreeSet<(Cow<'a, str>, SecretOrigin)> = BTreeSet::new();
        for trace in traces {
            all.extend(trace.secrets.iter().map(|secret| {
                (Cow::Borrowed(&*secret.value), SecretOrigin::of_secret(secret, deployment))
            }));
            all.extend(session_ids(trace));
            all.extend(
                foreign_canaries(trace)
                    .map(|canary| (Cow::Owned(canary), SecretOrigin::CallersToken)),
            );
        }
        let mut origins: Vec<(String, SecretOrigin)> =
            all.into_iter().map(|(value, origin)| (value.into_owned(), origin)).collect();
        origins.dedup_by(|one, other| one.0 == other.0);
        let tails: Vec<String> = origins
            .iter()
            .map(|(value, origin)| match origin {
                SecretOrigin::CallersToken => TokenScript::tail(value),
                _ => String::new(),
            })
            .collect();
        let wanted = origins.iter().zip(&tails).map(|((value, origin), tail)| Wanted {
            value,
            is_random: *origin != SecretOrigin::ClientSession,
            tail,
        });
        Self { index: Index::new(wanted), origins }
    }

    /// The disclosures in a text that operators read.
    #[must_use]
    pub fn disclosed_to_operator(&self, location: Location, text: &str) -> Vec<Disclosure> {
        let disclosure = |occurrence: &Occurrence| {
            let class = self.origin(occurrence).class();
            Disclosure::of_occurrence(location, None, class, Part::BODY, occurrence)
        };
        self.occurrences(text).iter().filter_map(disclosure).collect()
    }

    /// The classes of the secrets in a text, independent of who reads it.
    #[must_use]
    pub fn classes_in(&self, text: &str) -> BTreeSet<SecretClass> {
        self.occurrences(text)
            .iter()
            .map(|occurrence| self.origin(occurrence).class())
            .collect()
    }

    pub(super) fn occurrences(&self, text: &str) -> Vec<Occurrence> {
        self.index.find(text)
    }

    pub(super) fn value(&self, occurrence: &Occurrence) -> &str {
        &self.origins[occurrence.secret].0
    }

    pub(super) fn origin(&self, occurrence: &Occurrence) -> &SecretOrigin {
        &self.origins[occurrence.secret].1
    }
}

/// The session ids of a trace. An id that no upstream server issued is one of the gateway's.
fn session_ids(trace: &Trace) -> Vec<(Cow<'_, str>, SecretOrigin)> {
    let mut ids = Vec::new();
    let mut issued: BTreeSet<&str> = BTreeSet::new();
    for arrival in &trace.arrivals {
        for id in arrival.session_issued.iter().chain(&arrival.session_ended) {
            issued.insert(id);
            let origin = SecretOrigin::UpstreamSession(arrival.server.clone());
            ids.push((Cow::Borrowed(id.as_str()), origin));
        }
    }
    let to_client = trace
        .exchanges
        .iter()
        .flat_map(|exchange| all_headers(&exchange.headers, SESSION_ID))
        .filter(|id| !issued.contains(id));
    ids.extend(to_client.map(|id| (Cow::Borrowed(id), SecretOrigin::ClientSession)));
    ids
}

/// The signature of the admission bearer, the only random part of it.
fn signature(deployment: &Deployment) -> &str {
    deployment.admission_bearer.rsplit('.').next().unwrap_or_default()
}

/// Canaries of tokens that upstreams received and that do not belong to this case.
fn foreign_canaries(trace: &Trace) -> impl Iterator<Item = String> + '_ {
    let is_known = |canary: &str| {
        trace.secrets.iter().any(|secret| secret.value == canary)
            || canary == TokenScript::FOLLOWED_URL_CANARY
    };
    trace
        .arrivals
        .iter()
        .flat_map(parts_of_arrival)
        .filter_map(|(_, text)| TokenScript::find(text))
        .map(|script| script.canary)
        .filter(move |canary| !is_known(canary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::case::Case;

    fn trace(case: &Case, deployment: &Deployment) -> Trace {
        Trace {
            case: case.id.clone(),
            exchanges: Vec::new(),
            arrivals: Vec::new(),
            connections_without_request: Vec::new(),
            secrets: case.secrets(deployment),
        }
    }

    fn deployment() -> Deployment {
        Deployment {
            admission_bearer: "eyJhbGciOiJSUzI1NiJ9.e30.qX2n8Lr5vT9wYb3k".into(),
            ..Deployment::default()
        }
    }

    #[test]
    fn secrets_of_1200_cases_are_not_confused() {
        let deployment = deployment();
        let cases: Vec<Case> = (0..1_200).map(|number| Case::new(7, number)).collect();
        let (some, others) = cases.split_at(600);
        let traces: Vec<Trace> = some.iter().map(|case| trace(case, &deployment)).collect();
        let secrets = Secrets::collect(&deployment, &traces);
        let orders = [
            ("alpha".to_owned(), "401-full+oauth".to_owned()),
            ("beta".to_owned(), "200-json".to_owned()),
        ];
        let tokens = |case: &Case| {
            [
                case.script(&orders).token(),
                case.second_caller_script(&orders).token(),
                case.wrong_key.clone(),
            ]
        };
        let in_log = |text: &str| secrets.disclosed_to_operator(Location::Log, text);
        for token in others.iter().flat_map(tokens) {
            assert_eq!(in_log(&token), [], "{token}");
        }
        for case in some {
            let found: Vec<usize> = tokens(case).iter().map(|token| in_log(token).len()).collect();
            assert_eq!(found, [1, 1, 1], "{}", case.id);
            let token = case.script(&orders).token();
            assert_eq!(in_log(&token[token.len() - 8..]).len(), 1, "{token}");
            let partial = in_log(&token[..10]);
            assert_eq!(
                partial.iter().map(ToString::to_string).collect::<Vec<_>>(),
                ["caller's token in the log, 10 of its characters"]
            );
        }
    }

    #[test]
    fn constant_text_around_secrets_is_not_a_disclosure() {
        let deployment = deployment();
        let case = Case::new(7, 1);
        let secrets = Secrets::collect(&deployment, [&trace(&case, &deployment)]);
        for text in [
            "Bearer sk-…",
            "authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.…",
            ".pf1.c1.401-full+oauth",
            "x-litellm-api-key: sk-a1b2c3d4",
        ] {
            assert_eq!(secrets.disclosed_to_operator(Location::Log, text), [], "{text}");
        }
    }
}
