//! Reads requests from a connection, with the order and the case of their header fields.
//!
//! The reader is lenient: it records everything that it can read, and notes a flaw beside it.

use std::sync::OnceLock;

use bytes::Buf;
use serde_json::Value;

use super::connection::Connection;
use crate::trace::{Headers, all_headers, header};

/// The response to a larger head is 431. The limit is high, because the limits of gateways are
/// tested.
const HEAD_LIMIT: usize = 1 << 20;
/// The response to a larger body is 413.
const BODY_LIMIT: usize = 16 << 20;
/// The largest number of header fields that is parsed.
const FIELDS_LIMIT: usize = 16 << 10;

/// Why a request is rejected without a look at its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The request is not valid HTTP/1.
    Malformed,
    /// The head is larger than [`HEAD_LIMIT`].
    HeadTooLarge,
    /// The body is larger than [`BODY_LIMIT`].
    BodyTooLarge,
    /// The peer closed the connection before the end of the request.
    Cut,
}

/// A request as it was received.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Headers,
    /// The body; for a malformed request, everything that was read.
    pub(super) body: Vec<u8>,
    pub(super) flaw: Option<Flaw>,
    /// Whether the peer permits another request on the connection.
    pub(super) keep_alive: bool,
    /// The body as JSON, once it has been parsed.
    pub(super) parsed_body: OnceLock<Option<Value>>,
}

impl Request {
    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    pub(super) fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, if it is JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        self.parsed_body
            .get_or_init(|| serde_json::from_slice(&self.body).ok())
            .as_ref()
    }

    /// The session id.
    pub(super) fn session(&self) -> Option<&str> {
        header(&self.headers, "mcp-session-id")
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

/// Reads the head of the next request and leaves its body unread. `None` if there is no next
/// request.
pub(super) async fn read_head(connection: &mut Connection) -> Option<Request> {
    loop {
        if let Some(request) = parse_head(connection) {
            return Some(request);
        }
        if connection.buffer.len() > HEAD_LIMIT {
            return Some(Request {
                flaw: Some(Flaw::HeadTooLarge),
                body: connection.buffer.split().to_vec(),
                ..Request::default()
            });
        }
        if !connection.fill_buffer().await.unwrap_or(false) {
            let cut = connection.buffer.split().to_vec();
            return (!cut.is_empty()).then(|| Request {
                flaw: Some(Flaw::Cut),
                body: cut,
                ..Request::default()
            });
        }
    }
}

fn parse_head(connection: &mut Connection) -> Option<Request> {
    let mut fields = vec![httparse::EMPTY_HEADER; 128];
    loop {
        let mut head = httparse::Request::new(&mut fields);
        let length = match head.parse(&connection.buffer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return None,
            Err(httparse::Error::TooManyHeaders) if fields.len() < FIELDS_LIMIT => {
                fields = vec![httparse::EMPTY_HEADER; fields.len() * 4];
                continue;
            }
            Err(_) => {
                return Some(Request {
                    flaw: Some(Flaw::Malformed),
                    body: connection.buffer.split().to_vec(),
                    ..Request::default()
                });
            }
        };
        let headers: Headers = head
            .headers
            .iter()
            .map(|field| (field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned()))
            .collect();
        let has_option = |option: &str| {
            all_headers(&headers, "connection")
                .any(|value| value.to_ascii_lowercase().contains(option))
        };
        // HTTP/1.1 connections are persistent unless `close` is sent (RFC 9112 §9.3).
        let keep_alive = if head.version == Some(1) {
            !has_option("close")
        } else {
            has_option("keep-alive")
        };
        let method = head.method.unwrap_or_default().to_owned();
        let target = head.path.unwrap_or_default().to_owned();
        connection.buffer.advance(length);
        return Some(Request { method, target, headers, keep_alive, ..Request::default() });
    }
}

/// Reads the body that the head announces. A failure is noted as the flaw of the request.
pub(super) async fn read_body(connection: &mut Connection, request: &mut Request) {
    if request.flaw.is_some() {
        return;
    }
    if let Err(flaw) = read_framed_body(connection, request).await {
        request.flaw = Some(flaw);
    }
}

async fn read_framed_body(connection: &mut Connection, request: &mut Request) -> Result<(), Flaw> {
    let chunked = all_headers(&request.headers, "transfer-encoding")
        .any(|value| value.to_ascii_lowercase().ends_with("chunked"));
    let length = match header(&request.headers, "content-length") {
        Some(length) if !chunked => length.trim().parse().map_err(|_| Flaw::Malformed)?,
        _ => 0,
    };
    if (chunked || length > 0)
        && header(&request.headers, "expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    {
        connection
            .write(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .map_err(|_| Flaw::Cut)?;
    }
    if !chunked {
        return read_exactly(connection, length, &mut request.body).await;
    }
    loop {
        let line = read_line(connection).await?;
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size)
            .ok()
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
            .ok_or(Flaw::Malformed)?;
        if size == 0 {
            while !read_line(connection).await?.is_empty() {}
            return Ok(());
        }
        read_exactly(connection, size, &mut request.body).await?;
        if !read_line(connection).await?.is_empty() {
            return Err(Flaw::Malformed);
        }
    }
}

/// Reads this number of bytes into the body, which a failed read also keeps.
async fn read_exactly(
    connection: &mut Connection,
    mut length: usize,
    body: &mut Vec<u8>,
) -> Result<(), Flaw> {
    if body.len().saturating_add(length) > BODY_LIMIT {
        return Err(Flaw::BodyTooLarge);
    }
    loop {
        let ready = length.min(connection.buffer.len());
        body.extend_from_slice(&connection.buffer.split_to(ready));
        length -= ready;
        if length == 0 {
            return Ok(());
        }
        read_more(connection).await?;
    }
}

async fn read_line(connection: &mut Connection) -> Result<Vec<u8>, Flaw> {
    loop {
        if let Some(end) = connection.buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line = connection.buffer.split_to(end).to_vec();
            connection.buffer.advance(2);
            return Ok(line);
        }
        if connection.buffer.len() > HEAD_LIMIT {
            return Err(Flaw::Malformed);
        }
        read_more(connection).await?;
    }
}

async fn read_more(connection: &mut Connection) -> Result<(), Flaw> {
    match connection.fill_buffer().await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Flaw::Cut),
    }
}

/// The JSON-RPC method of a message.
pub(super) fn rpc_method(message: &Value) -> Option<&str> {
    message.get("method").and_then(Value::as_str)
}
