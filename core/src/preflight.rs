//! Decides which servers are asked before a request goes through, and with which message.
//!
//! Only servers that would be handed the caller's own token are asked (GATE-04 to GATE-06, seed steps s1, s10, s12). Knows nothing
//! of connections or deadlines.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{access::ServerId, credential::Credential, protocol_version::ProtocolVersion};

/// How the gateway finds out what an upstream makes of a token. The verdicts are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// With a request of its own, before the client's goes through, as the seed does.
    #[default]
    Probe,
    /// By holding the response head until the upstream's head is known: no extra request, no extra session.
    Deferred,
}

/// A server to be asked, with the value that its `Authorization` will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The server.
    pub server: ServerId,
    /// The caller's token, marked sensitive.
    pub authorization: HeaderValue,
}

/// Picks the servers to ask, each once, however often a request names it (GATE-11).
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

/// How this gateway names itself to upstream operators (PRB-19); nothing in it says who the caller is.
pub const USER_AGENT: &str = concat!("mcp-preflight/", env!("CARGO_PKG_VERSION"));

/// How this gateway names itself in a message.
#[must_use]
pub fn gateway_info() -> serde_json::Value {
    serde_json::json!({ "name": "mcp-preflight", "version": env!("CARGO_PKG_VERSION") })
}

/// The header fields and the body of a probe: POST on the server's own endpoint, the message a client would open with (PRB-05 to
/// PRB-07). It changes nothing but, in the legacy eras, opens a session that has to be ended.
#[must_use]
pub fn probe_message(era: ProtocolVersion) -> (HeaderMap, String) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let client = gateway_info();
    let (method, params) = match era {
        ProtocolVersion::V2026_07_28 => {
            headers.insert(
                HeaderName::from_static("mcp-method"),
                HeaderValue::from_static("server/discover"),
            );
            headers.insert(
                HeaderName::from_static("mcp-protocol-version"),
                HeaderValue::from_static(ProtocolVersion::V2026_07_28.as_str()),
            );
            let meta = serde_json::json!({
                "io.modelcontextprotocol/protocolVersion": era.as_str(),
                "io.modelcontextprotocol/clientInfo": client,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            ("server/discover", serde_json::json!({ "_meta": meta }))
        }
        ProtocolVersion::V2025_03_26
        | ProtocolVersion::V2025_06_18
        | ProtocolVersion::V2025_11_25 => (
            "initialize",
            serde_json::json!({ "protocolVersion": era.as_str(), "capabilities": {}, "clientInfo": client }),
        ),
    };
    (headers, serde_json::json!({ "jsonrpc": "2.0", "id": "mcp-preflight", "method": method, "params": params }).to_string())
}

#[cfg(test)]
mod tests {
    use super::{
        super::admission::{Authorization, KeyDigest, Keyring},
        *,
    };

    #[test]
    fn a_server_that_would_be_handed_the_callers_token_is_asked_once() {
        let lines = [("x-key", "k"), ("authorization", "Bearer eyJ")];
        let headers = lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        let keyring = Keyring {
            header: HeaderName::from_static("x-key"),
            keys: vec![KeyDigest::of_key(b"k")],
        };
        let Authorization::Token(token) = keyring.admit(&headers).unwrap().authorization else {
            panic!()
        };
        let credential = Credential::Forwarded(token);
        let asked = probe_targets([3, 1, 3].map(|id| (ServerId(id), &credential)));
        let authorization = HeaderValue::from_static("Bearer eyJ");
        assert_eq!(
            asked,
            [3, 1].map(|id| ProbeTarget {
                server: ServerId(id),
                authorization: authorization.clone()
            })
        );
    }

    #[test]
    fn only_the_callers_own_token_is_asked_about() {
        let ids = || (0..).map(ServerId);
        let owned = [
            Credential::Missing,
            Credential::Static,
            Credential::ClientCredentials,
            Credential::None,
        ];
        assert_eq!(probe_targets(ids().zip(&owned)), []);
    }

    #[test]
    fn the_message_is_one_a_client_would_open_with() {
        let (headers, body) = probe_message(ProtocolVersion::V2025_11_25);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&body["method"], &body["params"]["protocolVersion"]),
            (&"initialize".into(), &"2025-11-25".into())
        );
        assert_eq!(body["params"]["clientInfo"]["name"], "mcp-preflight");
        assert!(headers.get("mcp-protocol-version").is_none());

        let (headers, body) = probe_message(ProtocolVersion::V2026_07_28);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["method"].as_str(), headers["mcp-method"].to_str().ok());
        assert_eq!(
            body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str(),
            headers["mcp-protocol-version"].to_str().ok()
        );
    }
}
