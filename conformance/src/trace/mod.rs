//! The record of one case: what the client sent and received, and what every upstream received and
//! answered.
//!
//! Plain data, written to the run file and judged from there. Nothing in it depends on the
//! implementation under test. Header fields keep their case and order.

pub mod challenge;
pub mod printable;

use serde::{Deserialize, Serialize};

use crate::cases::token_script::CaseId;

/// Header field lines in the order in which they were sent.
pub type Headers = Vec<(String, String)>;

/// The value of the first field line with this name, in any case.
#[must_use]
pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    all_headers(headers, name).next()
}

/// The values of all field lines with this name, in any case.
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
    /// What the client sent and received, in the order in which it sent requests. A matrix case has
    /// one exchange.
    pub exchanges: Vec<Exchange>,
    /// What all upstream servers received, in order of arrival.
    pub arrivals: Vec<Arrival>,
    /// The servers that accepted a connection during the case on which no request arrived, once for
    /// each connection. Recorded of scenarios only, because other cases run concurrently.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections_without_request: Vec<String>,
    /// The secrets of this case, so that disclosures of them can be found.
    pub secrets: Vec<Secret>,
}

impl Trace {
    /// The random part of the caller's token; empty if the case has no token.
    #[must_use]
    pub fn canary(&self) -> &str {
        let mut secrets = self.secrets.iter();
        secrets
            .find(|secret| secret.kind == SecretKind::UpstreamToken)
            .map_or("", |secret| secret.value.as_str())
    }
}

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its kind.
    pub kind: SecretKind,
    /// Its text, or the part of it that is random.
    pub value: String,
}

/// The kinds of secret that pass through a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// A gateway key. No upstream may receive it.
    GatewayKey,
    /// The caller's token. Token-forwarding servers that the caller may use may receive it.
    UpstreamToken,
    /// The credential of the server with a static credential. Only that server may receive it.
    StaticToken,
    /// The token that the gateway obtained with client credentials. Only the server that it is for
    /// may receive it.
    MintedToken,
    /// The client secret of the gateway. Only the token endpoint may receive it.
    ClientSecret,
}

/// One request of the client, and the response to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// `GET`, `POST`, …
    pub method: String,
    /// The request target: path and query.
    pub path: String,
    /// The header fields of the request.
    pub sent_headers: Headers,
    /// The body of the request.
    pub sent_body: String,
    /// The status, or `None` when no response head arrived.
    pub status: Option<u16>,
    /// The header fields of the response.
    pub headers: Headers,
    /// The response body as text; bytes that are not UTF-8 are replaced. Capped at 256 KiB.
    pub body: String,
    /// How the response ended.
    pub ending: Ending,
    /// Milliseconds from the first byte sent to the response head.
    pub head_after_ms: Option<f64>,
}

impl Exchange {
    /// The URL that the challenges of the response name as resource metadata (RFC 9728 §5.1).
    #[must_use]
    pub fn resource_metadata_url(&self) -> Option<String> {
        all_headers(&self.headers, "www-authenticate")
            .flat_map(|line| challenge::parse_leniently(line).unwrap_or_default())
            .find_map(|challenge| challenge.parameter("resource_metadata").map(str::to_owned))
    }
}

/// How a response ended, as the client observed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The body is complete according to its framing.
    Complete,
    /// The connection ended before the body was complete.
    Broken,
    /// The connection was refused, or it ended before a response head arrived.
    NoHead,
    /// No response head arrived before the suite's deadline.
    HungBeforeHead,
    /// A response head arrived, and the body was not complete before the suite's deadline.
    HungAfterHead,
}

impl Ending {
    /// The ending as reports describe it.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Broken => "the body is incomplete",
            Self::NoHead => "no response: the connection was refused or closed",
            Self::HungBeforeHead => "no response within the suite's deadline",
            Self::HungAfterHead => "a response head, then no more within the suite's deadline",
        }
    }
}

/// One request as an upstream server received it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The server's configured name; `elsewhere` for the target of redirects, `issuer` for the
    /// token endpoint.
    pub server: String,
    /// The number of the TCP connection, unique in the run.
    pub connection: u64,
    /// When the request head had been read, in milliseconds since the mock upstreams started.
    pub at_ms: f64,
    /// `GET`, `POST`, `HEAD`, …
    pub method: String,
    /// The request target: path and query.
    pub target: String,
    /// The header fields.
    pub headers: Headers,
    /// The body as text, capped at 64 KiB.
    pub body: String,
    /// The JSON-RPC method of the body, if it has one.
    pub rpc_method: Option<String>,
    /// The response: a status, or the name of the fault.
    pub answered: String,
    /// The session id that the response issued.
    pub session_issued: Option<String>,
    /// The session id that this request ended.
    pub session_ended: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(challenge: &str) -> Exchange {
        Exchange {
            method: "POST".into(),
            path: "/mcp/alpha".into(),
            sent_headers: Vec::new(),
            sent_body: String::new(),
            status: Some(401),
            headers: vec![("WWW-Authenticate".into(), challenge.into())],
            body: String::new(),
            ending: Ending::Complete,
            head_after_ms: Some(1.0),
        }
    }

    #[test]
    fn the_metadata_url_of_a_challenge_is_found_with_and_without_quotes() {
        for value in [
            "Bearer resource_metadata=\"http://x/y\", error=\"invalid_token\"",
            "Bearer a=b, resource_metadata=http://x/y",
        ] {
            assert_eq!(response(value).resource_metadata_url().as_deref(), Some("http://x/y"));
        }
        assert_eq!(response("Basic realm=\"x\"").resource_metadata_url(), None);
    }

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
