//! Searches everything that was captured of a case, and names the location of each text.
//!
//! A location is a relation: whether the request names a server decides whether the server may
//! receive the caller's token. Which secret is allowed where is decided by the table.

use super::{
    Disclosure, Part,
    captured::{Captured, parts_of_arrival, parts_of_response},
    classify::{class_for_client, class_for_upstream},
    index::Occurrence,
    secrets::Secrets,
    table::{Location, PartKind, SecretClass},
};
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{Deployment, names},
    },
    trace::{Arrival, Exchange, all_headers, header},
    upstreams::{ISSUER, MARK},
};

/// The disclosures of a case, in the order in which the texts were captured.
#[must_use]
pub fn search(captured: &Captured<'_>, secrets: &Secrets) -> Vec<Disclosure> {
    let mut disclosures = Vec::new();
    for arrival in &captured.trace.arrivals {
        disclosures.extend(in_upstream_request(captured, secrets, arrival));
    }
    for exchange in captured.trace.exchanges.iter().filter(|exchange| exchange.status.is_some()) {
        disclosures.extend(in_response(captured, secrets, exchange));
    }
    disclosures.extend(secrets.disclosed_to_operator(Location::Log, captured.output));
    if let Some(metrics) = captured.metrics {
        disclosures.extend(secrets.disclosed_to_operator(Location::Metrics, metrics));
    }
    disclosures
}

fn in_upstream_request(
    captured: &Captured<'_>,
    secrets: &Secrets,
    arrival: &Arrival,
) -> Vec<Disclosure> {
    let location = upstream_location(captured, arrival);
    let disclosure = |part: Part<'_>, occurrence: &Occurrence| {
        let value = secrets.value(occurrence);
        if part.kind == PartKind::Body && is_in_client_body(captured, value) {
            return None;
        }
        let class = class_for_upstream(captured, secrets, arrival, part, occurrence);
        let location = location_of_credential(class, arrival).unwrap_or(location);
        let is_at_its_server =
            location == Location::RequestedServer && class == Some(SecretClass::CallersToken);
        let is_unknown_field = captured.invents_token_field
            && part.kind == PartKind::Header
            && part.name.eq_ignore_ascii_case(captured.token_header);
        if is_unknown_field && class == Some(SecretClass::CallersToken) {
            return None;
        }
        if is_at_its_server && (is_unparsed(arrival) || is_in_client_part(captured, part, value)) {
            return None;
        }
        let disclosure = Disclosure::of_occurrence(
            location,
            Some(&arrival.server),
            class.unwrap_or(SecretClass::GatewayKey),
            part,
            occurrence,
        )?;
        // Which requirement is violated depends on how the client sent the key. If it sent the key
        // in several ways, no requirement can be named.
        Some(match class {
            Some(_) => disclosure,
            None => Disclosure { violates: Vec::new(), ..disclosure },
        })
    };
    search_parts(&parts_of_arrival(arrival), secrets, disclosure)
}

/// The server that a configured credential is meant for, if it arrived there.
///
/// A configuration may contain the credential although the description does not declare the
/// feature, for example that of a gateway at a URL, of which only the kind is known.
fn location_of_credential(class: Option<SecretClass>, arrival: &Arrival) -> Option<Location> {
    match (class?, arrival.server.as_str()) {
        (SecretClass::StaticToken, names::STATIC) => Some(Location::StaticServer),
        (SecretClass::MintedToken, names::MINTED) => Some(Location::MintedServer),
        _ => None,
    }
}

fn in_response(captured: &Captured<'_>, secrets: &Secrets, exchange: &Exchange) -> Vec<Disclosure> {
    let body = body_location(exchange);
    let disclosure = |part: Part<'_>, occurrence: &Occurrence| {
        let location = if part.kind == PartKind::Body { body } else { Location::Head };
        let class = class_for_client(captured, secrets, exchange, occurrence);
        Disclosure::of_occurrence(location, None, class, part, occurrence)
    };
    search_parts(&parts_of_response(exchange), secrets, disclosure)
}

fn search_parts(
    parts: &[(Part<'_>, &str)],
    secrets: &Secrets,
    disclosure: impl Fn(Part<'_>, &Occurrence) -> Option<Disclosure>,
) -> Vec<Disclosure> {
    let in_part = |(part, text): &(Part<'_>, &str)| -> Vec<Disclosure> {
        let occurrences = secrets.occurrences(text);
        occurrences
            .iter()
            .filter_map(|occurrence| disclosure(*part, occurrence))
            .collect()
    };
    parts.iter().flat_map(in_part).collect()
}

/// Whether the client wrote the secret into a message. A gateway that relays the message does not
/// disclose it.
fn is_in_client_body(captured: &Captured<'_>, value: &str) -> bool {
    captured.trace.exchanges.iter().any(|sent| sent.sent_body.contains(value))
}

/// Whether the mock upstream could not parse the request. Everything that it read is then the body,
/// also the token in its proper field.
const fn is_unparsed(arrival: &Arrival) -> bool {
    arrival.method.is_empty()
}

/// Whether the client wrote the secret into the query or into a header field of this name that a
/// gateway need not understand. A gateway that relays the query or the field does not disclose it,
/// nor one that repeats the query in a field about the original target.
fn is_in_client_part(captured: &Captured<'_>, part: Part<'_>, value: &str) -> bool {
    let name = part.name.to_ascii_lowercase();
    if [captured.token_header, captured.key_header].contains(&name.as_str()) {
        return false;
    }
    captured.trace.exchanges.iter().any(|sent| {
        let is_in_query =
            || sent.path.split_once('?').is_some_and(|(_, query)| query.contains(value));
        let is_in_field =
            || all_headers(&sent.sent_headers, &name).any(|line| line.contains(value));
        match part.kind {
            PartKind::Target => is_in_query(),
            PartKind::Header => is_in_field() || is_in_query(),
            _ => false,
        }
    })
}

fn body_location(exchange: &Exchange) -> Location {
    if exchange.path.contains("/.well-known/") {
        Location::Discovery
    } else if header(&exchange.headers, MARK).is_some() {
        Location::RelayedBody
    } else if matches!(exchange.status, Some(400..)) {
        Location::ErrorBody
    } else {
        Location::Body
    }
}

fn upstream_location(captured: &Captured<'_>, arrival: &Arrival) -> Location {
    if arrival.server == ISSUER {
        return Location::Issuer;
    }
    match captured.deployment.server(&arrival.server).map(|server| server.kind) {
        Some(ServerKind::NotPermitted)
            if captured.keys_are_limited && !may_use_every_server(captured) =>
        {
            Location::UngrantedServer
        }
        Some(ServerKind::Forwarding | ServerKind::NotPermitted)
            if is_requested(captured, &arrival.server) =>
        {
            Location::RequestedServer
        }
        Some(ServerKind::Forwarding | ServerKind::NotPermitted) => Location::ForwardingServer,
        Some(ServerKind::Static) => Location::StaticServer,
        Some(ServerKind::ClientCredentials) => Location::MintedServer,
        Some(ServerKind::Open) => Location::OpenServer,
        Some(ServerKind::Unknown | ServerKind::Aggregate) | None => Location::Elsewhere,
    }
}

/// Whether a client of the case sent the key that grants every server.
fn may_use_every_server(captured: &Captured<'_>) -> bool {
    let full_key = &captured.deployment.full_key;
    let sends_full_key = |sent: &Exchange| {
        all_headers(&sent.sent_headers, captured.key_header).any(|key| key.ends_with(full_key))
    };
    !full_key.is_empty() && captured.trace.exchanges.iter().any(sends_full_key)
}

/// Whether a request of the case names this server, or names none at an aggregate endpoint.
fn is_requested(captured: &Captured<'_>, server: &str) -> bool {
    match &captured.requested_servers {
        Some(requested) => requested.contains(&server),
        None => captured
            .trace
            .exchanges
            .iter()
            .any(|exchange| requests_server(captured.deployment, exchange, server)),
    }
}

fn requests_server(deployment: &Deployment, exchange: &Exchange, server: &str) -> bool {
    // In a request-smuggling scenario, the body contains another request.
    if exchange.sent_body.contains(&format!("/{server}")) {
        return true;
    }
    let path = exchange.path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = words(path).filter(|word| !word.is_empty()).collect();
    let header_words = exchange.sent_headers.iter().flat_map(|(_, value)| words(value));
    let mut named_servers = words(path)
        .chain(header_words)
        .filter(|word| deployment.server(word).is_some())
        .peekable();
    if named_servers.peek().is_some() {
        return named_servers.any(|named| named == server);
    }
    // The route of an aggregate endpoint has one segment; the route of a toolset contains its name.
    segments.len() < 2 || segments.iter().any(|segment| is_toolset(segment))
}

/// The parts of a text that a gateway may read as names. It may take an encoded `#` or NUL for the
/// end of a name.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(['/', '?', '&', '=', ',', ' '])
        .flat_map(|word| word.split("%23").flat_map(|part| part.split("%00")))
}

fn is_toolset(name: &str) -> bool {
    names::TOOLSETS.iter().any(|(toolset, _)| *toolset == name)
}
