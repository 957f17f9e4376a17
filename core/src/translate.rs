//! Decides how a message of one era of MCP is said in the other, for a client and a server that do not speak the same one.
//!
//! Translated is the form that an era asks of every message, and nothing of what it is about. Which era a peer speaks is not decided
//! here.

use alloc::{borrow::ToOwned, boxed::Box, string::String};

use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{
    envelope::{Message, RawObject},
    preflight::gateway_info,
    protocol_version::ProtocolVersion,
};

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// A client's message, as a server of this revision wants it.
///
/// In 2026-07-28 every message says in `_meta` what is otherwise said when a session begins: added where the client has not said it, and
/// left out towards a server with sessions, because one that knows both eras refuses a message of which field and body name
/// different ones.
#[must_use]
pub fn message_for_server(message: &Message, era: ProtocolVersion) -> Message {
    let mut meta: RawObject = message
        .param("_meta")
        .and_then(|meta| serde_json::from_str(meta.get()).ok())
        .unwrap_or_default();
    if era == ProtocolVersion::V2026_07_28 {
        meta.entry(PROTOCOL_VERSION.to_owned()).or_insert_with(|| raw(&era.as_str()));
        meta.entry(CLIENT_INFO.to_owned()).or_insert_with(|| raw(&gateway_info()));
        meta.entry(CLIENT_CAPABILITIES.to_owned()).or_insert_with(|| raw(&json!({})));
        return message.with_param("_meta", meta);
    }
    let said = [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL]
        .map(|name| meta.shift_remove(name).is_some());
    if said.contains(&true) {
        message.with_param("_meta", meta)
    } else {
        message.clone()
    }
}

/// The reply to a request, by a server with sessions, as a client of 2026-07-28 wants it; `None` where the text is not that reply.
///
/// Every result says that it is complete; one that could be kept says that it must not be (AGG-12); and an error has no code that
/// the revision gave up (STA-18).
#[must_use]
pub fn reply_for_stateless_client(text: &[u8], request: &Message) -> Option<String> {
    let mut reply: RawObject = serde_json::from_slice(text).ok()?;
    if reply.get("id")?.get() != request.id()?.get() {
        return None;
    }
    let read = |member: &RawValue| serde_json::from_str::<RawObject>(member.get()).ok();
    if let Some(mut result) = reply.get("result").and_then(|result| read(result)) {
        result.entry("resultType".to_owned()).or_insert_with(|| raw(&"complete"));
        if request.method().as_deref() == Some("resources/read") {
            result.entry("ttlMs".to_owned()).or_insert_with(|| raw(&0));
            result.entry("cacheScope".to_owned()).or_insert_with(|| raw(&"private"));
        }
        reply.insert("result".to_owned(), raw(&result));
    } else {
        let mut error = read(reply.get("error")?)?;
        // A resource that is not there.
        if error.get("code").is_some_and(|code| code.get() == "-32002") {
            error.insert("code".to_owned(), raw(&-32602));
        }
        reply.insert("error".to_owned(), raw(&error));
    }
    serde_json::to_string(&reply).ok()
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value)
        .expect("strings, numbers, and maps of JSON values are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Message {
        Message::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_only_the_newest_revision_says_stays_out_of_the_others() {
        let newest = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7,"io.modelcontextprotocol/clientCapabilities":{},"x/y":1}}}"#;
        let left = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":7,"x/y":1}}}"#;
        assert_eq!(
            message_for_server(&read(newest), ProtocolVersion::V2025_11_25).to_string(),
            left
        );
        for as_it_is in [left, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#] {
            assert_eq!(
                message_for_server(&read(as_it_is), ProtocolVersion::V2025_11_25).to_string(),
                as_it_is
            );
        }
    }

    #[test]
    fn the_newest_revision_is_told_what_it_asks_and_nothing_is_overwritten() {
        let said = message_for_server(
            &read(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
            ProtocolVersion::V2026_07_28,
        )
        .to_string();
        for asked in [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES] {
            assert!(said.contains(asked), "{said}");
        }
        let own = r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}"#;
        assert!(
            message_for_server(&read(own), ProtocolVersion::V2026_07_28)
                .to_string()
                .contains(r#""io.modelcontextprotocol/clientCapabilities":{"sampling":{}}"#)
        );
    }

    #[test]
    fn a_reply_takes_the_form_of_the_newest_revision() {
        let request =
            |method: &str| read(&format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}"}}"#));
        let reply = |method: &str, text: &str| {
            reply_for_stateless_client(text.as_bytes(), &request(method))
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(
            reply("tools/call", r#"{"jsonrpc":"2.0","id":"a","result":{"content":[ 1.0 ]}}"#),
            is(
                r#"{"jsonrpc":"2.0","id":"a","result":{"content":[ 1.0 ],"resultType":"complete"}}"#
            )
        );
        assert_eq!(
            reply("resources/read", r#"{"id":"a","result":{"ttlMs":5}}"#),
            is(r#"{"id":"a","result":{"ttlMs":5,"resultType":"complete","cacheScope":"private"}}"#)
        );
        assert_eq!(
            reply("resources/read", r#"{"id":"a","error":{"code":-32002,"message":"no"}}"#),
            is(r#"{"id":"a","error":{"code":-32602,"message":"no"}}"#)
        );
        for no_reply in
            [r#"{"id":"b","result":{}}"#, r#"{"method":"notifications/progress"}"#, "", "[]"]
        {
            assert_eq!(reply("tools/call", no_reply), None, "{no_reply}");
        }
    }
}
