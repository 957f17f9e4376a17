//! The records of exchanges to which no response has arrived yet.

use super::{Request, lossy_text};
use crate::trace::{Ending, Exchange, Headers};

/// How many bytes of a request that is sent as plain bytes are recorded.
const RECORDED_REQUEST: usize = 8 * 1024;

/// The record of a request without a response.
#[must_use]
pub fn exchange_without_response(request: &Request) -> Exchange {
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

/// The record of plain bytes without a response.
///
/// The bytes need not be a valid request: every part that can be recognised is recorded.
pub(super) fn exchange_of_bytes(bytes: &[u8]) -> Exchange {
    let sent = lossy_text(&bytes[..bytes.len().min(RECORDED_REQUEST)]);
    let (head, body) = sent.split_once("\r\n\r\n").unwrap_or((&sent, ""));
    let mut lines = head.split("\r\n");
    let mut request_line = lines.next().unwrap_or_default().split(' ');
    let method = request_line.next().unwrap_or_default().to_owned();
    let path = request_line.next().unwrap_or_default().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    exchange_without_response(&Request { method, path, headers, body: body.to_owned(), raw: true })
}
