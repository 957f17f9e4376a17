//! Builds requests to upstreams.

use bytes::Bytes;
use http::{
    Method, Request, Uri,
    header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT},
};
use http_body_util::Full;
use serde_json::Value;

use super::protocol::{PROTOCOL_VERSION, SESSION_BASED_VERSION};

/// `User-Agent` of the gateway, by which operators of upstreams recognize probes (PRB-19).
pub(super) const PRODUCT: &str = "preflight-model/0.1";

/// A request to an upstream, whose body is complete.
pub(super) type UpstreamRequest = Request<Full<Bytes>>;

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpstreamError {
    /// The connection failed or broke off, or the response is not HTTP.
    Unreachable,
    /// There was no response head in time.
    TimedOut,
}

/// A request of the gateway's own, with a token.
pub(super) fn own_request(
    url: &str,
    method: Method,
    token: &HeaderValue,
    message: Option<Value>,
) -> UpstreamRequest {
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
) -> UpstreamRequest {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().unwrap_or_else(|_| Uri::from_static("/"));
    *request.headers_mut() = headers;
    request
}
