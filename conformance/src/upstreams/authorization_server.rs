//! The mock authorization server: its metadata, and a token endpoint for client credentials.
//!
//! It mints the one token of the plan for the one client of the plan, and decides nothing else.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use url::form_urlencoded;

use super::{answer::Answer, request::Request};
use crate::{cases::deployment::Deployment, trace::header};

const METADATA: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// What the authorization server answers.
pub(super) fn answer(deployment: &Deployment, request: &Request) -> Answer {
    let path = request.path();
    match request.method.as_str() {
        "GET" | "HEAD" if METADATA.iter().any(|known| path.starts_with(known)) => {
            Answer::json(200, &metadata(deployment))
        }
        "GET" | "HEAD" if path == "/jwks" => Answer::json(200, &json!({ "keys": [] })),
        "POST" if path == "/token" => token(deployment, request),
        _ => Answer::empty(404),
    }
}

fn metadata(deployment: &Deployment) -> serde_json::Value {
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

fn token(deployment: &Deployment, request: &Request) -> Answer {
    let form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field =
        |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    if field("grant_type").as_deref() != Some("client_credentials") {
        return Answer::json(400, &json!({ "error": "unsupported_grant_type" }));
    }
    let client = basic(request).or_else(|| Some((field("client_id")?, field("client_secret")?)));
    if client != Some((deployment.client_id.clone(), deployment.client_secret.clone())) {
        return Answer::json(401, &json!({ "error": "invalid_client" }))
            .with("WWW-Authenticate", r#"Basic realm="mock upstreams issuer""#);
    }
    let minted = json!({ "access_token": deployment.minted_token, "token_type": "Bearer", "expires_in": 3600, "scope": "mcp:read mcp:write" });
    Answer::json(200, &minted).with("Cache-Control", "no-store")
}

/// Id and secret of HTTP Basic; each is form-encoded first (RFC 6749 §2.3.1), by some clients more eagerly than by others.
fn basic(request: &Request) -> Option<(String, String)> {
    let (scheme, encoded) = header(&request.headers, "authorization")?.split_once(' ')?;
    let decoded = BASE64_STANDARD
        .decode(encoded.trim())
        .ok()
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let plain = |encoded: &str| {
        form_urlencoded::parse(format!("={encoded}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    Some((plain(id)?, plain(secret)?))
}
