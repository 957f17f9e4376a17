//! The observables: each is a pure function of a subject, with a closed list of values.
//!
//! Rules, scenarios, reports and the decision table name observables and their values. An
//! observable does not know which value is right.
//!
//! | module | observes |
//! | --- | --- |
//! | `response_head`, `response_body`, `error_text` | the response to the client |
//! | `challenge`, `relayed_challenge` | the challenges of the response |
//! | `upstream_requests`, `probe` | the requests that upstream servers received |
//! | `secret_disclosure` | disclosed secrets, and header fields that must not be forwarded |
//! | `stateless` | what protocol version 2026-07-28 adds |
//! | `sequence` | several exchanges of one case |
//! | `discovery` | the documents that a client fetches after a challenge |
//! | `transport` | HTTP itself: framing, hop-by-hop fields, CORS, fields of error responses |
//! | `observability` | metrics, audit lines, and the start of the implementation |
//! | `aggregate`, `aggregate_list` | requests for several servers |

use std::collections::BTreeMap;

use crate::{
    judge::{observation::Observation, subject::Subject},
    trace::Exchange,
};

mod aggregate;
mod aggregate_list;
mod challenge;
mod discovery;
mod error_text;
mod metrics;
mod observability;
mod probe;
mod relayed_challenge;
mod response_body;
mod response_head;
mod secret_disclosure;
mod sequence;
mod stateless;
mod transport;
mod upstream_requests;

/// One property of a case that can be observed.
#[derive(Clone, Copy)]
pub struct Observable {
    /// The name in rules, scenarios and reports.
    pub name: &'static str,
    /// What it observes, in one sentence.
    pub description: &'static str,
    /// Every possible value; `*` stands for a detail.
    pub values: &'static [&'static str],
    /// The value that means that an event did not happen. It is evidence only if the positive
    /// control passed.
    pub absence: Option<&'static str>,
    observe: fn(&Subject<'_>) -> Observation,
}

impl Observable {
    /// The observable with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|observable| observable.name == name)
    }

    /// Every observable: first those of the client, then those of the upstream servers, then those
    /// of several exchanges.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        response_head::OBSERVABLES
            .iter()
            .chain(challenge::OBSERVABLES)
            .chain(relayed_challenge::OBSERVABLES)
            .chain(response_body::OBSERVABLES)
            .chain(error_text::OBSERVABLES)
            .chain(upstream_requests::OBSERVABLES)
            .chain(probe::OBSERVABLES)
            .chain(secret_disclosure::OBSERVABLES)
            .chain(stateless::OBSERVABLES)
            .chain(sequence::OBSERVABLES)
            .chain(discovery::OBSERVABLES)
            .chain(transport::OBSERVABLES)
            .chain(observability::OBSERVABLES)
            .chain(aggregate::OBSERVABLES)
            .chain(aggregate_list::OBSERVABLES)
    }

    /// The observation in this case.
    #[must_use]
    pub fn observe(&self, subject: &Subject<'_>) -> Observation {
        subject.observation(self.name, self.observe)
    }
}

impl std::fmt::Debug for Observable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every observation of a case that applies, by the name of the observable.
#[must_use]
pub fn observations(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let named = |observable: &Observable| match observable.observe(subject) {
        Observation::NotApplicable => None,
        observation => Some((observable.name.to_owned(), observation.to_string())),
    };
    Observable::all().filter_map(named).collect()
}

/// Observes the last exchange.
fn of_last_exchange(
    subject: &Subject<'_>,
    observe: impl FnOnce(&Exchange) -> Observation,
) -> Observation {
    subject.exchange().map_or(Observation::Unknown("no request was sent"), observe)
}

/// Observes the last response; not applicable if no response head arrived.
fn of_response(
    subject: &Subject<'_>,
    observe: impl FnOnce(&Exchange) -> Observation,
) -> Observation {
    of_last_exchange(subject, |exchange| match exchange.status {
        Some(_) => observe(exchange),
        None => Observation::NotApplicable,
    })
}

/// The observation of a count: `0`, `1`, `2` or `3+`.
fn count(n: usize) -> Observation {
    match n {
        0 => "0",
        1 => "1",
        2 => "2",
        _ => "3+",
    }
    .into()
}

/// The host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    &rest[..rest.find('/').unwrap_or(rest.len())]
}

/// Whether a text contains the host and port of this URL. A loopback host may also be spelled
/// `localhost`.
fn contains_address(text: &str, url: &str) -> bool {
    let authority = authority(url);
    let contains = |address: &str| {
        let mut found = text.match_indices(address);
        // Another port can begin with the same digits.
        found.any(|(at, _)| !text[at + address.len()..].starts_with(|c: char| c.is_ascii_digit()))
    };
    contains(authority)
        || authority
            .strip_prefix("127.0.0.1")
            .is_some_and(|port| contains(&format!("localhost{port}")))
}

/// The observation of whether something happened.
fn yes_or_no(happened: bool) -> Observation {
    if happened { "yes" } else { "no" }.into()
}

#[cfg(test)]
mod tests;
