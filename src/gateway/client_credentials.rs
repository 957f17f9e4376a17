//! Obtains access tokens with client credentials (RFC 6749 §4.4) and keeps each until it expires.
//!
//! Concurrent requests wait for one token request. Which servers need such a token is decided
//! elsewhere.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Duration, Instant, timeout},
};

use super::{
    body::{Body, full_body},
    http_client::HttpClient,
};
use crate::config::ClientCredentials;

/// How long before its expiry a token is no longer used, so that it does not expire on the way to
/// the server.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// The lifetime of a token if the response has no readable `expires_in`.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// The longest time for which a token is used. A later expiry is not believed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The access token for one server.
#[derive(Default)]
pub(super) struct TokenCache(Mutex<Option<CachedToken>>);

struct CachedToken {
    authorization: HeaderValue,
    usable_until: Instant,
}

/// The token response (RFC 6749 §5.1).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    /// A number of seconds. Some authorization servers send a string or a fraction, so it is not
    /// validated here.
    #[serde(default)]
    expires_in: Value,
}

/// The lifetime that a response states: at least zero and at most [`MAX_LIFETIME`].
fn lifetime(expires_in: &Value) -> Duration {
    let seconds = match expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match seconds {
        Some(seconds) if !seconds.is_nan() => {
            Duration::from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME.as_secs_f64()))
        }
        _ => DEFAULT_LIFETIME,
    }
}

impl TokenCache {
    /// The value of `Authorization`, from the cache or from the token endpoint. `None` if no token
    /// could be obtained within the deadline; the request then fails (OPN-16).
    pub(super) async fn token(
        &self,
        http: &HttpClient,
        client: &ClientCredentials,
        deadline: Duration,
    ) -> Option<HeaderValue> {
        let obtaining = async {
            let mut cached = self.0.lock().await;
            let usable = cached.as_ref().filter(|token| Instant::now() < token.usable_until);
            if let Some(token) = usable {
                return Some(token.authorization.clone());
            }
            *cached = request_token(http, client, deadline).await;
            cached.as_ref().map(|token| token.authorization.clone())
        };
        timeout(deadline, obtaining).await.ok().flatten()
    }

    /// Removes a token that its server refused, so that the next request obtains a new one.
    pub(super) async fn forget(&self, refused: &HeaderValue) {
        let mut cached = self.0.lock().await;
        cached.take_if(|token| token.authorization == *refused);
    }
}

async fn request_token(
    http: &HttpClient,
    client: &ClientCredentials,
    deadline: Duration,
) -> Option<CachedToken> {
    let requested = Instant::now();
    let response = http.fetch_document(token_request(client)?, deadline).await?;
    let TokenResponse { access_token, expires_in } = serde_json::from_slice(&response).ok()?;
    let mut authorization = HeaderValue::try_from(format!("Bearer {access_token}")).ok()?;
    authorization.set_sensitive(true);
    let usable_until = requested + lifetime(&expires_in).saturating_sub(EXPIRY_MARGIN);
    Some(CachedToken { authorization, usable_until })
}

/// The token request (RFC 6749 §4.4.2), with the client authenticated by HTTP Basic (§2.3.1).
fn token_request(client: &ClientCredentials) -> Option<Request<Body>> {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let id = encode(&client.client_id);
    let secret = encode(client.client_secret.expose_secret());
    let credentials = BASE64_STANDARD.encode(format!("{id}:{secret}"));
    let mut authorization = HeaderValue::try_from(format!("Basic {credentials}")).ok()?;
    authorization.set_sensitive(true);
    let mut form = "grant_type=client_credentials".to_owned();
    if let Some(scope) = &client.scope {
        form += &format!("&scope={}", encode(scope));
    }
    Request::post(client.token_url.clone())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, authorization)
        .body(full_body(form))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lifetime_that_a_token_response_can_state_is_usable() {
        let day = 24 * 60 * 60;
        for (expires_in, seconds) in [
            ("3600", 3600.0),
            ("\"3600\"", 3600.0),
            ("\" 90 \"", 90.0),
            ("1.5", 1.5),
            ("0", 0.0),
            ("-1", 0.0),
            ("9223372036854775807", f64::from(day)),
            ("1e300", f64::from(day)),
            ("\"inf\"", f64::from(day)),
            ("\"NaN\"", 60.0),
            ("\"soon\"", 60.0),
            ("null", 60.0),
            ("{}", 60.0),
        ] {
            let response = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
            let response: TokenResponse = serde_json::from_str(&response).unwrap();
            let expected = Duration::from_secs_f64(seconds);
            assert_eq!(lifetime(&response.expires_in), expected, "{expires_in}");
        }
        let response: TokenResponse = serde_json::from_str(r#"{"access_token":"t"}"#).unwrap();
        assert_eq!(lifetime(&response.expires_in), DEFAULT_LIFETIME);
    }
}
