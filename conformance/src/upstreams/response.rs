//! A response: status, header fields and body. How it is sent is decided elsewhere.

use serde_json::Value;

/// A response without its framing and connection header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// The body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The status permits no body.
    Absent,
    /// A body of known length.
    Sized(Vec<u8>),
    /// An event stream; each event is sent as a chunk of its own.
    Events(Vec<String>),
}

impl Response {
    /// A response without content.
    pub(super) fn empty(status: u16) -> Self {
        let body = if status == 204 { Body::Absent } else { Body::Sized(Vec::new()) };
        Self { status, headers: Vec::new(), body }
    }

    /// A response with a text.
    pub(super) fn text(status: u16, content_type: &str, text: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: Body::Sized(text.as_bytes().to_vec()),
        }
    }

    /// A response with a JSON value.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::text(status, "application/json", &value.to_string())
    }

    /// An event stream that ends after the last message.
    pub(super) fn events<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Self {
        Self {
            status: 200,
            headers: vec![
                ("Content-Type".to_owned(), "text/event-stream".to_owned()),
                ("Cache-Control".to_owned(), "no-store".to_owned()),
            ],
            body: Body::Events(messages.into_iter().map(message_event).collect()),
        }
    }

    /// Adds a header field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The server-sent event of a message.
pub(super) fn message_event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// The usual reason phrase of a status.
pub(super) fn reason_phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}
