//! An upstream that takes only tokens of one issuer, as the MCP specification has a protected server do it (RFC 6750, RFC 9728).
//!
//! Behind the guard is the SDK's server; whether a token that the issuer knows is enough is the test's to say.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;

use crate::{
    issuer::Issuer,
    sdk::{self, Answer},
};

/// The scope that every answer 401 asks for.
pub(crate) const SCOPE: &str = "tools:call";

/// Whom the guard lets through, of those whose tokens are good.
#[derive(Clone, Copy)]
pub(crate) enum Guard {
    /// Everybody.
    Open,
    /// Nobody: they get 403, bare.
    Shut,
    /// Nobody: they get 403 and are told to come back with a scope, also when they have it.
    Insatiable,
}

/// The scope that [`Guard::Insatiable`] asks for.
pub(crate) const MORE_SCOPE: &str = "tools:admin";

/// Serves at the URL that it returns.
pub(crate) async fn serve(issuer: &Issuer, guard: Guard) -> String {
    let (knows, issuer) = (issuer.knows(), issuer.url());
    sdk::serve(move |request| {
        if request.uri().path().starts_with("/.well-known/oauth-protected-resource") {
            let document = json!({
                "resource": format!("http://{}/mcp", request.headers()["host"].to_str().unwrap()),
                "authorization_servers": [issuer],
                "scopes_supported": [SCOPE],
            });
            return Some(answer(200, None, &document.to_string()));
        }
        let challenge = |parameters: &str| {
            Some(format!("Bearer {parameters}, resource_metadata=\"http://upstream.invalid/\""))
        };
        match (token(request).and_then(&knows), guard) {
            (None, _) => Some(answer(
                401,
                challenge(&format!("error=\"invalid_token\", scope=\"{SCOPE}\"")),
                "{}",
            )),
            (Some(_), Guard::Open) => None,
            (Some(_), Guard::Shut) => Some(answer(403, None, "{}")),
            (Some(_), Guard::Insatiable) => Some(answer(
                403,
                challenge(&format!("error=\"insufficient_scope\", scope=\"{MORE_SCOPE}\"")),
                "{}",
            )),
        }
    })
    .await
}

fn token(request: &Request<Incoming>) -> Option<&str> {
    request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

fn answer(status: u16, challenge: Option<String>, body: &str) -> Answer {
    let mut answer = Response::builder().status(status).header("content-type", "application/json");
    if let Some(challenge) = challenge {
        answer = answer.header("www-authenticate", challenge);
    }
    answer.body(Full::new(Bytes::copy_from_slice(body.as_bytes())).boxed()).unwrap()
}
