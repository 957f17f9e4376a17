//! Sends requests to upstreams and to the token endpoint.
//!
//! A request is sent once and no redirect is followed (PRB-12, PRB-13).

use std::time::Duration;

use http::{
    Request, Response, StatusCode, Uri,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use url::form_urlencoded;

use super::{
    deadlines::PROBE_DEADLINE,
    gateway::Gateway,
    upstream_request::{PRODUCT, UpstreamError, UpstreamRequest},
};
use crate::cases::deployment::ConfiguredServer;

/// The size limit of a response of the token endpoint, in bytes.
const GRANT_LIMIT: usize = 64 * 1024;

impl Gateway {
    /// Sends a request and waits for the response head.
    pub(super) async fn send(
        &self,
        request: UpstreamRequest,
        limit: Duration,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let request = self.decisions.upstream_request()(request);
        let deadline = Instant::now() + self.decisions.deadline()(limit);
        let copy = request.clone();
        let response = self.send_once(request, deadline).await?;
        if response.status().is_redirection()
            && let Some(target) = redirect_target(&response)
            && self.decisions.follows_redirects()
        {
            let mut redirected = copy;
            *redirected.uri_mut() = target;
            return self.send_once(redirected, deadline).await;
        }
        Ok(response)
    }

    async fn send_once(
        &self,
        request: UpstreamRequest,
        deadline: Instant,
    ) -> Result<Response<Incoming>, UpstreamError> {
        timeout_at(deadline, self.http.request(request))
            .await
            .map_err(|_| UpstreamError::TimedOut)?
            .map_err(|_| UpstreamError::Unreachable)
    }

    /// The token of a client-credentials server, fetched once for all requests that wait for it.
    pub(super) async fn client_credentials_token(
        &self,
        server: &ConfiguredServer,
    ) -> Option<HeaderValue> {
        let mut tokens = self.client_credentials.lock().await;
        if let Some((token, expiry)) = tokens.get(&server.name)
            && Instant::now() < *expiry
        {
            return Some(token.clone());
        }
        let (token, lifetime) = self.fetch_token(server.token_url.as_ref()?).await?;
        tokens.insert(server.name.clone(), (token.clone(), Instant::now() + lifetime));
        Some(token)
    }

    /// Requests a token with the client credentials grant (RFC 6749 §4.4).
    async fn fetch_token(&self, token_url: &str) -> Option<(HeaderValue, Duration)> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.deployment.client_id)
            .append_pair("client_secret", &self.deployment.client_secret)
            .finish();
        let request = Request::post(token_url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, PRODUCT)
            .body(Full::from(form))
            .ok()?;
        let response = self.send(request, PROBE_DEADLINE).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = timeout(PROBE_DEADLINE, Limited::new(response, GRANT_LIMIT).collect());
        let grant: Value = serde_json::from_slice(&body.await.ok()?.ok()?.to_bytes()).ok()?;
        let bearer = format!("Bearer {}", grant["access_token"].as_str()?);
        let lifetime = Duration::from_secs(grant["expires_in"].as_u64().unwrap_or(60));
        Some((HeaderValue::try_from(bearer).ok()?, lifetime))
    }
}

/// The target of a redirect.
fn redirect_target<B>(response: &Response<B>) -> Option<Uri> {
    response.headers().get(LOCATION)?.to_str().ok()?.parse().ok()
}
