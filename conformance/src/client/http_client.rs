//! The client that sends requests through an HTTP library, or as plain bytes over a raw socket.

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::{
    Request, ResponseReader, ResponseTimeouts,
    exchange::{exchange_of_bytes, exchange_without_response},
    lossy_text,
    raw_connection::{self, RawConnection},
};
use crate::trace::{Ending, Exchange};

/// The client of one implementation.
#[derive(Clone, Debug)]
pub struct Client {
    base_url: String,
    http: reqwest::Client,
    timeouts: ResponseTimeouts,
}

/// Why a client could not be created.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL is not an HTTP URL with a host.
    #[error("`{0}` is not an http URL of a host and a port, for example http://127.0.0.1:4000")]
    BaseUrl(String),
    /// The HTTP library could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(#[from] reqwest::Error),
}

impl Client {
    /// A client for the implementation at this base URL: scheme, host and port.
    ///
    /// # Errors
    ///
    /// The URL is not an `http` URL with a host, or the HTTP library could not be set up.
    pub fn new(base_url: &str, timeouts: ResponseTimeouts) -> Result<Self, ClientError> {
        let is_usable = url::Url::parse(base_url)
            .is_ok_and(|url| url.scheme() == "http" && url.host_str().is_some());
        if !is_usable {
            return Err(ClientError::BaseUrl(base_url.to_owned()));
        }
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            http: library_client().http1_only().build()?,
            timeouts,
        })
    }

    /// A client for the same implementation that starts with HTTP/2 (RFC 9113 §3.3).
    ///
    /// Requests over a raw socket still use HTTP/1.1.
    ///
    /// # Errors
    ///
    /// The HTTP library could not be set up.
    pub fn over_http2(&self) -> Result<Self, ClientError> {
        Ok(Self {
            http: library_client().http2_prior_knowledge().build()?,
            ..self.clone()
        })
    }

    /// The base URL of the implementation, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How long the client waits for a response.
    #[must_use]
    pub fn timeouts(&self) -> ResponseTimeouts {
        self.timeouts
    }

    /// Host and port of the implementation.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base_url.trim_start_matches("http://")
    }

    /// Sends one request and reads the response to its end.
    pub async fn send(&self, request: &Request) -> Exchange {
        if request.raw {
            return raw_connection::send_once(self.authority(), request, self.timeouts).await;
        }
        let mut response = self.open(request).await;
        while response.read_part().await {}
        response.finish()
    }

    /// Sends bytes unchanged over a new connection and reads one response.
    ///
    /// If the bytes contain further requests, the implementation has served them when this returns.
    pub async fn send_bytes(&self, bytes: &[u8]) -> Exchange {
        let exchange = exchange_of_bytes(bytes);
        let Ok(mut connection) = RawConnection::open(self.authority()).await else {
            return exchange;
        };
        let exchange = connection.send_bytes(exchange, bytes, self.timeouts).await;
        connection.drain(self.timeouts).await;
        exchange
    }

    /// Sends one request and reads the response head. The caller then reads the body part by part.
    pub async fn open(&self, request: &Request) -> ResponseReader {
        let exchange = exchange_without_response(request);
        let started = Instant::now();
        let deadline = started + self.timeouts.head;
        let response = match timeout_at(deadline, self.response_head(request)).await {
            Err(_) => {
                return ResponseReader::without_response(Exchange {
                    ending: Ending::HungBeforeHead,
                    ..exchange
                });
            }
            Ok(None) => return ResponseReader::without_response(exchange),
            Ok(Some(response)) => response,
        };
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), lossy_text(value.as_bytes())))
            .collect();
        let exchange = Exchange {
            status: Some(response.status().as_u16()),
            headers,
            ending: Ending::HungAfterHead,
            head_after_ms: Some(started.elapsed().as_secs_f64() * 1000.0),
            ..exchange
        };
        let deadline = Instant::now() + self.timeouts.body_of(&request.method);
        ResponseReader::new(exchange, response, deadline)
    }

    /// Sends the request and waits for the response head; `None` if there is none.
    async fn response_head(&self, request: &Request) -> Option<reqwest::Response> {
        let (method, headers) = library_request(request)?;
        let url = format!("{}{}", self.base_url, request.path);
        let mut builder = self.http.request(method, url).headers(headers);
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        builder.send().await.ok()
    }
}

/// An HTTP library that follows no redirect, uses no proxy, retries nothing and keeps no
/// connection.
fn library_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .referer(false)
        .pool_max_idle_per_host(0)
}

/// Method and header fields in the types of the library; `None` if they are not valid HTTP.
fn library_request(request: &Request) -> Option<(http::Method, HeaderMap)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_bytes(value.as_bytes()).ok()?,
        );
    }
    Some((request.method.parse().ok()?, headers))
}
