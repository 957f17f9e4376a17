//! Builds the HTTP client for all upstreams.

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::decisions::Decisions;

/// The HTTP client for all upstreams.
pub(super) type HttpClient = Client<HttpConnector, Full<Bytes>>;

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
