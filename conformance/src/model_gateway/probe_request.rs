//! Builds the probes of servers, by their protocol version.

use http::{
    Method,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::{
    protocol::{PROTOCOL_VERSION, SESSION_BASED_VERSION, STATELESS_VERSION},
    upstream_request::{UpstreamRequest, own_request},
};
use crate::{cases::deployment::ConfiguredServer, catalogue::ProtocolVersion};

/// The probe of a server: the first request of its protocol version.
pub(super) fn probe_request(server: &ConfiguredServer, token: &HeaderValue) -> UpstreamRequest {
    if is_stateless(server) {
        discover_request(
            server,
            token,
            &json!({
                "io.modelcontextprotocol/protocolVersion": STATELESS_VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
            }),
        )
    } else {
        initialize_request(server, token, "preflight-model")
    }
}

/// Whether the server speaks protocol version 2026-07-28.
pub(super) fn is_stateless(server: &ConfiguredServer) -> bool {
    server.protocol_version == ProtocolVersion::V2026_07_28
}

/// A probe with `initialize`.
pub(super) fn initialize_request(
    server: &ConfiguredServer,
    token: &HeaderValue,
    client_name: &str,
) -> UpstreamRequest {
    let params = json!({
        "protocolVersion": SESSION_BASED_VERSION,
        "capabilities": {},
        "clientInfo": { "name": client_name, "version": "0.1" },
    });
    post_probe(server, token, "initialize", &params)
}

/// A probe with `server/discover`.
pub(super) fn discover_request(
    server: &ConfiguredServer,
    token: &HeaderValue,
    meta: &Value,
) -> UpstreamRequest {
    let mut request = post_probe(server, token, "server/discover", &json!({ "_meta": meta }));
    let headers = request.headers_mut();
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(STATELESS_VERSION));
    headers.insert(
        HeaderName::from_static("mcp-method"),
        HeaderValue::from_static("server/discover"),
    );
    request
}

/// A probe with a JSON-RPC request.
pub(super) fn post_probe(
    server: &ConfiguredServer,
    token: &HeaderValue,
    method: &str,
    params: &Value,
) -> UpstreamRequest {
    let message = json!({ "jsonrpc": "2.0", "id": "probe", "method": method, "params": params });
    own_request(&server.url, Method::POST, token, Some(message))
}
