//! Sends requests to upstreams and to the token endpoint.
//!
//! A request is sent once and no redirect is followed (PRB-12, PRB-13).

use std::time::Duration;

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode, Uri,
    header::{
        ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
        USER_AGENT,
    },
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use url::{Url, form_urlencoded};

use super::{
    PROBE_DEADLINE,
    decisions::{Decisions, redirect_target},
    gateway::{Gateway, forwards_token},
};
use crate::cases::deployment::ConfiguredServer;

/// The HTTP client for all upstreams.
pub(super) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The protocol version of the gateway's own session-based requests.
pub(super) const SESSION_BASED_VERSION: &str = "2025-11-25";

/// `User-Agent` of the gateway, by which operators of upstreams recognize probes (PRB-19).
pub(super) const PRODUCT: &str = "preflight-model/0.1";

/// The size limit of a response of the token endpoint, in bytes.
const GRANT_LIMIT: usize = 64 * 1024;

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpstreamError {
    /// The connection failed or broke off, or the response is not HTTP.
    Unreachable,
    /// There was no response head in time.
    TimedOut,
}

/// Whether a caller's token would leave this machine without TLS (OAuth 2.1 §1.5).
pub(super) fn sends_cleartext(server: &ConfiguredServer) -> bool {
    let Ok(url) = Url::parse(&server.url) else { return false };
    let is_local = url
        .host_str()
        .is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    forwards_token(server) && url.scheme() == "http" && !is_local
}

/// The HTTP client. It repeats a request only if a pooled connection had ended before the request
/// was written.
pub(super) fn http_client(decisions: &Decisions) -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let idle_connections = if decisions.pools_connections() { usize::MAX } else { 0 };
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(idle_connections)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_title_case_headers(decisions.title_case_field_names())
        .build(connector)
}

impl Gateway {
    /// Sends a request and waits for the response head.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
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
        request: Request<Full<Bytes>>,
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

/// A request of the gateway's own, with a token.
pub(super) fn own_request(
    url: &str,
    method: Method,
    token: &HeaderValue,
    message: Option<Value>,
) -> Request<Full<Bytes>> {
    let mut headers = HeaderMap::new();
    if method == Method::HEAD {
        // Some servers send a body after HEAD, so the connection is not reused.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(AUTHORIZATION, token.clone());
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(SESSION_BASED_VERSION));
    let body = message.map_or_else(Full::default, |message| {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Full::from(message.to_string())
    });
    upstream_request(url, method, headers, body)
}

/// A request to a configured URL. An invalid URL leads to no server.
pub(super) fn upstream_request(
    url: &str,
    method: Method,
    headers: HeaderMap,
    body: Full<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().unwrap_or_else(|_| Uri::from_static("/"));
    *request.headers_mut() = headers;
    request
}
