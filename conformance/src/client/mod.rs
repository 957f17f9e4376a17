//! Sends a case's requests to the implementation under test and records what came back, to the very end of the body.
//!
//! It follows no redirect, knows no proxy, repeats nothing and keeps no connection: each exchange is what one request did. It has
//! deadlines of its own, so that a gateway that hangs is an observation and not a hang of the suite. It judges nothing.

pub mod case_request;
pub mod wire;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};

use crate::{
    implementations::Deadlines,
    trace::{Ending, Exchange, Headers},
};

/// How much of a body is kept; what comes after it is read and dropped.
const KEPT_BODY: usize = 256 * 1024;

/// How many of the bytes that a case sends are kept.
const KEPT_BYTES: usize = 8 * 1024;

/// How long an answer to GET is listened to. A listening stream may stay open and silent for as long as it likes, so there is no
/// point in more; what ends by then has ended.
const LISTENING: Duration = Duration::from_secs(2);

/// One request, as the client will put it on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The header lines, beside `Host` and the framing.
    pub headers: Headers,
    /// The body; empty for none.
    pub body: String,
    /// Whether it needs a raw socket, because a well-behaved library would refuse to send it.
    pub raw: bool,
}

/// How long the client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseTimeouts {
    /// For the response head, from the first byte sent.
    pub head: Duration,
    /// For the end of the body, from the head.
    pub body: Duration,
}

impl ResponseTimeouts {
    /// How long the client waits for an implementation with these deadlines.
    #[must_use]
    pub const fn of(deadlines: &Deadlines) -> Self {
        let answer = Duration::from_millis(deadlines.answer_ms);
        Self { head: answer, body: answer }
    }
}

/// The client in front of one gateway.
#[derive(Clone, Debug)]
pub struct Client {
    base_url: String,
    http: reqwest::Client,
    timeouts: ResponseTimeouts,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL is not one.
    #[error("`{0}` is not an http URL of a host and a port, for example http://127.0.0.1:4000")]
    BaseUrl(String),
    /// The HTTP library could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Setup(#[from] reqwest::Error),
}

impl Client {
    /// A client for the gateway at this base URL, a scheme, a host and a port.
    pub fn new(base_url: &str, timeouts: ResponseTimeouts) -> Result<Self, ClientError> {
        let refused = || ClientError::BaseUrl(base_url.to_owned());
        let url = url::Url::parse(base_url).map_err(|_| refused())?;
        if url.scheme() != "http" || url.host_str().is_none() {
            return Err(refused());
        }
        let http = polite_client().http1_only().build()?;
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            http,
            timeouts,
        })
    }

    /// A client for the same gateway that begins with HTTP/2 (RFC 9113 §3.3). What goes over a raw socket is HTTP/1.1 all the same.
    pub fn over_http2(&self) -> Result<Self, ClientError> {
        Ok(Self {
            http: polite_client().http2_prior_knowledge().build()?,
            ..self.clone()
        })
    }

    /// Where the gateway is, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How long it waits.
    #[must_use]
    pub fn timeouts(&self) -> ResponseTimeouts {
        self.timeouts
    }

    /// Host and port, for a raw socket.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base_url.trim_start_matches("http://")
    }

    /// Sends one request and reads the answer to its end.
    pub async fn send(&self, request: &Request) -> Exchange {
        if request.raw {
            return wire::send_once(self.authority(), request, self.timeouts).await;
        }
        let mut answer = self.open(request).await;
        while answer.part().await {}
        answer.finish()
    }

    /// Sends bytes as they are, on a connection of their own, and reads one answer. What else the bytes may be taken for has been served,
    /// too, when this returns.
    pub async fn send_bytes(&self, bytes: &[u8]) -> Exchange {
        let exchange = spelled(bytes);
        let Ok(mut connection) = wire::Connection::open(self.authority()).await else {
            return exchange;
        };
        let exchange = connection.put(exchange, bytes, self.timeouts).await;
        connection.end(self.timeouts).await;
        exchange
    }

    /// Sends one request and reads the head of the answer; the body is then read part by part.
    pub async fn open(&self, request: &Request) -> Answer {
        let exchange = unanswered(request);
        let started = Instant::now();
        let sent = async {
            let (method, headers) = polite(request)?;
            let building = self
                .http
                .request(method, format!("{}{}", self.base_url, request.path))
                .headers(headers);
            let building = if request.body.is_empty() {
                building
            } else {
                building.body(request.body.clone())
            };
            building.send().await.ok()
        };
        match timeout_at(started + self.timeouts.head, sent).await {
            Err(_) => Answer::over(Exchange { ending: Ending::HungBeforeHead, ..exchange }),
            Ok(None) => Answer::over(exchange),
            Ok(Some(response)) => {
                let exchange = Exchange {
                    status: Some(response.status().as_u16()),
                    headers: response
                        .headers()
                        .iter()
                        .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
                        .collect(),
                    ending: Ending::HungAfterHead,
                    head_after_ms: Some(started.elapsed().as_secs_f64() * 1000.0),
                    ..exchange
                };
                let timeouts = if request.method == "GET" {
                    self.timeouts.body.min(LISTENING)
                } else {
                    self.timeouts.body
                };
                Answer {
                    exchange,
                    body: Vec::new(),
                    response: Some(response),
                    until: Instant::now() + timeouts,
                }
            }
        }
    }
}

/// A library that follows nothing, knows no proxy, repeats nothing and keeps nothing.
fn polite_client() -> reqwest::ClientBuilder {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    client.retry(reqwest::retry::never()).referer(false).pool_max_idle_per_host(0)
}

/// An answer whose head has been read.
#[derive(Debug)]
pub struct Answer {
    exchange: Exchange,
    body: Vec<u8>,
    response: Option<reqwest::Response>,
    until: Instant,
}

impl Answer {
    fn over(exchange: Exchange) -> Self {
        Self {
            exchange,
            body: Vec::new(),
            response: None,
            until: Instant::now(),
        }
    }

    /// Reads the next part of the body; false when there is none any more.
    pub async fn part(&mut self) -> bool {
        let Some(response) = &mut self.response else { return false };
        let ending = match timeout_at(self.until, response.chunk()).await {
            Ok(Ok(Some(part))) => {
                let room = KEPT_BODY.saturating_sub(self.body.len());
                self.body.extend_from_slice(&part[..part.len().min(room)]);
                return true;
            }
            Ok(Ok(None)) => Ending::Complete,
            Ok(Err(_)) => Ending::Broken,
            Err(_) => Ending::HungAfterHead,
        };
        self.exchange.ending = ending;
        self.response = None;
        false
    }

    /// What has been read of the body so far.
    #[must_use]
    pub fn so_far(&self) -> &[u8] {
        &self.body
    }

    /// The record. Where the body had not been read to its end, the connection is dropped.
    #[must_use]
    pub fn finish(self) -> Exchange {
        Exchange { body: text(&self.body), ..self.exchange }
    }
}

/// The record of a request that nobody has answered yet.
#[must_use]
pub fn unanswered(request: &Request) -> Exchange {
    Exchange {
        method: request.method.clone(),
        path: request.path.clone(),
        sent_headers: request.headers.clone(),
        sent_body: request.body.clone(),
        status: None,
        headers: Headers::new(),
        body: String::new(),
        ending: Ending::NoHead,
        head_after_ms: None,
    }
}

/// The record of bytes that nobody has answered yet, as one who reads them forgivingly would have it.
fn spelled(bytes: &[u8]) -> Exchange {
    let spelled = text(&bytes[..bytes.len().min(KEPT_BYTES)]);
    let (head, body) = spelled.split_once("\r\n\r\n").unwrap_or((&spelled, ""));
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    unanswered(&Request { method, path, headers, body: body.to_owned(), raw: true })
}

/// The request as a library would have it; nothing where it is not one.
fn polite(request: &Request) -> Option<(http::Method, HeaderMap)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_bytes(value.as_bytes()).ok()?,
        );
    }
    Some((request.method.parse().ok()?, headers))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
