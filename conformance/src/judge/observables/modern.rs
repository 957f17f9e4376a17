//! Observes what 2026-07-28 added to the wire: error codes with a meaning, and header fields that mirror the message.
//!
//! Decides nothing about which of them a case should have.

use serde_json::Value;

use super::{Observable, Observation, Subject, body::messages, is_discovery};
use crate::{
    cases::behaviour::{BODY_PLACEHOLDERS, Behaviours, fill},
    catalogue::ProtocolVersion,
    trace::{Arrival, Exchange, header},
};

/// What is told in the words of 2026-07-28.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "rpc-error",
        description: "what became of the JSON-RPC error that the upstream answered with",
        values: &["kept", "dropped", "changed: *"],
        absence: None,
        look: rpc_error,
    },
    Observable {
        name: "mcp-error-code",
        description: "whether the code of an error of the gateway's own is one that the revision leaves free, defines, or keeps for itself",
        values: &["unreserved", "defined", "reserved: *", "retired: *"],
        absence: None,
        look: mcp_code,
    },
    Observable {
        name: "mirrored-fields",
        description: "whether the header fields of everything that arrived upstream say what its message says",
        values: &["consistent", "missing: *", "differs: *"],
        absence: None,
        look: mirror,
    },
];

fn error_of(exchange: &Exchange) -> Option<Value> {
    messages(exchange)
        .into_iter()
        .find_map(|message| message.get("error").filter(|error| error.is_object()).cloned())
}

fn rpc_error(subject: &Subject<'_>) -> Observation {
    let Some((_, Some(body))) = subject
        .matrix_case
        .and_then(|matrix_case| Behaviours::embedded().resolve(&matrix_case.upstream))
    else {
        return Observation::NotApplicable;
    };
    let filled =
        fill(&body.text, |name| BODY_PLACEHOLDERS.contains(&name).then(|| "null".to_owned()))
            .unwrap_or_default();
    let stated = serde_json::from_str::<Value>(&filled)
        .ok()
        .and_then(|message| message.get("error").cloned());
    let (Some(stated), Some(exchange)) = (stated, subject.exchange()) else {
        return Observation::NotApplicable;
    };
    match error_of(exchange) {
        None => "dropped".into(),
        Some(error) if error == stated => "kept".into(),
        Some(error) => format!("changed: {}", error["code"]).into(),
    }
}

/// -32020 to -32022 are defined, the rest up to -32099 is kept, and two codes of earlier revisions are never used again.
fn mcp_code(subject: &Subject<'_>) -> Observation {
    let Some(exchange) = subject.exchange() else {
        return Observation::Unknown("no request was sent");
    };
    if header(&exchange.headers, crate::upstreams::MARK).is_some() {
        return Observation::NotApplicable;
    }
    match error_of(exchange).and_then(|error| error["code"].as_i64()) {
        None => Observation::NotApplicable,
        Some(-32_022..=-32_020) => "defined".into(),
        Some(code @ (-32_002 | -32_042)) => format!("retired: {code}").into(),
        Some(code @ -32_099..=-32_023) => format!("reserved: {code}").into(),
        Some(_) => "unreserved".into(),
    }
}

fn mirror(subject: &Subject<'_>) -> Observation {
    let posts = || {
        subject
            .arrivals()
            .filter(|arrival| arrival.method == "POST" && !is_discovery(arrival))
    };
    if posts().next().is_none() {
        return Observation::NotApplicable;
    }
    posts().find_map(unlike).map_or_else(|| "consistent".into(), Observation::Seen)
}

/// Where a message and its fields differ.
fn unlike(arrival: &Arrival) -> Option<String> {
    let message: Value = serde_json::from_str(&arrival.body).unwrap_or_default();
    let name = match arrival.rpc_method.as_deref() {
        Some("tools/call" | "prompts/get") => message.pointer("/params/name"),
        Some("resources/read") => message.pointer("/params/uri"),
        _ => None,
    };
    let version = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion");
    // Messages of the older revisions are not mirrored.
    if version.is_none()
        && header(&arrival.headers, "mcp-protocol-version")
            != Some(ProtocolVersion::V2026_07_28.as_str())
    {
        return None;
    }
    for (field, meant) in [
        ("mcp-protocol-version", version),
        ("mcp-method", message.get("method")),
        ("mcp-name", name),
    ] {
        let Some(meant) = meant.and_then(Value::as_str) else { continue };
        match header(&arrival.headers, field) {
            None => return Some(format!("missing: {field}")),
            Some(written) if decoded(written).as_deref() != Some(meant) => {
                return Some(format!("differs: {field}"));
            }
            Some(_) => {}
        }
    }
    None
}

/// A field's value, out of the Base64 form where it is in that.
fn decoded(written: &str) -> Option<String> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let Some(encoded) = written.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(written.to_owned());
    };
    String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()
}
