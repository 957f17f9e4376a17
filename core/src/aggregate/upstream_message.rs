//! Writes the messages and header fields that an aggregate endpoint sends to one server.
//!
//! Both are in the protocol version of the server. Which server gets which message is decided
//! elsewhere.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use crate::{
    envelope::Message,
    preflight::gateway_info,
    protocol_version::{PROTOCOL_VERSION_FIELD, ProtocolVersion},
    relay::ExpectedResponse,
};

/// How the client is described to a server that is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientDescription {
    /// The client's `clientInfo`.
    info: Value,
    /// The client's capabilities.
    capabilities: Value,
}

impl Default for ClientDescription {
    /// The gateway itself, without capabilities.
    fn default() -> Self {
        Self { info: gateway_info(), capabilities: json!({}) }
    }
}

impl ClientDescription {
    /// What the client's opening message says.
    ///
    /// With several servers the client's capabilities are left out: the gateway could not tell
    /// which server's request a response of the client answers.
    #[must_use]
    pub fn from_opening(message: &Message, server_count: usize) -> Self {
        let param = |name| {
            let value = message.param(name)?;
            serde_json::from_str::<Value>(value.get()).ok()
        };
        let own = Self::default();
        let capabilities = param("capabilities").filter(|_| server_count == 1);
        Self {
            info: param("clientInfo").unwrap_or(own.info),
            capabilities: capabilities.unwrap_or(own.capabilities),
        }
    }
}

/// The message that opens a server: `server/discover` for a stateless version, otherwise
/// `initialize`.
#[must_use]
pub fn opening(version: ProtocolVersion, client: &ClientDescription) -> Message {
    if version.is_stateless() {
        return request("server/discover", &json!({}));
    }
    let params = json!({
        "protocolVersion": version.as_str(),
        "capabilities": client.capabilities,
        "clientInfo": client.info,
    });
    request("initialize", &params)
}

/// The notification that completes the opening of a session.
#[must_use]
pub fn initialized() -> Message {
    message(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
}

fn request(method: &str, params: &Value) -> Message {
    message(&json!({ "jsonrpc": "2.0", "id": "mcp-preflight", "method": method, "params": params }))
}

fn message(json: &Value) -> Message {
    Message::parse(json.to_string().as_bytes())
        .expect("an object with a method and an object of parameters is a message")
}

/// The version of the answer to a client that opens an aggregate endpoint.
///
/// `server/discover` is answered in the stateless version, `initialize` in the version that the
/// client requests, or in the newest one with sessions if that is not known or has none.
#[must_use]
pub fn opening_version(message: &Message) -> ProtocolVersion {
    if message.method().as_deref() == Some("server/discover") {
        return ProtocolVersion::V2026_07_28;
    }
    message
        .string_param("protocolVersion")
        .and_then(|name| ProtocolVersion::parse(&name))
        .filter(|version| !version.is_stateless())
        .unwrap_or(ProtocolVersion::NEWEST_SESSION_BASED)
}

/// The kind of response that a message to a server expects.
#[must_use]
pub fn expected_response(message: &Message) -> ExpectedResponse {
    if message.request_id().is_some() {
        ExpectedResponse::Reply
    } else {
        ExpectedResponse::Acknowledgement
    }
}

/// Header fields of the client that describe its own message, not the one that a server is sent.
const MESSAGE_FIELDS: [&str; 5] = [
    "content-encoding",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    PROTOCOL_VERSION_FIELD,
];

/// The header fields of a message to a server of this version (SEC-12), or of a request without a
/// message.
///
/// The client's fields are kept, apart from those that describe its own message.
#[must_use]
pub fn message_fields(
    client: &HeaderMap,
    version: ProtocolVersion,
    message: Option<&Message>,
) -> HeaderMap {
    let mut fields = client.clone();
    for name in MESSAGE_FIELDS {
        fields.remove(name);
    }
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let method = message.and_then(Message::method);
    if method.as_deref() != Some("initialize") {
        fields.insert(PROTOCOL_VERSION_FIELD, HeaderValue::from_static(version.as_str()));
    }
    if let (true, Some(message), Some(method)) = (version.is_stateless(), message, method) {
        fields.insert("mcp-method", field_value(&method));
        if let Some(name) = mirrored_name(message, &method) {
            fields.insert("mcp-name", field_value(&name));
        }
    }
    fields
}

/// The header fields of a GET request that opens a server's event stream, after this event if there
/// is one.
#[must_use]
pub fn stream_fields(
    client: &HeaderMap,
    version: ProtocolVersion,
    last_event: Option<HeaderValue>,
) -> HeaderMap {
    let mut fields = message_fields(client, version, None);
    fields.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    fields.extend(last_event.map(|id| (HeaderName::from_static("last-event-id"), id)));
    fields
}

/// The parameter that `Mcp-Name` mirrors (MCP 2026-07-28, Streamable HTTP).
fn mirrored_name(message: &Message, method: &str) -> Option<String> {
    match method {
        "tools/call" | "prompts/get" => message.string_param("name"),
        "resources/read" => message.string_param("uri"),
        _ => None,
    }
}

/// A text as a field value: unchanged, or in the encoding that MCP 2026-07-28 defines for text that
/// a field cannot hold.
fn field_value(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|b| (0x20..0x7f).contains(&b))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    let value = if is_plain {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
    };
    HeaderValue::try_from(value).expect("visible ASCII, spaces and base64 are a field value")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION_BASED: ProtocolVersion = ProtocolVersion::V2025_11_25;
    const STATELESS: ProtocolVersion = ProtocolVersion::V2026_07_28;

    fn parsed(text: &str) -> Message {
        Message::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_capabilities_of_a_client_are_passed_on_to_one_server_only() {
        let message = parsed(concat!(
            r#"{"id":1,"method":"initialize","params":"#,
            r#"{"clientInfo":{"name":"c"},"capabilities":{"sampling":{}}}}"#,
        ));
        let opened = |servers| {
            opening(SESSION_BASED, &ClientDescription::from_opening(&message, servers)).to_string()
        };
        assert!(opened(1).contains(r#""capabilities":{"sampling":{}}"#));
        assert!(opened(2).contains(r#""capabilities":{},"clientInfo":{"name":"c"}"#));
    }

    #[test]
    fn each_version_has_its_opening_message() {
        let client = ClientDescription::default();
        let method = |version| opening(version, &client).method();
        assert_eq!(method(SESSION_BASED).as_deref(), Some("initialize"));
        assert_eq!(method(STATELESS).as_deref(), Some("server/discover"));
    }

    #[test]
    fn the_answer_to_an_opening_has_the_requested_version_if_it_has_sessions() {
        let initialize = |version: &str| {
            parsed(&format!(
                r#"{{"id":1,"method":"initialize","params":{{"protocolVersion":"{version}"}}}}"#
            ))
        };
        for (message, version) in [
            (initialize("2025-06-18"), ProtocolVersion::V2025_06_18),
            (initialize("2026-07-28"), SESSION_BASED),
            (initialize("1999-01-01"), SESSION_BASED),
            (parsed(r#"{"id":1,"method":"server/discover"}"#), STATELESS),
        ] {
            assert_eq!(opening_version(&message), version, "{message}");
        }
    }

    #[test]
    fn fields_that_describe_the_clients_message_are_replaced() {
        let client = HeaderMap::from_iter(
            [("mcp-method", "tools/list"), ("mcp-name", "alpha-echo"), ("user-agent", "c")].map(
                |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)),
            ),
        );
        let call = parsed(r#"{"id":1,"method":"tools/call","params":{"name":"écho"}}"#);
        let fields = message_fields(&client, STATELESS, Some(&call));
        assert_eq!(fields["mcp-method"], "tools/call");
        assert_eq!(fields["mcp-name"], "=?base64?w6ljaG8=?=");
        assert_eq!(fields[PROTOCOL_VERSION_FIELD], "2026-07-28");
        assert_eq!(fields["user-agent"], "c");
        let fields = message_fields(&client, SESSION_BASED, Some(&call));
        assert!(!fields.contains_key("mcp-method") && !fields.contains_key("mcp-name"));
    }

    #[test]
    fn initialize_declares_no_version_in_the_field() {
        let opening = opening(SESSION_BASED, &ClientDescription::default());
        let fields = message_fields(&HeaderMap::new(), SESSION_BASED, Some(&opening));
        assert!(!fields.contains_key(PROTOCOL_VERSION_FIELD));
    }

    #[test]
    fn a_stream_is_requested_after_the_last_event() {
        let last = Some(HeaderValue::from_static("e7"));
        let fields = stream_fields(&HeaderMap::new(), SESSION_BASED, last);
        assert_eq!(fields[header::ACCEPT], "text/event-stream");
        assert_eq!(fields["last-event-id"], "e7");
    }
}
