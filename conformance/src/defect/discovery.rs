//! Serves the documents that a challenge leads to (RFC 9728 §3, RFC 8414 §3), and says whether the gateway is alive.
//!
//! Asks nobody: which authorization server issues tokens for an upstream is configuration here.

use http::{Response, StatusCode};
use serde_json::json;

use super::fault::Switch;
use super::gateway::{Gateway, server_of};
use super::relay::{Body, full};

/// Where protected-resource metadata is found, before the path of the endpoint.
pub(super) const RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// Where the authorization server's metadata is found, before the path of the endpoint.
pub(super) const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

impl Gateway {
    /// The document at that path; `None` where the path is none of a document.
    pub(super) fn document(&self, path: &str, has_credentials: bool) -> Option<Response<Body>> {
        if matches!(path, "/healthz" | "/readyz") {
            return Some(Response::new(full("ok")));
        }
        let resource = path.strip_prefix(RESOURCE);
        let endpoint = resource.or_else(|| path.strip_prefix(AUTHORIZATION_SERVER))?;
        if self.has(Switch::DiscoveryNeedsKey) && !has_credentials {
            return Some(json_answer(StatusCode::UNAUTHORIZED, &json!({ "error": "unauthorized" })));
        }
        let known = server_of(endpoint).and_then(|name| self.plan.server(name)).is_some();
        let issuer = &self.plan.issuer;
        Some(if !known {
            json_answer(StatusCode::NOT_FOUND, &json!({ "error": "not_found" }))
        } else if resource.is_some() {
            let servers = if self.has(Switch::NoAuthorizationServers) { vec![] } else { vec![issuer] };
            let document = json!({
                "resource": format!("{}{endpoint}", self.base_url),
                "authorization_servers": servers,
                "bearer_methods_supported": ["header"],
            });
            json_answer(StatusCode::OK, &document)
        } else {
            let document = json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": self.plan.token_url,
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            });
            json_answer(StatusCode::OK, &document)
        })
    }
}

fn json_answer(status: StatusCode, document: &serde_json::Value) -> Response<Body> {
    let mut answer = Response::new(full(document.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}
