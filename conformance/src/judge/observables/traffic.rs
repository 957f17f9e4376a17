//! Tells the client's own requests, as an upstream sees them, from those that a gateway makes for itself.
//!
//! Gateways differ by design: a plain one hands the message on, another opens a session of its own for each call. What rides on the
//! same session as the client's message belongs to it; what is left over is a probe, whatever it was meant as.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Subject;
use crate::trace::{Arrival, Exchange, header};

const SESSION: &str = "mcp-session-id";

/// The requests to the server asked for, sorted.
#[derive(Debug)]
pub(super) struct Traffic<'a> {
    /// The client's own messages.
    pub(super) own: Vec<&'a Arrival>,
    /// Requests that neither are the client's nor ride on its session.
    pub(super) probes: Vec<&'a Arrival>,
    /// Ends of sessions that the client did not ask for.
    pub(super) clean_up: Vec<&'a Arrival>,
}

impl<'a> Traffic<'a> {
    pub(super) fn of(subject: &Subject<'a>) -> Self {
        let issued: BTreeSet<&str> = subject
            .arrivals()
            .filter_map(|arrival| arrival.session_issued.as_deref())
            .collect();
        let ends_issued = |arrival: &Arrival| {
            arrival.method == "DELETE"
                && session(arrival).is_some_and(|session| issued.contains(session))
        };
        let like = |arrival: &Arrival| {
            subject.trace.exchanges.iter().map(|exchange| likeness(arrival, exchange)).max()
        };
        // Where the message itself arrived, one that only means the same is the gateway's.
        let wanted = subject
            .arrivals()
            .filter_map(like)
            .max()
            .unwrap_or(Likeness::None)
            .max(Likeness::Meaning);
        let is_own = |arrival: &Arrival| like(arrival) >= Some(wanted);
        let mut traffic = Self { own: Vec::new(), probes: Vec::new(), clean_up: Vec::new() };
        let mut others = Vec::new();
        for arrival in subject.arrivals() {
            if is_own(arrival) && (!ends_issued(arrival) || client_knows(subject, arrival)) {
                traffic.own.push(arrival);
            } else if ends_issued(arrival) {
                traffic.clean_up.push(arrival);
            } else {
                others.push(arrival);
            }
        }
        let ridden: BTreeSet<&str> = traffic
            .own
            .iter()
            .flat_map(|own| [session(own), own.session_issued.as_deref()])
            .flatten()
            .collect();
        let rides = |arrival: &Arrival| {
            [session(arrival), arrival.session_issued.as_deref()]
                .into_iter()
                .flatten()
                .any(|id| ridden.contains(id))
        };
        traffic.probes = others.into_iter().filter(|arrival| !rides(arrival)).collect();
        traffic
    }
}

/// The session that a request names.
pub(super) fn session(arrival: &Arrival) -> Option<&str> {
    header(&arrival.headers, SESSION)
}

/// Whether a client that ends a session means this one: it was told of it, or names it.
fn client_knows(subject: &Subject<'_>, arrival: &Arrival) -> bool {
    let told = |exchange: &Exchange| {
        [header(&exchange.sent_headers, SESSION), header(&exchange.headers, SESSION)]
            .into_iter()
            .flatten()
            .any(|id| Some(id) == session(arrival))
    };
    subject.trace.exchanges.iter().any(told)
}

/// How much of the client's message an upstream sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// It is another message.
    None,
    /// It says the same thing, in the gateway's words.
    Meaning,
    /// It has the same parameters and the same id.
    Letter,
}

/// Whether an upstream sees the client's own message. An `initialize` is the client's only if it introduces the client: gateways
/// send that message for purposes of their own.
fn likeness(arrival: &Arrival, exchange: &Exchange) -> Likeness {
    if arrival.method != exchange.method {
        return Likeness::None;
    }
    if exchange.method != "POST" {
        return Likeness::Letter;
    }
    let parse = |body: &str| serde_json::from_str::<Value>(body).unwrap_or_default();
    let (sent, arrived) = (parse(&exchange.sent_body), parse(&arrival.body));
    let name = sent.get("method").and_then(Value::as_str);
    if name != arrival.rpc_method.as_deref() {
        Likeness::None
    } else if sent.get("id") == arrived.get("id") && sent.get("params") == arrived.get("params") {
        Likeness::Letter
    } else if name == Some("initialize")
        && sent.pointer("/params/clientInfo") != arrived.pointer("/params/clientInfo")
    {
        Likeness::None
    } else {
        Likeness::Meaning
    }
}
