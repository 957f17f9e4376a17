//! Reads one request off the wire by hand, so that header order and case are recorded as they were sent.
//!
//! Decides what a request is and where it ends. It is lenient: whatever can be recorded is, and a flaw is noted beside it.

use bytes::Buf;
use serde_json::Value;

use super::connection::Wire;
use crate::trace::{Headers, all_headers, header};

/// Larger heads are answered 431; generous, since a gateway's own limit is what is tested.
const HEAD_CAP: usize = 1 << 20;
/// Larger bodies are answered 413.
const BODY_CAP: usize = 16 << 20;
/// More header lines than anybody sends in earnest.
const LINES_CAP: usize = 16 << 10;

/// What keeps a request from being answered as it deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Not HTTP/1, or not by its grammar.
    Malformed,
    /// The head is larger than the cap.
    HeadTooLarge,
    /// The body is larger than the cap.
    BodyTooLarge,
    /// The peer went away in the middle of it.
    Cut,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Headers,
    /// Of a malformed request, all that was read of it.
    pub(super) body: Vec<u8>,
    pub(super) flaw: Option<Flaw>,
    pub(super) keep_alive: bool,
}

impl Request {
    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    pub(super) fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn session(&self) -> Option<&str> {
        header(&self.headers, "mcp-session-id")
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

/// The head of the next request, its body still on the wire. `None` where the peer has no more.
pub(super) async fn read_head(wire: &mut Wire) -> Option<Request> {
    loop {
        if let Some(request) = parse_head(wire) {
            return Some(request);
        }
        if wire.buffer.len() > HEAD_CAP {
            return Some(Request {
                flaw: Some(Flaw::HeadTooLarge),
                body: wire.buffer.split().to_vec(),
                ..Request::default()
            });
        }
        if !wire.fill().await.unwrap_or(false) {
            let cut = wire.buffer.split().to_vec();
            return (!cut.is_empty()).then(|| Request {
                flaw: Some(Flaw::Cut),
                body: cut,
                ..Request::default()
            });
        }
    }
}

fn parse_head(wire: &mut Wire) -> Option<Request> {
    let mut lines = vec![httparse::EMPTY_HEADER; 128];
    loop {
        let mut head = httparse::Request::new(&mut lines);
        let length = match head.parse(&wire.buffer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return None,
            Err(httparse::Error::TooManyHeaders) if lines.len() < LINES_CAP => {
                lines = vec![httparse::EMPTY_HEADER; lines.len() * 4];
                continue;
            }
            Err(_) => {
                return Some(Request {
                    flaw: Some(Flaw::Malformed),
                    body: wire.buffer.split().to_vec(),
                    ..Request::default()
                });
            }
        };
        let headers: Headers = head
            .headers
            .iter()
            .map(|line| (line.name.to_owned(), String::from_utf8_lossy(line.value).into_owned()))
            .collect();
        let says = |word: &str| {
            all_headers(&headers, "connection")
                .any(|value| value.to_ascii_lowercase().contains(word))
        };
        let keep_alive = if head.version == Some(1) {
            !says("close")
        } else {
            says("keep-alive")
        };
        let (method, target) = (
            head.method.unwrap_or_default().to_owned(),
            head.path.unwrap_or_default().to_owned(),
        );
        wire.buffer.advance(length);
        return Some(Request { method, target, headers, keep_alive, ..Request::default() });
    }
}

/// Reads the body that the head announces; what goes wrong is noted as the request's flaw.
pub(super) async fn read_body(wire: &mut Wire, request: &mut Request) {
    if request.flaw.is_some() {
        return;
    }
    if let Err(flaw) = read_framed(wire, request).await {
        request.flaw = Some(flaw);
    }
}

async fn read_framed(wire: &mut Wire, request: &mut Request) -> Result<(), Flaw> {
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
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Flaw::Cut)?;
    }
    if !chunked {
        return take(wire, length, &mut request.body).await;
    }
    loop {
        let line = read_line(wire).await?;
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size)
            .ok()
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
            .ok_or(Flaw::Malformed)?;
        if size == 0 {
            while !read_line(wire).await?.is_empty() {}
            return Ok(());
        }
        take(wire, size, &mut request.body).await?;
        if !read_line(wire).await?.is_empty() {
            return Err(Flaw::Malformed);
        }
    }
}

/// Moves that many bytes from the wire to the body.
async fn take(wire: &mut Wire, mut length: usize, body: &mut Vec<u8>) -> Result<(), Flaw> {
    if body.len().saturating_add(length) > BODY_CAP {
        return Err(Flaw::BodyTooLarge);
    }
    loop {
        let ready = length.min(wire.buffer.len());
        body.extend_from_slice(&wire.buffer.split_to(ready));
        length -= ready;
        if length == 0 {
            return Ok(());
        }
        more(wire).await?;
    }
}

async fn read_line(wire: &mut Wire) -> Result<Vec<u8>, Flaw> {
    loop {
        if let Some(end) = wire.buffer.windows(2).position(|pair| pair == b"\r\n") {
            let line = wire.buffer.split_to(end).to_vec();
            wire.buffer.advance(2);
            return Ok(line);
        }
        if wire.buffer.len() > HEAD_CAP {
            return Err(Flaw::Malformed);
        }
        more(wire).await?;
    }
}

async fn more(wire: &mut Wire) -> Result<(), Flaw> {
    match wire.fill().await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Flaw::Cut),
    }
}

/// The JSON-RPC method of a message.
pub(super) fn rpc_method(message: &Value) -> Option<&str> {
    message.get("method").and_then(Value::as_str)
}
