//! Decides what the protected resource metadata of an endpoint contains.
//!
//! The metadata names the gateway's URL as the resource, because a client compares it with the URL
//! that it used (RFC 9728 §3.3). It names the upstream's authorization servers, because they issue
//! the tokens.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use super::ExternalUrl;
use crate::route::Endpoint;

/// The members of an upstream's protected resource metadata that the gateway reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct UpstreamMetadata {
    /// The issuers of tokens for the upstream.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// The scopes of the upstream.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
}

impl UpstreamMetadata {
    /// Adds the entries of another server's metadata that are not present yet.
    pub fn merge(&mut self, other: &Self) {
        append_missing(&mut self.authorization_servers, &other.authorization_servers);
        append_missing(&mut self.scopes_supported, &other.scopes_supported);
    }
}

fn append_missing(list: &mut Vec<String>, additions: &[String]) {
    for addition in additions {
        if !list.contains(addition) {
            list.push(addition.clone());
        }
    }
}

/// The protected resource metadata of an endpoint (RFC 9728 §2). `None` if no authorization server
/// is known, because a client could not use a document without one (DSC-03).
#[must_use]
pub fn protected_resource_document(
    external: &ExternalUrl,
    endpoint: &Endpoint<'_>,
    upstream: &UpstreamMetadata,
) -> Option<String> {
    if upstream.authorization_servers.is_empty() {
        return None;
    }
    let mut document = serde_json::json!({
        "resource": format!("{}{endpoint}", external.0),
        "authorization_servers": upstream.authorization_servers,
        "bearer_methods_supported": ["header"],
        "resource_name": match endpoint {
            Endpoint::SingleServer(endpoint) => endpoint.server.to_owned(),
            Endpoint::Aggregate(_) => "mcp-preflight".to_owned(),
        },
    });
    // `offline_access` asks an authorization server for a refresh token; it is not a scope of the
    // resource (DSC-06).
    let scopes: Vec<&String> = upstream
        .scopes_supported
        .iter()
        .filter(|scope| *scope != "offline_access")
        .collect();
    if !scopes.is_empty() {
        document["scopes_supported"] = serde_json::json!(scopes);
    }
    Some(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::ServerEndpoint;

    const ENDPOINT: Endpoint<'static> = Endpoint::SingleServer(ServerEndpoint {
        server: "alpha",
        server_first: true,
        trailing_slash: true,
    });

    fn metadata(authorization_servers: &[&str], scopes: &[&str]) -> UpstreamMetadata {
        UpstreamMetadata {
            authorization_servers: authorization_servers.iter().map(ToString::to_string).collect(),
            scopes_supported: scopes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn the_resource_is_the_url_that_the_client_used() {
        let upstream = metadata(&["https://as.test"], &["tools", "offline_access"]);
        let external = ExternalUrl("https://gw.test".into());
        let document: serde_json::Value = serde_json::from_str(
            &protected_resource_document(&external, &ENDPOINT, &upstream).unwrap(),
        )
        .unwrap();
        assert_eq!(document["resource"], "https://gw.test/alpha/mcp/");
        assert_eq!(document["scopes_supported"], serde_json::json!(["tools"]));
        let unknown = UpstreamMetadata::default();
        assert_eq!(protected_resource_document(&external, &ENDPOINT, &unknown), None);
    }

    #[test]
    fn merged_metadata_has_each_entry_once() {
        let mut merged = metadata(&["https://one.test"], &["a", "b"]);
        merged.merge(&metadata(&["https://two.test", "https://one.test"], &["b", "c"]));
        assert_eq!(merged, metadata(&["https://one.test", "https://two.test"], &["a", "b", "c"]));
    }
}
