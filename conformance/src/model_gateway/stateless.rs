//! Compares a stateless message (2026-07-28) with the header fields that mirror it (SEC-11).

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Response, StatusCode};
use serde_json::Value;

use super::{client_request::ClientRequest, relay::Body, rpc_response::error_with_code};

/// Where a message states its protocol version.
const STATED_VERSION: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// The JSON-RPC error code for a mismatch between header and message.
const HEADER_MISMATCH: i64 = -32_020;

/// Whether the header fields agree with the message. A message of another protocol version needs
/// none.
pub(super) fn is_mirrored(request: &ClientRequest) -> bool {
    let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let stated = message.pointer(STATED_VERSION).and_then(Value::as_str);
    if stated.is_none() && !request.is_stateless() {
        return true;
    }
    let method = message.get("method").and_then(Value::as_str);
    let name = match method {
        Some("tools/call" | "prompts/get") => message.pointer("/params/name"),
        Some("resources/read") => message.pointer("/params/uri"),
        _ => None,
    };
    request.field("mcp-protocol-version") == stated
        && request.field("mcp-method") == method
        && name.and_then(Value::as_str).is_none_or(|name| mirrors_name(request, name))
}

fn mirrors_name(request: &ClientRequest, name: &str) -> bool {
    let encoded = format!("=?base64?{}?=", BASE64_STANDARD.encode(name));
    request
        .field("mcp-name")
        .is_some_and(|mirrored| mirrored == name || mirrored == encoded)
}

/// The 400 for header fields that contradict the message.
pub(super) fn mismatch(request: &ClientRequest) -> Response<Body> {
    error_with_code(
        request,
        StatusCode::BAD_REQUEST,
        HEADER_MISMATCH,
        "400 Bad Request: the header fields contradict the message",
    )
}
