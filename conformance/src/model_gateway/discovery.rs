//! Serves the metadata to which challenges refer (RFC 9728 §3, RFC 8414 §3), and health checks.
//!
//! The authorization server of an upstream is configured; no upstream is asked for it.

use http::{
    Response, StatusCode, Uri,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::{Value, json};

use super::{
    deadlines::REQUEST_DEADLINE,
    gateway::Gateway,
    layout::{AUTHORIZATION_SERVER_METADATA, RESOURCE_METADATA},
    relay::{Body, full},
};
use crate::cases::deployment::ConfiguredServer;

impl Gateway {
    /// The document at that path; `None` if the path is not that of a document.
    pub(super) async fn metadata(
        &self,
        uri: &Uri,
        has_credentials: bool,
    ) -> Option<Response<Body>> {
        let path = uri.path();
        if matches!(path, "/healthz" | "/readyz") {
            return Some(Response::new(full("ok")));
        }
        let resource = path
            .strip_prefix(RESOURCE_METADATA)
            .or_else(|| path.strip_prefix(self.decisions.metadata_path()));
        let endpoint = resource.or_else(|| path.strip_prefix(AUTHORIZATION_SERVER_METADATA))?;
        if !has_credentials && self.decisions.metadata_needs_credentials() {
            let document = json!({ "error": "unauthorized" });
            return Some(json_response(StatusCode::UNAUTHORIZED, &document));
        }
        let server = self.layout.server_in(endpoint).and_then(|name| self.deployment.server(name));
        let Some(server) = server else { return Some(no_metadata()) };
        let send = |request| self.send(request, REQUEST_DEADLINE);
        self.decisions.before_metadata()(&|request| Box::pin(send(request)), server).await;
        Some(match resource {
            None => json_response(StatusCode::OK, &self.authorization_server_metadata()),
            Some(_) if !self.decisions.serves_metadata_of_paths() => no_metadata(),
            Some(_) => self.resource_metadata(uri, endpoint, server),
        })
    }

    fn resource_metadata(
        &self,
        uri: &Uri,
        endpoint: &str,
        server: &ConfiguredServer,
    ) -> Response<Body> {
        // On an aggregate endpoint the resource is the endpoint itself, whichever server refused
        // (RFC 9728 §3.3).
        let aggregate = uri.query().and_then(|query| query.strip_prefix("resource="));
        let document = json!({
            "resource": format!("{}{}", self.base_url, aggregate.unwrap_or(endpoint)),
            "scopes_supported": ["mcp:read"],
            "authorization_servers": [self.deployment.issuer],
            "bearer_methods_supported": ["header"],
        });
        let document = self.decisions.resource_metadata()(document, server, &self.base_url);
        let mut response = json_response(StatusCode::OK, &document);
        let media_type = HeaderValue::from_static(self.decisions.metadata_media_type());
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        response
    }

    fn authorization_server_metadata(&self) -> Value {
        let issuer = &self.deployment.issuer;
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": self.deployment.token_url,
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        })
    }
}

fn no_metadata() -> Response<Body> {
    json_response(StatusCode::NOT_FOUND, &json!({ "error": "not_found" }))
}

fn json_response(status: StatusCode, document: &Value) -> Response<Body> {
    let mut response = Response::new(full(document.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
