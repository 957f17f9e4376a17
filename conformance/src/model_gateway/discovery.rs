//! Serves the documents that a challenge leads to (RFC 9728 §3, RFC 8414 §3), and says whether the gateway is alive.
//!
//! Asks nobody, unless a fault does: which authorization server issues tokens for an upstream is configuration here.

use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::REQUEST_DEADLINE;
use super::fault::Switch;
use super::gateway::Gateway;
use super::relay::{Body, full};
use super::upstream::addressed;

/// Where protected-resource metadata is found, before the path of the endpoint.
pub(super) const RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// Where a variant's challenges find the same documents.
pub(super) const ELSEWHERE: &str = "/oauth/resources";
/// Where the authorization server's metadata is found, before the path of the endpoint.
pub(super) const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

impl Gateway {
    /// The document at that path; `None` where the path is none of a document.
    pub(super) async fn document(
        &self,
        uri: &http::Uri,
        has_credentials: bool,
    ) -> Option<Response<Body>> {
        let path = uri.path();
        if matches!(path, "/healthz" | "/readyz") {
            return Some(Response::new(full("ok")));
        }
        let elsewhere =
            path.strip_prefix(ELSEWHERE).filter(|_| self.has(Switch::DocumentsOtherwise));
        let resource = path.strip_prefix(RESOURCE).or(elsewhere);
        let endpoint = resource.or_else(|| path.strip_prefix(AUTHORIZATION_SERVER))?;
        if self.has(Switch::DiscoveryNeedsKey) && !has_credentials {
            return Some(json_answer(
                StatusCode::UNAUTHORIZED,
                &json!({ "error": "unauthorized" }),
            ));
        }
        let known = self.places.server_of(endpoint).and_then(|name| self.deployment.server(name));
        if let Some(server) = known.filter(|_| self.has(Switch::FollowsMetadata)) {
            self.fetch_carelessly(&server.url).await;
        }
        let known = known
            .filter(|_| resource.is_none() || !self.has(Switch::MetadataAtTheRoot))
            .map(|server| server.url.as_str());
        // Of several servers the resource is their route, whichever of them has refused (RFC 9728 §3.3).
        let of_several = uri
            .query()
            .and_then(|query| query.strip_prefix("resource="))
            .filter(|_| known.is_some());
        let issuer = &self.deployment.issuer;
        Some(if known.is_none() {
            json_answer(StatusCode::NOT_FOUND, &json!({ "error": "not_found" }))
        } else if resource.is_some() {
            let servers = if self.has(Switch::NoAuthorizationServers) {
                vec![]
            } else {
                vec![issuer]
            };
            let mut document = json!({
                "resource": known.filter(|_| self.has(Switch::MetadataNamesUpstream)).map_or(format!("{}{}", self.base_url, of_several.unwrap_or(endpoint)), str::to_owned),
                "scopes_supported": if self.has(Switch::OffersOfflineAccess) { vec!["mcp:read", "offline_access"] } else { vec!["mcp:read"] },
                "authorization_servers": servers,
                "bearer_methods_supported": ["header"],
            });
            if self.has(Switch::DocumentsOtherwise) {
                document["resource_name"] = json!("Übergang");
                document["resource_documentation"] = json!(format!("{}/help", self.base_url));
                document["x-gateway"] = json!({ "resource": "none", "authorization_servers": [] });
            }
            let mut answer = json_answer(StatusCode::OK, &document);
            if self.has(Switch::DocumentsOtherwise) {
                answer.headers_mut().insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("Application/JSON; charset=\"utf-8\""),
                );
            }
            answer
        } else {
            let document = json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": self.deployment.token_url,
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            });
            json_answer(StatusCode::OK, &document)
        })
    }
}

impl Gateway {
    /// The fault that goes wherever an upstream's own document is said to be, as often as it is asked.
    async fn fetch_carelessly(&self, url: &str) {
        let place = url.replace("/mcp", &format!("{RESOURCE}/mcp"));
        let asking = |url: &str| addressed(url, Method::GET, HeaderMap::new(), Full::default());
        let Ok(answer) = self.send(asking(&place), REQUEST_DEADLINE).await else {
            return;
        };
        let moved = answer
            .headers()
            .get(LOCATION)
            .and_then(|place| place.to_str().ok())
            .map(str::to_owned);
        // Only that it asks is looked at.
        if let Some(moved) = moved {
            let _ = self.send(asking(&moved), REQUEST_DEADLINE).await;
        }
    }
}

fn json_answer(status: StatusCode, document: &serde_json::Value) -> Response<Body> {
    let mut answer = Response::new(full(document.to_string()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
