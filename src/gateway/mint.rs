//! Obtains a bearer by client credentials (RFC 6749 §4.4) and keeps it until it expires.
//!
//! Who asks waits for the one that asked first (single-flight). Whether a server wants a minted credential is not decided here.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::{
    sync::Mutex,
    time::{Duration, Instant, timeout},
};

use super::{answer::whole, upstream::Upstream};
use crate::config::ClientCredentials;

/// How long before its expiry a bearer is no longer used, so that it does not expire on the way.
const MARGIN: Duration = Duration::from_secs(10);
/// The lifetime assumed where the token endpoint tells none.
const UNTOLD: Duration = Duration::from_secs(60);

/// The bearer for one server, once there is one.
#[derive(Default)]
pub(super) struct Mint(Mutex<Option<Minted>>);

struct Minted {
    bearer: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: Option<u64>,
}

impl Mint {
    /// The bearer, minted now if there is none, or nothing within the deadline; then the request fails closed (OPN-16).
    pub(super) async fn bearer(
        &self,
        upstream: &Upstream,
        client: &ClientCredentials,
        deadline: Duration,
    ) -> Option<HeaderValue> {
        let minting = async {
            let mut minted = self.0.lock().await;
            if let Some(minted) = minted.as_ref().filter(|minted| Instant::now() < minted.until) {
                return Some(minted.bearer.clone());
            }
            *minted = mint(upstream, client, deadline).await;
            minted.as_ref().map(|minted| minted.bearer.clone())
        };
        timeout(deadline, minting).await.ok().flatten()
    }

    /// Forgets a bearer that its server refused, so that the next request has a new one.
    pub(super) async fn forget(&self, refused: &HeaderValue) {
        let mut minted = self.0.lock().await;
        minted.take_if(|minted| minted.bearer == *refused);
    }
}

async fn mint(
    upstream: &Upstream,
    client: &ClientCredentials,
    deadline: Duration,
) -> Option<Minted> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let scope = client
        .scope
        .as_ref()
        .map(|scope| format!("&scope={}", encoded(scope)))
        .unwrap_or_default();
    let basic = format!(
        "{}:{}",
        encoded(&client.client_id),
        encoded(client.client_secret.expose_secret())
    );
    let mut basic =
        HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(basic))).ok()?;
    basic.set_sensitive(true);
    let request = Request::post(client.token_url.clone())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, basic)
        .body(whole(format!("grant_type=client_credentials{scope}")))
        .ok()?;
    let asked = Instant::now();
    let TokenResponse { access_token, expires_in } =
        serde_json::from_slice(&upstream.read(request, deadline).await?).ok()?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {access_token}")).ok()?;
    bearer.set_sensitive(true);
    let lifetime = expires_in.map_or(UNTOLD, Duration::from_secs);
    Some(Minted { bearer, until: asked + lifetime.saturating_sub(MARGIN) })
}
