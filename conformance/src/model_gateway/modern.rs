//! Holds a message of 2026-07-28 against the header fields that mirror it (SEC-11), before any server is looked for.
//!
//! Knows nothing of what the message asks.

use http::{Response, StatusCode};
use serde_json::Value;

use super::answer::coded;
use super::gateway::Ask;
use super::relay::Body;

/// The revision.
pub(super) const REVISION: &str = "2026-07-28";

impl Ask {
    /// Whether the client says in its header that it speaks the revision.
    pub(super) fn is_modern(&self) -> bool {
        self.field("mcp-protocol-version").is_some_and(|version| version == REVISION)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Whether the fields say what the message says; they need not be there where the message is of another revision.
pub(super) fn is_mirrored(ask: &Ask) -> bool {
    let message: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
    let stated = message
        .pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion")
        .and_then(Value::as_str);
    if stated.is_none() && !ask.is_modern() {
        return true;
    }
    let method = message.get("method").and_then(Value::as_str);
    let named = match method {
        Some("tools/call" | "prompts/get") => message.pointer("/params/name"),
        Some("resources/read") => message.pointer("/params/uri"),
        _ => None,
    };
    let names = |named: &str| {
        ask.field("mcp-name")
            .is_some_and(|written| written == named || written == in_base64(named))
    };
    ask.field("mcp-protocol-version") == stated
        && ask.field("mcp-method") == method
        && named.and_then(Value::as_str).is_none_or(names)
}

fn in_base64(name: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    format!("=?base64?{}?=", BASE64_STANDARD.encode(name))
}

/// 400, with the code that the revision has for it.
pub(super) fn mismatch(ask: &Ask) -> Response<Body> {
    coded(
        ask,
        StatusCode::BAD_REQUEST,
        -32_020,
        "400 Bad Request: the header fields do not say what the message says",
    )
}
