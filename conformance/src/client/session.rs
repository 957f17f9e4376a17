//! The session of a client: its id, and the protocol version that was negotiated.

use serde_json::Value;

use super::Request;
use crate::{
    catalogue::ProtocolVersion,
    trace::{Exchange, header},
};

/// The header field of a session id.
pub const SESSION: &str = "mcp-session-id";

/// The header field of the protocol version.
const VERSION: &str = "mcp-protocol-version";

/// A session that the client has opened with `initialize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSession {
    /// The id; `None` if the gateway issued none. The client then names no session.
    pub id: Option<String>,
    /// The protocol version in the result of `initialize`.
    pub protocol_version: String,
}

impl ClientSession {
    /// The session that a response to `initialize` opens; `None` if it is not a successful
    /// response.
    #[must_use]
    pub fn opened_by(exchange: &Exchange) -> Option<Self> {
        if !exchange.status.is_some_and(|status| (200..300).contains(&status)) {
            return None;
        }
        let protocol_version = messages(&exchange.body).find_map(|message| {
            let version = message.pointer("/result/protocolVersion")?;
            Some(version.as_str()?.to_owned())
        })?;
        let id = header(&exchange.headers, SESSION).map(str::to_owned);
        Some(Self { id, protocol_version })
    }

    /// Adds the session id and the negotiated version to a request.
    ///
    /// `MCP-Protocol-Version` was introduced with 2025-06-18, so older sessions do not use it.
    pub fn apply_to(&self, request: &mut Request) {
        if let Some(id) = &self.id {
            request.headers.push((SESSION.to_owned(), id.clone()));
        }
        request.headers.retain(|(name, _)| name != VERSION);
        if self.protocol_version.as_str() > ProtocolVersion::V2025_03_26.as_str() {
            request.headers.push((VERSION.to_owned(), self.protocol_version.clone()));
        }
    }
}

/// The JSON-RPC messages of a body, which is JSON or an event stream.
fn messages(body: &str) -> impl Iterator<Item = Value> {
    std::iter::once(body)
        .chain(body.lines().filter_map(|line| line.strip_prefix("data:")))
        .filter_map(|text| serde_json::from_str(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::exchange_without_response, trace::Headers};

    fn request(headers: &[(&str, &str)]) -> Request {
        Request {
            method: "POST".into(),
            path: "/mcp/alpha".into(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: String::new(),
            raw: false,
        }
    }

    fn response(status: u16, body: &str) -> Exchange {
        Exchange {
            status: Some(status),
            headers: Headers::from([("Mcp-Session-Id".to_owned(), "s1".to_owned())]),
            body: body.to_owned(),
            ..exchange_without_response(&request(&[]))
        }
    }

    const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}"#;

    #[test]
    fn json_and_event_streams_open_a_session() {
        let events = format!(": comment\r\nevent: message\r\ndata: {RESULT}\r\n\r\n");
        for body in [RESULT, events.as_str()] {
            let session = ClientSession::opened_by(&response(200, body)).unwrap();
            assert_eq!(session.id.as_deref(), Some("s1"));
            assert_eq!(session.protocol_version, "2025-06-18");
        }
    }

    #[test]
    fn a_refusal_or_an_error_opens_no_session() {
        assert_eq!(ClientSession::opened_by(&response(401, RESULT)), None);
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#;
        assert_eq!(ClientSession::opened_by(&response(200, error)), None);
    }

    #[test]
    fn a_request_in_a_session_states_its_id_and_its_version() {
        let session = |version: &str| ClientSession {
            id: Some("s1".into()),
            protocol_version: version.into(),
        };
        let with = |session: ClientSession| {
            let mut request = request(&[("accept", "*/*"), (VERSION, "2025-11-25")]);
            session.apply_to(&mut request);
            request.headers
        };
        let newer = request(&[("accept", "*/*"), (SESSION, "s1"), (VERSION, "2025-06-18")]);
        assert_eq!(with(session("2025-06-18")), newer.headers);
        let older = request(&[("accept", "*/*"), (SESSION, "s1")]);
        assert_eq!(with(session("2025-03-26")), older.headers);
    }
}
