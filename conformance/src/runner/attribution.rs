//! Decides whether the upstream requests in the trace of a case belong to the case.
//!
//! A request with the token of a case belongs to it. Any other request belongs to the case that has
//! the assignment of its server. That is a guess: the gateway may have sent it by itself, for
//! another case, or for the opening of the session. This module recognises when the guess is
//! uncertain. Such a case runs again alone, and only that run counts.

use std::{collections::BTreeSet, ops::Range};

use serde_json::Value;

use crate::{
    cases::{deployment::names, token_script::TokenScript},
    client::session::SESSION,
    trace::{Arrival, Exchange, Trace, all_headers, header},
};

/// Why it is uncertain that the upstream requests of a case belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// A request arrived before the client had sent one.
    BeforeRequest,
    /// A request without the token of the case arrived after the response to the client had ended.
    AfterResponse,
    /// A request carried a token that the client presented only when it opened the session.
    TokenOfOpening,
    /// A token-forwarding server received credentials that the client did not send as
    /// `Authorization`.
    OtherCredentials,
    /// An upstream session was opened although the client only ended its session.
    MessageOfOpening,
    /// A server of the case also received requests that belong to no case.
    RequestsOfNoCase,
}

impl Doubt {
    /// The reason, as a clause.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::BeforeRequest => "an upstream request arrived before the client had sent one",
            Self::AfterResponse => {
                "an upstream request without the token of the case arrived after the response"
            }
            Self::TokenOfOpening => {
                "an upstream request carried the token with which the session had been opened, and \
                 which the client did not present in the case"
            }
            Self::OtherCredentials => {
                "a token-forwarding server received credentials that the client did not send as \
                 `Authorization`"
            }
            Self::MessageOfOpening => {
                "an upstream session was opened although the client only ended its session"
            }
            Self::RequestsOfNoCase => {
                "the gateway also sends requests to the server that no case caused"
            }
        }
    }
}

/// What the attribution of a trace rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribution {
    /// Every upstream request belongs to the case.
    Certain,
    /// The requests to these servers belong to the case if the gateway sends them no requests by
    /// itself.
    Assumed(BTreeSet<String>),
    /// An upstream request may not belong to the case.
    Uncertain(Doubt),
}

impl Attribution {
    /// The doubt, if these servers received requests of no case.
    pub(super) fn doubt(&self, servers_with_other_requests: &BTreeSet<String>) -> Option<Doubt> {
        match self {
            Self::Certain => None,
            Self::Assumed(servers) => (!servers.is_disjoint(servers_with_other_requests))
                .then_some(Doubt::RequestsOfNoCase),
            Self::Uncertain(doubt) => Some(*doubt),
        }
    }
}

/// What the attribution of a trace rests on.
///
/// `client_time` is the time from the first request of the client to the end of its last response,
/// in milliseconds since the start of the mock upstreams. `own_sessions` are the upstream sessions
/// that were opened for the case.
pub(super) fn attribution(
    trace: &Trace,
    client_time: &Range<f64>,
    own_sessions: &BTreeSet<String>,
) -> Attribution {
    let mut assumed = BTreeSet::new();
    for arrival in &trace.arrivals {
        let doubt = match origin(arrival, trace, own_sessions) {
            _ if arrival.at_ms < client_time.start => Some(Doubt::BeforeRequest),
            _ if completes_opening(arrival, trace) => Some(Doubt::MessageOfOpening),
            Origin::Case => None,
            Origin::Opening => Some(Doubt::TokenOfOpening),
            Origin::Unknown if arrival.at_ms > client_time.end => Some(Doubt::AfterResponse),
            Origin::Unknown if has_other_credentials(arrival, trace) => {
                Some(Doubt::OtherCredentials)
            }
            Origin::Unknown => {
                assumed.insert(arrival.server.clone());
                None
            }
        };
        if let Some(doubt) = doubt {
            return Attribution::Uncertain(doubt);
        }
    }
    if assumed.is_empty() {
        Attribution::Certain
    } else {
        Attribution::Assumed(assumed)
    }
}

/// The requests of a trace that may not belong to its case.
pub(super) fn requests_of_unknown_origin(
    trace: &Trace,
    own_sessions: &BTreeSet<String>,
) -> Vec<Arrival> {
    let arrivals = trace.arrivals.iter();
    arrivals
        .filter(|arrival| matches!(origin(arrival, trace, own_sessions), Origin::Unknown))
        .cloned()
        .collect()
}

/// What an upstream request shows about its origin.
enum Origin {
    /// It carries something that only this case uses.
    Case,
    /// It carries a token of this case that the client did not present in the trace.
    Opening,
    /// Neither.
    Unknown,
}

fn origin(arrival: &Arrival, trace: &Trace, own_sessions: &BTreeSet<String>) -> Origin {
    if let Some(script) = script_in(arrival) {
        let is_presented = script.canary == TokenScript::FOLLOWED_URL_CANARY
            || trace.exchanges.iter().any(|exchange| presents(exchange, &script.canary));
        return if is_presented { Origin::Case } else { Origin::Opening };
    }
    let is_in_own_session =
        header(&arrival.headers, SESSION).is_some_and(|session| own_sessions.contains(session));
    if is_in_own_session || trace.exchanges.iter().any(|sent| has_message_of(arrival, sent)) {
        Origin::Case
    } else {
        Origin::Unknown
    }
}

/// Whether a request to a token-forwarding server carries an `Authorization` that the client did
/// not send.
///
/// Other servers receive a credential that the gateway is configured with.
fn has_other_credentials(arrival: &Arrival, trace: &Trace) -> bool {
    let is_sent = |value: &str| {
        trace
            .exchanges
            .iter()
            .flat_map(|exchange| all_headers(&exchange.sent_headers, "authorization"))
            .any(|sent| sent == value)
    };
    names::FORWARDING.contains(&arrival.server.as_str())
        && all_headers(&arrival.headers, "authorization").any(|value| !is_sent(value))
}

/// The first token script in any part of a request.
fn script_in(arrival: &Arrival) -> Option<TokenScript> {
    let fields = arrival.headers.iter().flat_map(|(name, value)| [value, name]);
    fields
        .chain([&arrival.target, &arrival.body])
        .find_map(|text| TokenScript::find(text))
}

/// Whether the client sent this text in any part of its request.
fn presents(exchange: &Exchange, text: &str) -> bool {
    exchange.path.contains(text)
        || exchange.sent_body.contains(text)
        || exchange.sent_headers.iter().any(|(_, value)| value.contains(text))
}

/// Whether a request completes the opening of an upstream session although the client only ended
/// its session. The opening of the client's session can cause it, also after the opening.
fn completes_opening(arrival: &Arrival, trace: &Trace) -> bool {
    arrival.rpc_method.as_deref() == Some("notifications/initialized")
        && trace.exchanges.iter().all(|exchange| exchange.method == "DELETE")
}

/// Whether a request repeats the message of the client. The client uses an id only in one case.
fn has_message_of(arrival: &Arrival, exchange: &Exchange) -> bool {
    let parts = |body: &str| -> Option<(Value, Value)> {
        let message: Value = serde_json::from_str(body).ok()?;
        Some((message.get("id")?.clone(), message.get("method")?.clone()))
    };
    parts(&arrival.body).is_some_and(|message| parts(&exchange.sent_body) == Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cases::token_script::CaseId,
        client::{Request, exchange_without_response},
    };

    const CLIENT_TIME: Range<f64> = 100.0..200.0;

    fn token(canary: &str) -> String {
        TokenScript::for_every_server(CaseId("c1".into()), "403-bare", canary.into()).token()
    }

    fn exchange(fields: &[(&str, &str)]) -> Exchange {
        exchange_without_response(&Request {
            method: "POST".into(),
            path: "/mcp/alpha".into(),
            headers: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.into(),
            raw: false,
        })
    }

    fn arrival(at_ms: f64, fields: &[(&str, &str)]) -> Arrival {
        Arrival {
            server: "alpha".into(),
            connection: 1,
            at_ms,
            method: "POST".into(),
            target: "/mcp".into(),
            headers: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: r#"{"jsonrpc":"2.0","id":7,"method":"initialize"}"#.into(),
            rpc_method: Some("initialize".into()),
            answered: "200".into(),
            session_issued: None,
            session_ended: None,
        }
    }

    fn attribution_of(exchange: Exchange, arrival: Arrival) -> Attribution {
        let trace = Trace {
            case: CaseId("c1".into()),
            exchanges: vec![exchange],
            arrivals: vec![arrival],
            secrets: Vec::new(),
            connections_without_request: Vec::new(),
        };
        attribution(&trace, &CLIENT_TIME, &BTreeSet::from(["own".to_owned()]))
    }

    #[test]
    fn the_token_of_the_client_is_certain_and_that_of_the_opening_is_not() {
        let bearer = [("authorization", token("abc"))];
        let fields = [(bearer[0].0, bearer[0].1.as_str())];
        let presented = attribution_of(exchange(&fields), arrival(150.0, &fields));
        assert_eq!(presented, Attribution::Certain);
        let late = attribution_of(exchange(&fields), arrival(250.0, &fields));
        assert_eq!(late, Attribution::Certain);
        let not_presented = attribution_of(exchange(&[]), arrival(150.0, &fields));
        assert_eq!(not_presented, Attribution::Uncertain(Doubt::TokenOfOpening));
    }

    #[test]
    fn a_request_without_token_is_assumed_to_belong_to_the_case_only_during_its_exchange() {
        let doubt_at = |at_ms| attribution_of(exchange(&[]), arrival(at_ms, &[]));
        assert_eq!(doubt_at(99.0), Attribution::Uncertain(Doubt::BeforeRequest));
        assert_eq!(doubt_at(201.0), Attribution::Uncertain(Doubt::AfterResponse));
        let other =
            attribution_of(exchange(&[]), arrival(150.0, &[("authorization", "Bearer key")]));
        assert_eq!(other, Attribution::Uncertain(Doubt::OtherCredentials));
        let sent = [("authorization", "Bearer malformed")];
        let forwarded = attribution_of(exchange(&sent), arrival(150.0, &sent));
        assert!(matches!(forwarded, Attribution::Assumed(_)), "{forwarded:?}");
        let assumed = attribution_of(exchange(&[]), arrival(150.0, &[]));
        assert_eq!(assumed.doubt(&BTreeSet::new()), None);
        let alpha = BTreeSet::from(["alpha".to_owned()]);
        assert_eq!(assumed.doubt(&alpha), Some(Doubt::RequestsOfNoCase));
        assert_eq!(assumed.doubt(&BTreeSet::from(["beta".to_owned()])), None);
    }

    #[test]
    fn the_opening_of_an_upstream_session_does_not_belong_to_the_end_of_the_clients_session() {
        let bearer = [("authorization", token("abc"))];
        let fields = [(bearer[0].0, bearer[0].1.as_str())];
        let initialized = Arrival {
            rpc_method: Some("notifications/initialized".into()),
            ..arrival(150.0, &fields)
        };
        let call = attribution_of(exchange(&fields), initialized.clone());
        assert_eq!(call, Attribution::Certain);
        let delete = Exchange { method: "DELETE".into(), ..exchange(&fields) };
        let uncertain = Attribution::Uncertain(Doubt::MessageOfOpening);
        assert_eq!(attribution_of(delete, initialized), uncertain);
    }

    #[test]
    fn a_session_of_the_case_and_the_message_of_the_client_are_certain() {
        let in_session = arrival(250.0, &[("mcp-session-id", "own")]);
        assert_eq!(attribution_of(exchange(&[]), in_session), Attribution::Certain);
        let repeated = Arrival { body: exchange(&[]).sent_body, ..arrival(150.0, &[]) };
        assert_eq!(attribution_of(exchange(&[]), repeated), Attribution::Certain);
        let other = arrival(250.0, &[("mcp-session-id", "other")]);
        let uncertain = Attribution::Uncertain(Doubt::AfterResponse);
        assert_eq!(attribution_of(exchange(&[]), other), uncertain);
    }
}
