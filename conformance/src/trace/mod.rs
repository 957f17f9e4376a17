//! The record of one case: what the client sent and saw, and what every upstream saw and answered.
//!
//! Plain data, written to the run file and judged from there. It holds no opinion, and nothing in it depends on the
//! implementation under test. Header names keep the case and the order they had on the wire.

pub mod challenge;

use serde::{Deserialize, Serialize};

use crate::cases::token_script::CaseId;

/// Header lines in wire order.
pub type Headers = Vec<(String, String)>;

/// The first line of that name, in any case.
#[must_use]
pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    all_headers(headers, name).next()
}

/// Every line of that name, in any case.
pub fn all_headers<'a>(headers: &'a Headers, name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(line, _)| line.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Everything recorded of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The case.
    pub case: CaseId,
    /// The client's face, in the order in which requests were sent. A matrix case of the matrix has one exchange.
    pub exchanges: Vec<Exchange>,
    /// The upstreams' face, all servers, in order of arrival.
    pub arrivals: Vec<Arrival>,
    /// Secrets of this case, so that a judge can look for them where they must not be.
    pub secrets: Vec<Secret>,
}

/// A secret and who may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// What it is.
    pub kind: SecretKind,
    /// Its text, or the part of it that occurs nowhere else.
    pub value: String,
}

/// The kinds of secret that pass through a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// Opens the gateway; no upstream may ever see it.
    GatewayKey,
    /// The caller's token; forwarding servers the caller may use may see it.
    UpstreamToken,
    /// Only the server with the static credential may see it.
    StaticToken,
    /// Only the server with client credentials may see it.
    MintedToken,
    /// Only the token endpoint may see it.
    ClientSecret,
}

/// One request of the client's and what came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path and query sent.
    pub path: String,
    /// The header lines sent.
    pub sent_headers: Headers,
    /// The body sent.
    pub sent_body: String,
    /// The status, or `None` when no response head arrived.
    pub status: Option<u16>,
    /// The header lines of the response.
    pub headers: Headers,
    /// The response body as text; bytes that are not UTF-8 are replaced. Capped at 256 KiB.
    pub body: String,
    /// How the answer ended.
    pub ending: Ending,
    /// Milliseconds from the first byte sent to the response head.
    pub head_after_ms: Option<f64>,
}

/// How an answer ended, as the client could tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The body ended as its framing said it would.
    Complete,
    /// The connection ended before the framing said so.
    Broken,
    /// No connection, or it ended before a head arrived.
    NoHead,
    /// The suite's own deadline passed before a head arrived.
    HungBeforeHead,
    /// A head arrived, and then the suite's own deadline passed.
    HungAfterHead,
}

/// An ending, for people.
#[must_use]
pub fn ending_in_words(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => "whole",
        Ending::Broken => "broken off in the body",
        Ending::NoHead => "no answer: the connection was refused or closed",
        Ending::HungBeforeHead => "no answer within the suite's deadline",
        Ending::HungAfterHead => "a head, and then nothing within the suite's deadline",
    }
}

/// One request as an upstream saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The server's name in the plan; `elsewhere` for the origin that redirects point at, `issuer` for the token endpoint.
    pub server: String,
    /// The TCP connection it came on, unique in the run.
    pub connection: u64,
    /// Milliseconds since the mock upstreams started, when its head had been read.
    pub at_ms: f64,
    /// `GET`, `POST`, `HEAD`, …
    pub method: String,
    /// The request target: path and query.
    pub target: String,
    /// The header lines.
    pub headers: Headers,
    /// The body as text, capped at 64 KiB.
    pub body: String,
    /// The JSON-RPC method of the body, where it has one.
    pub rpc_method: Option<String>,
    /// What was answered: a status, or the name of the fault.
    pub answered: String,
    /// The session id that the answer issued.
    pub session_issued: Option<String>,
    /// The session id that this request ended.
    pub session_ended: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_match_in_any_case() {
        let headers = vec![
            ("WWW-authenticate".to_owned(), "a".to_owned()),
            ("www-Authenticate".to_owned(), "b".to_owned()),
        ];
        assert_eq!(header(&headers, "www-authenticate"), Some("a"));
        assert_eq!(all_headers(&headers, "WWW-Authenticate").count(), 2);
    }
}
