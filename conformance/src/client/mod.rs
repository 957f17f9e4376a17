//! The client of the suite: sends the requests of a case to the implementation and records every
//! exchange.
//!
//! The client follows no redirect, uses no proxy, retries nothing and reuses no connection, so that
//! one exchange is the effect of one request. It has its own timeouts: an implementation that hangs
//! becomes an observation and does not block the suite. It judges nothing.
//!
//! | module | contents |
//! | --- | --- |
//! | [`case`] | the identity and the secrets of one case |
//! | `message` | the MCP message of a request: method, header fields and body |
//! | [`case_request`] | the request that a case sends |
//! | `http_client` | [`Client`], which sends through an HTTP library |
//! | `response_reader` | [`ResponseReader`], which reads a response body part by part |
//! | [`raw_connection`] | HTTP/1.1 on a raw socket, for requests that the library refuses to send |
//! | `raw_response` | response heads and body framing for `raw_connection` |
//! | `exchange` | the records of exchanges that have no response yet |
//! | [`session`] | the session that a response to `initialize` opens |

pub mod case;
pub mod case_request;
mod exchange;
mod http_client;
mod message;
pub mod raw_connection;
mod raw_response;
mod response_reader;
pub mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::{
    exchange::exchange_without_response,
    http_client::{Client, ClientError},
    response_reader::ResponseReader,
};
use crate::{implementations::Deadlines, trace::Headers};

/// How many bytes of a response body are recorded. The rest is read and dropped.
const RECORDED_RESPONSE_BODY: usize = 256 * 1024;

/// How long the client reads the body of a response to GET.
///
/// A listening stream may stay open without events for any time, so waiting longer shows nothing
/// more.
const LISTENING: Duration = Duration::from_secs(2);

/// One request, as the client sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The header fields, without `Host` and without the fields of the body framing.
    pub headers: Headers,
    /// The body; empty for none.
    pub body: String,
    /// Whether the request is sent over a raw socket, because an HTTP library would refuse to send
    /// it.
    pub raw: bool,
}

/// How long the client waits for a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseTimeouts {
    /// The time from the first byte sent to the end of the response head.
    pub head: Duration,
    /// The time from the end of the response head to the end of the body.
    pub body: Duration,
}

impl ResponseTimeouts {
    /// The timeouts for an implementation with these deadlines.
    #[must_use]
    pub const fn of(deadlines: &Deadlines) -> Self {
        let answer = Duration::from_millis(deadlines.answer_ms);
        Self { head: answer, body: answer }
    }

    /// The time for the body of a response to this method.
    pub(super) fn body_of(self, method: &str) -> Duration {
        if method == "GET" { self.body.min(LISTENING) } else { self.body }
    }
}

/// The bytes as text; bytes that are not UTF-8 are replaced.
fn lossy_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
