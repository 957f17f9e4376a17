//! Decides what comes before admission, and what a page is told behind it (SEC-03, SEC-04, CHL-21); whose a session is (SEC-08).
//!
//! The HTTP library refuses most of what can be read in two ways; what it lets through is looked at here.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONNECTION, CONTENT_LENGTH,
    HeaderMap, HeaderValue, ORIGIN, TRANSFER_ENCODING,
};
use http::{Method, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::admission::Holder;
use super::answer::error;
use super::fault::Switch;
use super::gateway::{Ask, Gateway};
use super::relay::Body;
use super::upstream::SESSION;

/// The sessions that were opened here, each with whom it is for.
pub(super) type Sessions = Mutex<HashMap<HeaderValue, Holder>>;

/// How much of a connection's answers is written in small pieces, and how small they are.
const PIECEMEAL: usize = 1024;
const PIECE: usize = 3;

/// What is left of a request's head when its answer is written.
pub(super) struct Edge {
    origin: Option<HeaderValue>,
    chunked: bool,
    /// Whether it was sent with POST.
    pub(super) posted: bool,
    /// Whether its client takes an event stream for an answer.
    pub(super) takes_events: bool,
}

impl Edge {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self {
            origin: headers.get(ORIGIN).cloned(),
            chunked: headers.contains_key(TRANSFER_ENCODING),
            posted: method == Method::POST,
            takes_events: headers
                .get(ACCEPT)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.contains("text/event-stream")),
        }
    }
}

impl Gateway {
    /// Why a request is not looked into at all.
    pub(super) fn turned_away(&self, ask: &Ask) -> Option<Response<Body>> {
        if ask.headers.contains_key(TRANSFER_ENCODING) && ask.headers.contains_key(CONTENT_LENGTH) {
            return Some(error(
                ask,
                StatusCode::BAD_REQUEST,
                "400 Bad Request: a length beside chunks",
            ));
        }
        let origin = ask.headers.get(ORIGIN)?;
        (!self.admits(origin)).then(|| {
            error(ask, StatusCode::FORBIDDEN, "403 Forbidden: this origin may not use the gateway")
        })
    }

    fn admits(&self, origin: &HeaderValue) -> bool {
        origin == self.base_url.as_str()
            || origin == self.deployment.page.as_str()
            || self.has(Switch::AnyOrigin)
    }

    /// Tells a page what it may read, and ends a connection on which a length may have stood beside chunks (RFC 9112 §6.3).
    pub(super) fn finish(&self, edge: &Edge, mut answer: Response<Body>) -> Response<Body> {
        if let Some(origin) = edge.origin.clone().filter(|origin| self.admits(origin)) {
            let exposed = if self.has(Switch::HidesFromPages) {
                "retry-after"
            } else {
                "www-authenticate, mcp-session-id"
            };
            answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer
                .headers_mut()
                .insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        }
        if edge.chunked {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// Whether the session that a request names is somebody else's.
    pub(super) fn is_anothers(&self, ask: &Ask, holder: Holder) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = ask.headers.get(SESSION).and_then(|session| sessions.get(session));
        owner.is_some_and(|owner| *owner != holder) && !self.has(Switch::SessionsForAnyone)
    }

    /// Notes whose session an answer opens.
    pub(super) fn opened(&self, answer: &Response<Body>, holder: Holder) {
        if let Some(session) = answer.headers().get(SESSION) {
            self.sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(session.clone(), holder);
        }
    }
}

/// A client's connection. The fault that believes a length hides what stands beside it; a variant writes a few bytes at a time.
pub(super) struct Wire {
    stream: TcpStream,
    hides_chunks: bool,
    /// How many bytes will still be written in small pieces.
    piecemeal: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, gateway: &Gateway) -> Self {
        let piecemeal = if gateway.has(Switch::SmallPieces) { PIECEMEAL } else { 0 };
        Self {
            stream,
            hides_chunks: gateway.has(Switch::LengthBeatsChunks),
            piecemeal,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.hides_chunks {
            let read = &mut buffer.filled_mut()[before..];
            // A head is short, and messages are long.
            let length = read.len().min(4096);
            let read = &mut read[..length];
            let find = |name: &[u8]| {
                read.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))
            };
            if let (Some(_), Some(at)) = (find(b"content-length:"), find(b"transfer-encoding:")) {
                read[at] = b'x';
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let piece = if self.piecemeal > 0 { PIECE.min(bytes.len()) } else { bytes.len() };
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..piece]))?;
        self.piecemeal = self.piecemeal.saturating_sub(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Reads what is still sent before it lets go: a reset would overtake the answer.
    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        let mut rest = [0; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut rest);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
