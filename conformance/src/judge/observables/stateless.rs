//! Observes what protocol version 2026-07-28 adds: error codes with a meaning, and header fields
//! that mirror the message.

use serde_json::Value;

use super::{Observable, of_last_exchange, response_body::messages};
use crate::{
    cases::{behaviour::Behaviours, placeholder::fill},
    catalogue::ProtocolVersion,
    judge::{observation::Observation, subject::Subject},
    trace::{Arrival, Exchange, header},
    upstreams::MARK,
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "rpc-error",
        description: "Whether the client received the JSON-RPC error of the upstream.",
        values: &["kept", "dropped", "changed: *"],
        absence: None,
        observe: rpc_error,
    },
    Observable {
        name: "mcp-error-code",
        description: "Whether the protocol version defines, reserves or has retired the code of a \
            JSON-RPC error that the gateway wrote.",
        values: &["unreserved", "defined", "reserved: *", "retired: *"],
        absence: None,
        observe: mcp_error_code,
    },
    Observable {
        name: "mirrored-fields",
        description: "Whether the header fields of upstream requests agree with their messages.",
        values: &["consistent", "missing: *", "differs: *"],
        absence: None,
        observe: mirrored_fields,
    },
];

/// The JSON-RPC error of a response.
fn error_of(exchange: &Exchange) -> Option<Value> {
    messages(exchange)
        .into_iter()
        .find_map(|message| message.get("error").filter(|error| error.is_object()).cloned())
}

/// The JSON-RPC error that the upstream sends in this matrix case.
fn upstream_error(subject: &Subject<'_>) -> Option<Value> {
    let (_, body) = Behaviours::embedded().resolve(&subject.matrix_case?.upstream)?;
    let null = |_: &str| Some("null".to_owned());
    let text = fill(&body?.text, null).ok()?;
    let message = serde_json::from_str::<Value>(&text).ok()?;
    message.get("error").cloned()
}

fn rpc_error(subject: &Subject<'_>) -> Observation {
    let (Some(sent), Some(exchange)) = (upstream_error(subject), subject.exchange()) else {
        return Observation::NotApplicable;
    };
    match error_of(exchange) {
        None => "dropped".into(),
        Some(error) if error == sent => "kept".into(),
        Some(error) => format!("changed: {}", error["code"]).into(),
    }
}

/// The codes -32020 to -32022 are defined, the other codes down to -32099 are reserved, and two
/// codes of earlier versions must not be used.
fn mcp_error_code(subject: &Subject<'_>) -> Observation {
    of_last_exchange(subject, |exchange| {
        if header(&exchange.headers, MARK).is_some() {
            return Observation::NotApplicable;
        }
        match error_of(exchange).and_then(|error| error["code"].as_i64()) {
            None => Observation::NotApplicable,
            Some(-32_022..=-32_020) => "defined".into(),
            Some(code @ (-32_002 | -32_042)) => format!("retired: {code}").into(),
            Some(code @ -32_099..=-32_023) => format!("reserved: {code}").into(),
            Some(_) => "unreserved".into(),
        }
    })
}

fn mirrored_fields(subject: &Subject<'_>) -> Observation {
    let mut posts = subject.arrivals().filter(|arrival| arrival.method == "POST").peekable();
    if posts.peek().is_none() {
        return Observation::NotApplicable;
    }
    posts
        .find_map(inconsistency)
        .map_or_else(|| "consistent".into(), Observation::Value)
}

/// The first header field of a request that does not agree with its message.
fn inconsistency(arrival: &Arrival) -> Option<String> {
    let message: Value = serde_json::from_str(&arrival.body).unwrap_or_default();
    let name = match arrival.rpc_method.as_deref() {
        Some("tools/call" | "prompts/get") => message.pointer("/params/name"),
        Some("resources/read") => message.pointer("/params/uri"),
        _ => None,
    };
    let version = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion");
    let version_field = header(&arrival.headers, "mcp-protocol-version");
    // Messages of session-based versions are not mirrored.
    if version.is_none() && version_field != Some(ProtocolVersion::V2026_07_28.as_str()) {
        return None;
    }
    for (field, member) in [
        ("mcp-protocol-version", version),
        ("mcp-method", message.get("method")),
        ("mcp-name", name),
    ] {
        let Some(member) = member.and_then(Value::as_str) else { continue };
        match header(&arrival.headers, field) {
            None => return Some(format!("missing: {field}")),
            Some(value) if decoded(value).as_deref() != Some(member) => {
                return Some(format!("differs: {field}"));
            }
            Some(_) => {}
        }
    }
    None
}

/// The value of a header field, decoded if it has the Base64 form.
fn decoded(value: &str) -> Option<String> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()
}
