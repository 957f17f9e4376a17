//! An upstream that requires a token of one authorization server, as the MCP authorization
//! specification describes it (RFC 6750, RFC 9728).
//!
//! A valid token leads to the SDK's server, or to a 403 if the test's [`Policy`] says so.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;

use crate::{authorization_server::AuthorizationServer, sdk_server};

/// The scope in the challenge of every 401 response.
pub(crate) const SCOPE: &str = "tools:call";
/// The scope in the challenge of [`Policy::DemandMoreScope`].
pub(crate) const MORE_SCOPE: &str = "tools:admin";

/// How the upstream answers a request with a valid token.
#[derive(Clone, Copy)]
pub(crate) enum Policy {
    /// Serves it.
    Accept,
    /// Answers 403 without a challenge.
    Forbid,
    /// Answers 403 with a challenge for [`MORE_SCOPE`], even if the token has that scope.
    DemandMoreScope,
}

/// Starts the upstream and returns its URL.
pub(crate) async fn start(authorization_server: &AuthorizationServer, policy: Policy) -> String {
    let grant_of = authorization_server.token_lookup();
    let authorization_server = authorization_server.url();
    sdk_server::start(move |request| {
        if request.uri().path().starts_with("/.well-known/oauth-protected-resource") {
            let host = request.headers()["host"].to_str().unwrap();
            let document = json!({
                "resource": format!("http://{host}/mcp"),
                "authorization_servers": [authorization_server],
                "scopes_supported": [SCOPE],
            });
            return Some(respond(200, None, &document.to_string()));
        }
        let valid = token(request).and_then(&grant_of).is_some();
        match (valid, policy) {
            (false, _) => Some(respond(401, Some(challenge("invalid_token", SCOPE)), "{}")),
            (true, Policy::Accept) => None,
            (true, Policy::Forbid) => Some(respond(403, None, "{}")),
            (true, Policy::DemandMoreScope) => {
                Some(respond(403, Some(challenge("insufficient_scope", MORE_SCOPE)), "{}"))
            }
        }
    })
    .await
}

fn token(request: &Request<Incoming>) -> Option<&str> {
    request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

/// A challenge whose metadata URL a client cannot use, so it must use the gateway's.
fn challenge(error: &str, scope: &str) -> String {
    let metadata = "http://upstream.invalid/";
    format!("Bearer error=\"{error}\", scope=\"{scope}\", resource_metadata=\"{metadata}\"")
}

fn respond(status: u16, challenge: Option<String>, body: &str) -> sdk_server::Response {
    let mut response =
        Response::builder().status(status).header("content-type", "application/json");
    if let Some(challenge) = challenge {
        response = response.header("www-authenticate", challenge);
    }
    response
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())).boxed())
        .unwrap()
}
