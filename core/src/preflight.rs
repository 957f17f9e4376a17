//! Decides which servers are probed before a request proceeds, and with which message.
//!
//! Only servers that would be sent the caller's own token are probed (GATE-04 to GATE-06; LiteLLM
//! change #27847, steps 1, 10 and 12). This module does not know about connections or deadlines.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    access::ServerId,
    credential::Credential,
    protocol_version::{PROTOCOL_VERSION_FIELD, ProtocolVersion},
};

/// How the gateway learns whether an upstream accepts a token. Both strategies give the same
/// verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// By a probe, which is sent before the client's request.
    #[default]
    Probe,
    /// By the response to the client's request. The gateway holds its response head until the
    /// upstream's head is known, so there is no extra request and no extra session.
    Deferred,
}

/// A server that is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The server.
    pub server: ServerId,
    /// The value for `Authorization`: the caller's token, marked as sensitive.
    pub authorization: HeaderValue,
}

/// Selects the servers to probe. Each server is probed once, however often it is assigned a
/// credential (GATE-11).
#[must_use]
pub fn probe_targets<'a>(
    assigned: impl IntoIterator<Item = (ServerId, &'a Credential)>,
) -> Vec<ProbeTarget> {
    let mut targets: Vec<ProbeTarget> = Vec::new();
    for (server, credential) in assigned {
        if let Some(authorization) = credential.forwarded()
            && !targets.iter().any(|target| target.server == server)
        {
            targets.push(ProbeTarget { server, authorization });
        }
    }
    targets
}

/// The `User-Agent` of the gateway's own requests to upstreams (PRB-19). It does not identify the
/// caller.
pub const USER_AGENT: &str = concat!("mcp-preflight/", env!("CARGO_PKG_VERSION"));

/// The name and version of the gateway, for `clientInfo` and `serverInfo`.
#[must_use]
pub fn gateway_info() -> serde_json::Value {
    serde_json::json!({ "name": "mcp-preflight", "version": env!("CARGO_PKG_VERSION") })
}

/// The header fields and the body of a probe: the message with which a client would open the server
/// (PRB-05 to PRB-07).
///
/// It is sent with POST. It changes nothing on the server, except that a server of a session-based
/// version opens a session, which the gateway must end.
#[must_use]
pub fn probe_message(version: ProtocolVersion) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let (method, params) = if version.is_stateless() {
        headers.insert(
            HeaderName::from_static("mcp-method"),
            HeaderValue::from_static("server/discover"),
        );
        headers.insert(
            HeaderName::from_static(PROTOCOL_VERSION_FIELD),
            HeaderValue::from_static(version.as_str()),
        );
        let meta = serde_json::json!({
            "io.modelcontextprotocol/protocolVersion": version.as_str(),
            "io.modelcontextprotocol/clientInfo": gateway_info(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        ("server/discover", serde_json::json!({ "_meta": meta }))
    } else {
        let params = serde_json::json!({
            "protocolVersion": version.as_str(),
            "capabilities": {},
            "clientInfo": gateway_info(),
        });
        ("initialize", params)
    };
    let body = serde_json::json!({
        "jsonrpc": "2.0",
        "id": "mcp-preflight",
        "method": method,
        "params": params,
    });
    (headers, body.to_string())
}

#[cfg(test)]
mod tests {
    use super::{
        super::admission::{Authorization, KeyDigest, Keyring},
        *,
    };

    #[test]
    fn a_server_that_is_sent_the_callers_token_is_probed_once() {
        let lines = [("x-key", "k"), ("authorization", "Bearer eyJ")];
        let headers = lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        let keyring = Keyring::new(HeaderName::from_static("x-key"), vec![KeyDigest::of_key(b"k")]);
        let Authorization::Token(token) = keyring.admit(&headers).unwrap().authorization else {
            panic!()
        };
        let credential = Credential::Forwarded(token);
        let targets = probe_targets([3, 1, 3].map(|id| (ServerId(id), &credential)));
        let authorization = HeaderValue::from_static("Bearer eyJ");
        let target =
            |id| ProbeTarget { server: ServerId(id), authorization: authorization.clone() };
        assert_eq!(targets, [3, 1].map(target));
    }

    #[test]
    fn only_the_callers_own_token_is_probed() {
        let credentials = [
            Credential::Missing,
            Credential::Static,
            Credential::ClientCredentials,
            Credential::None,
        ];
        assert_eq!(probe_targets((0..).map(ServerId).zip(&credentials)), []);
    }

    #[test]
    fn a_session_based_probe_is_initialize() {
        let (headers, body) = probe_message(ProtocolVersion::V2025_11_25);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["method"], "initialize");
        assert_eq!(body["params"]["protocolVersion"], "2025-11-25");
        assert_eq!(body["params"]["clientInfo"]["name"], "mcp-preflight");
        assert!(headers.get("mcp-protocol-version").is_none());
    }

    #[test]
    fn a_stateless_probe_is_server_discover_with_mirrored_fields() {
        let (headers, body) = probe_message(ProtocolVersion::V2026_07_28);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["method"].as_str(), headers["mcp-method"].to_str().ok());
        assert_eq!(
            body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str(),
            headers["mcp-protocol-version"].to_str().ok()
        );
    }
}
