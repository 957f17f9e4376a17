//! Translates a message between session-based and stateless protocol versions, for a client and a
//! server that speak different ones.
//!
//! Only the members that a version requires in every message change; the content of the message
//! does not. Which version a client or a server speaks is decided elsewhere.

use alloc::{borrow::ToOwned, string::String};

use serde_json::{json, value::RawValue};

use super::{
    envelope::{Message, RawObject, raw_json},
    preflight::gateway_info,
    protocol_version::ProtocolVersion,
    status::code::{INVALID_PARAMS, RESOURCE_NOT_FOUND},
};

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// A client's message in the form that a server of this version requires.
///
/// In 2026-07-28 the `_meta` of every message carries what `initialize` carries in session-based
/// versions. For a stateless server these members are added if the client did not send them. For a
/// session-based server they are removed, because a server that knows both kinds of versions
/// rejects a message whose `_meta` and header fields name different ones.
#[must_use]
pub fn message_for_server(message: &Message, version: ProtocolVersion) -> Message {
    let mut meta: RawObject = message
        .param("_meta")
        .and_then(|meta| serde_json::from_str(meta.get()).ok())
        .unwrap_or_default();
    if version.is_stateless() {
        meta.entry(PROTOCOL_VERSION.to_owned())
            .or_insert_with(|| raw_json(&version.as_str()));
        meta.entry(CLIENT_INFO.to_owned()).or_insert_with(|| raw_json(&gateway_info()));
        meta.entry(CLIENT_CAPABILITIES.to_owned())
            .or_insert_with(|| raw_json(&json!({})));
        return message.with_param("_meta", meta);
    }
    let length = meta.len();
    for name in [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL] {
        meta.shift_remove(name);
    }
    if meta.len() == length {
        message.clone()
    } else {
        message.with_param("_meta", meta)
    }
}

/// The reply of a session-based server in the form that a stateless client requires. `None` if the
/// text is not the reply to the request.
///
/// Every result gets `resultType`. A result that a client may cache gets members that forbid it
/// (AGG-12). An error code that 2026-07-28 no longer has is replaced (STA-18).
#[must_use]
pub fn reply_for_stateless_client(text: &[u8], request: &Message) -> Option<String> {
    let mut reply: RawObject = serde_json::from_slice(text).ok()?;
    if reply.get("id")?.get() != request.id()?.get() {
        return None;
    }
    if let Some(mut result) = reply.get("result").and_then(|result| parse_object(result)) {
        result.entry("resultType".to_owned()).or_insert_with(|| raw_json(&"complete"));
        if request.method().as_deref() == Some("resources/read") {
            result.entry("ttlMs".to_owned()).or_insert_with(|| raw_json(&0));
            result.entry("cacheScope".to_owned()).or_insert_with(|| raw_json(&"private"));
        }
        reply.insert("result".to_owned(), raw_json(&result));
    } else {
        let mut error = parse_object(reply.get("error")?)?;
        let code = error.get("code").and_then(|code| serde_json::from_str(code.get()).ok());
        if code == Some(RESOURCE_NOT_FOUND) {
            error.insert("code".to_owned(), raw_json(&INVALID_PARAMS));
        }
        reply.insert("error".to_owned(), raw_json(&error));
    }
    serde_json::to_string(&reply).ok()
}

fn parse_object(value: &RawValue) -> Option<RawObject> {
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(text.as_bytes()).unwrap()
    }

    fn for_server(text: &str, version: ProtocolVersion) -> String {
        message_for_server(&message(text), version).to_string()
    }

    #[test]
    fn stateless_members_are_removed_for_a_session_based_server() {
        let stateless = concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"#,
            r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7,"#,
            r#""io.modelcontextprotocol/clientCapabilities":{},"x/y":1}}}"#,
        );
        let session_based = concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","#,
            r#""params":{"_meta":{"progressToken":7,"x/y":1}}}"#,
        );
        assert_eq!(for_server(stateless, ProtocolVersion::V2025_11_25), session_based);
        for unchanged in
            [session_based, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#]
        {
            assert_eq!(for_server(unchanged, ProtocolVersion::V2025_11_25), unchanged);
        }
    }

    #[test]
    fn stateless_members_are_added_for_a_stateless_server() {
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let sent = for_server(list, ProtocolVersion::V2026_07_28);
        for member in [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES] {
            assert!(sent.contains(member), "{sent}");
        }
    }

    #[test]
    fn members_that_the_client_sent_are_not_overwritten() {
        let member = r#""io.modelcontextprotocol/clientCapabilities":{"sampling":{}}"#;
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"_meta":{{{member}}}}}}}"#);
        let sent = for_server(&text, ProtocolVersion::V2026_07_28);
        assert!(sent.contains(member), "{sent}");
    }

    fn for_client(method: &str, text: &str) -> Option<String> {
        let request = message(&format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}"}}"#));
        reply_for_stateless_client(text.as_bytes(), &request)
    }

    #[test]
    fn a_reply_gets_the_members_of_the_stateless_version() {
        for (method, reply, translated) in [
            (
                "tools/call",
                r#"{"jsonrpc":"2.0","id":"a","result":{"content":[ 1.0 ]}}"#,
                concat!(
                    r#"{"jsonrpc":"2.0","id":"a","#,
                    r#""result":{"content":[ 1.0 ],"resultType":"complete"}}"#,
                ),
            ),
            (
                "resources/read",
                r#"{"id":"a","result":{"ttlMs":5}}"#,
                r#"{"id":"a","result":{"ttlMs":5,"resultType":"complete","cacheScope":"private"}}"#,
            ),
            (
                "resources/read",
                r#"{"id":"a","error":{"code":-32002,"message":"no"}}"#,
                r#"{"id":"a","error":{"code":-32602,"message":"no"}}"#,
            ),
        ] {
            assert_eq!(for_client(method, reply).as_deref(), Some(translated));
        }
    }

    #[test]
    fn a_text_that_is_not_the_reply_is_not_translated() {
        for text in
            [r#"{"id":"b","result":{}}"#, r#"{"method":"notifications/progress"}"#, "", "[]"]
        {
            assert_eq!(for_client("tools/call", text), None, "{text}");
        }
    }
}
