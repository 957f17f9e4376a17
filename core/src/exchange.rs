//! Decides how a request is read: its method, its session, how much of its body; and which kind of
//! response it may have.
//!
//! It does not know which server answers.

use alloc::boxed::Box;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::value::RawValue;

use super::{
    envelope::{Envelope, MAX_PREFIX_BYTES},
    protocol_version::ProtocolVersion,
    relay::ExpectedResponse,
    route::Endpoint,
    status::Failure,
};

/// A method that an MCP endpoint serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McpMethod {
    /// Sends one message.
    Post,
    /// Opens an event stream.
    Get,
    /// Ends a session.
    Delete,
}

impl McpMethod {
    /// The method of a request, or `None` if no MCP endpoint serves it.
    #[must_use]
    pub fn parse(method: &Method) -> Option<Self> {
        match *method {
            Method::POST => Some(Self::Post),
            Method::GET => Some(Self::Get),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }

    /// The name of the method.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Delete => "DELETE",
        }
    }
}

impl From<McpMethod> for Method {
    fn from(method: McpMethod) -> Self {
        match method {
            McpMethod::Post => Self::POST,
            McpMethod::Get => Self::GET,
            McpMethod::Delete => Self::DELETE,
        }
    }
}

/// The header field that carries a session id.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// The session id that a request names, or `None` if it names none. A request of the stateless
/// version has no session.
///
/// # Errors
/// The field has several lines.
pub fn declared_session(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Failure> {
    let mut lines = headers.get_all(SESSION_ID).iter();
    let is_stateless = ProtocolVersion::V2026_07_28.is_declared_in(headers);
    match (lines.next(), lines.next()) {
        (Some(_), _) if is_stateless => Ok(None),
        (Some(_), Some(_)) => Err(Failure::UnknownSession),
        (id, _) => Ok(id),
    }
}

/// How many bytes of a message are read before the request is handled.
///
/// The whole message is needed to compare it with the fields that mirror it (2026-07-28) and to
/// choose a server of an aggregate endpoint. Otherwise a prefix is enough. The message of a caller
/// who was not admitted is read only for its id.
#[must_use]
pub fn bytes_to_read(is_admitted: bool, headers: &HeaderMap, endpoint: &Endpoint<'_>) -> usize {
    let is_whole_message_used = ProtocolVersion::V2026_07_28.is_declared_in(headers)
        || matches!(endpoint, Endpoint::Aggregate(_));
    if is_admitted && is_whole_message_used {
        usize::MAX
    } else {
        MAX_PREFIX_BYTES
    }
}

/// The kind of response that a client's request expects.
#[must_use]
pub fn expected_response(method: McpMethod, envelope: &Envelope) -> ExpectedResponse {
    match method {
        McpMethod::Get => ExpectedResponse::EventStream,
        McpMethod::Delete => ExpectedResponse::SessionEnd,
        McpMethod::Post if envelope.id.is_some() && envelope.method.is_some() => {
            ExpectedResponse::Reply
        }
        McpMethod::Post => ExpectedResponse::Acknowledgement,
    }
}

/// The id of a request that may be answered with an event stream before the upstream has answered,
/// or `None` for any other request.
///
/// The response head for `initialize` names the session, so it is never sent early.
#[must_use]
pub fn early_stream_id(envelope: &Envelope, headers: &HeaderMap) -> Option<Box<RawValue>> {
    let method = envelope.method.as_deref()?;
    if method == "initialize" || !accepts_event_stream(headers) {
        return None;
    }
    envelope.id.clone()
}

/// Whether an `Accept` field line names `text/event-stream`.
fn accepts_event_stream(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|line| {
        line.to_str()
            .is_ok_and(|line| line.to_ascii_lowercase().contains("text/event-stream"))
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{protocol_version::PROTOCOL_VERSION_FIELD, route::Route},
        *,
    };

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    fn envelope(text: &str) -> Envelope {
        Envelope::parse_prefix(text.as_bytes())
    }

    const REQUEST: &str = r#"{"id":7,"method":"tools/call"}"#;

    #[test]
    fn a_method_is_parsed_from_what_it_converts_to() {
        for method in [McpMethod::Post, McpMethod::Get, McpMethod::Delete] {
            let converted = Method::from(method);
            assert_eq!(McpMethod::parse(&converted), Some(method));
            assert_eq!(converted.as_str(), method.as_str());
        }
        assert_eq!(McpMethod::parse(&Method::PUT), None);
        assert_eq!(McpMethod::parse(&Method::OPTIONS), None);
    }

    #[test]
    fn the_whole_message_is_read_for_an_aggregate_and_for_the_stateless_version() {
        let stateless = headers(&[(HeaderName::from_static(PROTOCOL_VERSION_FIELD), "2026-07-28")]);
        for (path, fields, is_whole) in [
            ("/mcp/alpha", HeaderMap::new(), false),
            ("/mcp/alpha", stateless.clone(), true),
            ("/mcp", HeaderMap::new(), true),
        ] {
            let Route::Mcp(endpoint) = Route::parse(path) else {
                panic!("{path}")
            };
            let read = bytes_to_read(true, &fields, &endpoint);
            assert_eq!(read, if is_whole { usize::MAX } else { MAX_PREFIX_BYTES }, "{path}");
            assert_eq!(bytes_to_read(false, &fields, &endpoint), MAX_PREFIX_BYTES, "{path}");
        }
    }

    #[test]
    fn a_reply_is_expected_only_for_a_request() {
        for (text, expected) in [
            (REQUEST, ExpectedResponse::Reply),
            (r#"{"method":"notifications/initialized"}"#, ExpectedResponse::Acknowledgement),
            (r#"{"id":7,"result":{}}"#, ExpectedResponse::Acknowledgement),
        ] {
            assert_eq!(expected_response(McpMethod::Post, &envelope(text)), expected, "{text}");
        }
        let none = Envelope::default();
        assert_eq!(expected_response(McpMethod::Get, &none), ExpectedResponse::EventStream);
        assert_eq!(expected_response(McpMethod::Delete, &none), ExpectedResponse::SessionEnd);
    }

    #[test]
    fn a_stream_opens_early_only_for_a_request_that_accepts_one_and_is_not_initialize() {
        let accepting = headers(&[(header::ACCEPT, "application/json, Text/Event-Stream")]);
        let id = early_stream_id(&envelope(REQUEST), &accepting).unwrap();
        assert_eq!(id.get(), "7");
        assert!(early_stream_id(&envelope(REQUEST), &HeaderMap::new()).is_none());
        for text in [r#"{"id":7,"method":"initialize"}"#, r#"{"method":"a"}"#, r#"{"id":7}"#] {
            assert!(early_stream_id(&envelope(text), &accepting).is_none(), "{text}");
        }
    }

    #[test]
    fn a_request_names_at_most_one_session_and_none_in_the_stateless_version() {
        let id = HeaderValue::from_static("s1");
        let mut headers = HeaderMap::new();
        assert_eq!(declared_session(&headers), Ok(None));
        headers.insert(SESSION_ID, id.clone());
        assert_eq!(declared_session(&headers), Ok(Some(&id)));
        headers.append(SESSION_ID, id.clone());
        assert_eq!(declared_session(&headers), Err(Failure::UnknownSession));
        let stateless = HeaderValue::from_static("2026-07-28");
        headers.insert(PROTOCOL_VERSION_FIELD, stateless);
        assert_eq!(declared_session(&headers), Ok(None));
    }
}
