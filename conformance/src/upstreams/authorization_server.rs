//! The mock authorization server: its metadata, and a token endpoint for client credentials (RFC
//! 6749 §4.4).
//!
//! It issues the one minted token of the deployment to the one client of the deployment.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{request::Request, response::Response};
use crate::{cases::deployment::Deployment, trace::header};

const METADATA_PATHS: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// The response of the authorization server.
pub(super) fn respond(deployment: &Deployment, request: &Request) -> Response {
    let path = request.path();
    match request.method.as_str() {
        "GET" | "HEAD" if METADATA_PATHS.iter().any(|known| path.starts_with(known)) => {
            Response::json(200, &metadata(deployment))
        }
        "GET" | "HEAD" if path == "/jwks" => Response::json(200, &json!({ "keys": [] })),
        "POST" if path == "/token" => issue_token(deployment, request),
        _ => Response::empty(404),
    }
}

fn metadata(deployment: &Deployment) -> Value {
    let issuer = &deployment.issuer;
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": deployment.token_url,
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["mcp:read", "mcp:write"],
    })
}

fn issue_token(deployment: &Deployment, request: &Request) -> Response {
    let form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field =
        |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    if field("grant_type").as_deref() != Some("client_credentials") {
        return Response::json(400, &json!({ "error": "unsupported_grant_type" }));
    }
    let client =
        basic_credentials(request).or_else(|| Some((field("client_id")?, field("client_secret")?)));
    if client != Some((deployment.client_id.clone(), deployment.client_secret.clone())) {
        return Response::json(401, &json!({ "error": "invalid_client" }))
            .with("WWW-Authenticate", r#"Basic realm="mock upstreams issuer""#);
    }
    let token = json!({
        "access_token": deployment.minted_token,
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "mcp:read mcp:write",
    });
    Response::json(200, &token).with("Cache-Control", "no-store")
}

/// The client id and the secret of HTTP Basic. Both are form-encoded (RFC 6749 §2.3.1).
fn basic_credentials(request: &Request) -> Option<(String, String)> {
    let (scheme, encoded) = header(&request.headers, "authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(encoded: &str) -> Option<String> {
    form_urlencoded::parse(format!("={encoded}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
}
