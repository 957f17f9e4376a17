//! Classifies a secret in relation to a request: how the caller sent a key, and whose token a token
//! is.

use std::collections::BTreeSet;

use super::{
    Part,
    captured::Captured,
    index::Occurrence,
    secrets::{SecretOrigin, Secrets},
    table::SecretClass,
};
use crate::{
    cases::token_script::TokenScript,
    trace::{Arrival, Exchange, all_headers},
};

/// The class of a secret that an upstream received. `None` for a key that the client sent in
/// several ways.
pub(super) fn class_for_upstream(
    captured: &Captured<'_>,
    secrets: &Secrets,
    arrival: &Arrival,
    part: Part<'_>,
    occurrence: &Occurrence,
) -> Option<SecretClass> {
    let value = secrets.value(occurrence);
    match secrets.origin(occurrence) {
        SecretOrigin::GatewayKey if part.name.eq_ignore_ascii_case(captured.key_header) => {
            Some(SecretClass::GatewayKey)
        }
        SecretOrigin::GatewayKey => {
            let exchanges = captured.trace.exchanges.iter();
            let classes: BTreeSet<SecretClass> =
                exchanges.filter_map(|sent| class_of_sent_key(captured, sent, value)).collect();
            match classes.len() {
                0 => Some(SecretClass::GatewayKey),
                1 => classes.first().copied(),
                _ => None,
            }
        }
        SecretOrigin::CallersToken => {
            let canary_of_request = all_headers(&arrival.headers, "authorization")
                .find_map(TokenScript::find)
                .map(|script| script.canary);
            Some(if canary_of_request.is_none_or(|canary| canary == *value) {
                SecretClass::CallersToken
            } else {
                SecretClass::AnotherToken
            })
        }
        SecretOrigin::UpstreamSession(server) if *server != arrival.server => {
            Some(SecretClass::AnotherSession)
        }
        origin => Some(origin.class()),
    }
}

/// The class of a secret in a response to a client.
pub(super) fn class_for_client(
    captured: &Captured<'_>,
    secrets: &Secrets,
    exchange: &Exchange,
    occurrence: &Occurrence,
) -> SecretClass {
    let value = secrets.value(occurrence);
    match secrets.origin(occurrence) {
        SecretOrigin::GatewayKey => {
            class_of_sent_key(captured, exchange, value).unwrap_or(SecretClass::GatewayKey)
        }
        SecretOrigin::CallersToken => {
            let sent = exchange.sent_headers.iter().any(|(_, sent)| sent.contains(value))
                || exchange.path.contains(value);
            if sent {
                SecretClass::CallersToken
            } else {
                SecretClass::AnotherToken
            }
        }
        origin => origin.class(),
    }
}

/// The class of a gateway key by the header fields in which the client sent it; `None` if it did
/// not.
fn class_of_sent_key(captured: &Captured<'_>, sent: &Exchange, key: &str) -> Option<SecretClass> {
    let Captured { key_header, token_header, .. } = *captured;
    let contains_key =
        |name: &str| all_headers(&sent.sent_headers, name).any(|value| value.contains(key));
    let as_token = [token_header, "authorization"]
        .into_iter()
        .any(|name| name != key_header && contains_key(name));
    match (contains_key(key_header), as_token) {
        (true, true) => Some(SecretClass::KeyTwice),
        (true, false) => Some(SecretClass::GatewayKey),
        (false, true) => Some(SecretClass::KeyAsBearer),
        (false, false) => None,
    }
}
