//! Response heads, and the framing of response bodies (RFC 9112 §6.3), for raw connections.

use super::lossy_text;
use crate::trace::{Headers, header};

/// The head of a response.
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) headers: Headers,
}

/// What the bytes at the start of a response are.
pub(super) enum ParsedHead {
    /// A complete head, and its length in bytes.
    Complete(ResponseHead, usize),
    /// The beginning of a head.
    Partial,
    /// Not an HTTP/1 response.
    Invalid,
}

impl ResponseHead {
    /// Parses the head at the start of the bytes.
    pub(super) fn parse(bytes: &[u8]) -> ParsedHead {
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return ParsedHead::Partial,
            Err(_) => return ParsedHead::Invalid,
        };
        let Some(status) = response.code else {
            return ParsedHead::Invalid;
        };
        let headers = response
            .headers
            .iter()
            .map(|field| (field.name.to_owned(), lossy_text(field.value)))
            .collect();
        ParsedHead::Complete(Self { status, headers }, length)
    }
}

/// How the end of a response body is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    NoBody,
    /// The body has this number of bytes.
    Length(u64),
    /// The body is sent in chunks.
    Chunked,
    /// The body ends with the connection.
    UntilClosed,
    /// The header fields contradict each other or are not valid.
    Invalid,
}

impl Framing {
    /// The framing of a response to this method (RFC 9112 §6.3).
    pub(super) fn of(method: &str, status: u16, headers: &Headers) -> Self {
        if method == "HEAD" || matches!(status, 204 | 304) {
            return Self::NoBody;
        }
        match (header(headers, "transfer-encoding"), header(headers, "content-length")) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Self::Chunked,
            (None, Some(length)) => length.parse().map_or(Self::Invalid, Self::Length),
            (None, None) => Self::UntilClosed,
            (Some(_), _) => Self::Invalid,
        }
    }
}
