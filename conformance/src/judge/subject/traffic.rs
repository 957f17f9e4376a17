//! Separates the client's own requests, as an upstream receives them, from requests that a gateway
//! makes for itself.
//!
//! Some gateways relay a message; others open a session of their own for each call. A request in
//! the same session as the client's message belongs to that message, and so does a session that a
//! gateway opens to answer the client's `initialize`. A request with a credential of the gateway
//! tests no token. Every other request is a probe.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::trace::{Arrival, Exchange, Trace, header};

const SESSION_ID: &str = "mcp-session-id";

/// The requests that one server received.
#[derive(Debug)]
pub(in crate::judge) struct Traffic<'a> {
    /// The client's own messages.
    pub(in crate::judge) own: Vec<&'a Arrival>,
    /// Requests that the gateway made for itself, outside the sessions of the client's messages.
    pub(in crate::judge) probes: Vec<&'a Arrival>,
    /// Requests that end a session and that the client did not send.
    pub(in crate::judge) session_ends: Vec<&'a Arrival>,
}

impl<'a> Traffic<'a> {
    pub(super) fn new(trace: &Trace, arrivals: impl Iterator<Item = &'a Arrival>) -> Self {
        let arrivals: Vec<&'a Arrival> = arrivals.collect();
        let issued: BTreeSet<&str> = arrivals
            .iter()
            .filter_map(|arrival| arrival.session_issued.as_deref())
            .collect();
        let ends_issued = |arrival: &Arrival| {
            arrival.method == "DELETE" && session_id(arrival).is_some_and(|id| issued.contains(id))
        };
        let similarity_to_any = |arrival: &Arrival| {
            trace.exchanges.iter().map(|exchange| similarity(arrival, exchange)).max()
        };
        // If the message itself arrived, another message of the same meaning is the gateway's.
        let required = arrivals
            .iter()
            .filter_map(|arrival| similarity_to_any(arrival))
            .max()
            .unwrap_or(Similarity::None)
            .max(Similarity::SameMeaning);
        let mut traffic = Self {
            own: Vec::new(),
            probes: Vec::new(),
            session_ends: Vec::new(),
        };
        let mut others = Vec::new();
        for arrival in arrivals {
            let is_own = similarity_to_any(arrival) >= Some(required);
            if is_own && (!ends_issued(arrival) || client_knows_session(trace, arrival)) {
                traffic.own.push(arrival);
            } else if ends_issued(arrival) {
                traffic.session_ends.push(arrival);
            } else {
                others.push(arrival);
            }
        }
        if traffic.own.is_empty()
            && let Some(serving) =
                others.iter().position(|arrival| serves_initialize(trace, arrival))
        {
            traffic.own.push(others.remove(serving));
        }
        let own_sessions: BTreeSet<&str> =
            traffic.own.iter().flat_map(|own| sessions(own)).collect();
        traffic.probes = others
            .into_iter()
            .filter(|arrival| !sessions(arrival).any(|id| own_sessions.contains(id)))
            .filter(|arrival| !has_other_credential(trace, arrival))
            .collect();
        traffic
    }
}

/// The session id that a request carries.
pub(in crate::judge) fn session_id(arrival: &Arrival) -> Option<&str> {
    header(&arrival.headers, SESSION_ID)
}

/// The session that a request carries, and the session that its response opened.
fn sessions(arrival: &Arrival) -> impl Iterator<Item = &str> {
    [session_id(arrival), arrival.session_issued.as_deref()].into_iter().flatten()
}

/// Whether the gateway answers the client's `initialize` with a session that it opened itself. A
/// gateway that probes sends the client's `initialize` after an accepted probe.
fn serves_initialize(trace: &Trace, arrival: &Arrival) -> bool {
    let is_initialize = |exchange: &Exchange| {
        serde_json::from_str::<Value>(&exchange.sent_body)
            .is_ok_and(|sent| sent.get("method").and_then(Value::as_str) == Some("initialize"))
    };
    arrival.rpc_method.as_deref() == Some("initialize")
        && arrival.answered.starts_with('2')
        && !trace.exchanges.is_empty()
        && trace.exchanges.iter().all(is_initialize)
}

/// Whether a request carries a credential that is not the caller's token.
fn has_other_credential(trace: &Trace, arrival: &Arrival) -> bool {
    let canary = trace.canary();
    header(&arrival.headers, "authorization")
        .is_some_and(|credential| canary.is_empty() || !credential.contains(canary))
}

/// Whether the client sent or received the session id of this request.
fn client_knows_session(trace: &Trace, arrival: &Arrival) -> bool {
    let knows = |exchange: &Exchange| {
        [
            header(&exchange.sent_headers, SESSION_ID),
            header(&exchange.headers, SESSION_ID),
        ]
        .into_iter()
        .flatten()
        .any(|id| Some(id) == session_id(arrival))
    };
    trace.exchanges.iter().any(knows)
}

/// How similar a message of an upstream request is to the client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Similarity {
    /// It is another message.
    None,
    /// It has the same JSON-RPC method.
    SameMeaning,
    /// It has the same method, parameters and id.
    Identical,
}

/// Compares an upstream request with a request of the client.
///
/// An `initialize` is the client's only if it contains the client's `clientInfo`: gateways send
/// `initialize` for purposes of their own.
fn similarity(arrival: &Arrival, exchange: &Exchange) -> Similarity {
    if arrival.method != exchange.method {
        return Similarity::None;
    }
    if exchange.method != "POST" {
        return Similarity::Identical;
    }
    let parse = |body: &str| serde_json::from_str::<Value>(body).unwrap_or_default();
    let (sent, arrived) = (parse(&exchange.sent_body), parse(&arrival.body));
    let method = sent.get("method").and_then(Value::as_str);
    if method != arrival.rpc_method.as_deref() {
        Similarity::None
    } else if sent.get("id") == arrived.get("id") && sent.get("params") == arrived.get("params") {
        Similarity::Identical
    } else if method == Some("initialize")
        && sent.pointer("/params/clientInfo") != arrived.pointer("/params/clientInfo")
    {
        Similarity::None
    } else {
        Similarity::SameMeaning
    }
}
