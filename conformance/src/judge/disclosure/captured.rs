//! What was captured of one case, and the parts of each message in which a secret can be.

use super::{Part, table::PartKind};
use crate::{
    cases::deployment::Deployment,
    trace::{Arrival, Exchange, Headers, Trace},
};

/// What was captured of one case, and the configuration that it is compared with.
#[derive(Clone, Debug)]
pub struct Captured<'a> {
    /// What the implementation is configured with.
    pub deployment: &'a Deployment,
    /// The header field of the gateway key, in lower case.
    pub key_header: &'a str,
    /// The header field of the upstream token, in lower case.
    pub token_header: &'a str,
    /// The servers that a matrix case names. `None` for a scenario: its requests name them.
    pub requested_servers: Option<Vec<&'a str>>,
    /// The trace of the case.
    pub trace: &'a Trace,
    /// Whether the implementation limits the limited gateway key to some servers.
    pub keys_are_limited: bool,
    /// Whether the implementation does not know the header field of the token, see
    /// [`Context`](crate::judge::subject::Context).
    pub invents_token_field: bool,
    /// What the implementation wrote to its outputs during the case.
    pub output: &'a str,
    /// The metrics after the case, if they were read.
    pub metrics: Option<&'a str>,
}

/// Header fields as parts: the value of each, and its name.
fn header_parts(headers: &Headers) -> impl Iterator<Item = (Part<'_>, &str)> {
    headers.iter().flat_map(|(name, value)| {
        let part = Part { name, kind: PartKind::Header };
        [(part, value.as_str()), (part, name.as_str())]
    })
}

/// The parts of an upstream request.
pub(super) fn parts_of_arrival(arrival: &Arrival) -> Vec<(Part<'_>, &str)> {
    header_parts(&arrival.headers)
        .chain([(Part::TARGET, arrival.target.as_str()), (Part::BODY, arrival.body.as_str())])
        .collect()
}

/// The parts of a response to the client.
pub(super) fn parts_of_response(exchange: &Exchange) -> Vec<(Part<'_>, &str)> {
    header_parts(&exchange.headers)
        .chain([(Part::BODY, exchange.body.as_str())])
        .collect()
}
