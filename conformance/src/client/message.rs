//! The MCP message of a request: HTTP method, the header fields of the transport, and body.

use serde_json::{Value, json};

use super::case::Case;
use crate::{cases::axis::Method, catalogue::ProtocolVersion, trace::Headers};

/// What the client asks of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind<'a> {
    /// An MCP message, or a GET or DELETE of the MCP transport.
    Mcp(Method),
    /// POST `notifications/initialized`, with which a client begins to use a new session.
    Initialized,
    /// POST `tools/call` for the tool with this name.
    ToolCall(&'a str),
    /// A request that is not part of MCP, with this HTTP method.
    Plain(&'a str),
}

/// A message, without the credentials of the caller.
pub(super) struct Message {
    /// The HTTP method.
    pub(super) method: String,
    /// The header fields that the MCP transport requires.
    pub(super) headers: Headers,
    /// The body; empty for none.
    pub(super) body: String,
}

impl Message {
    /// The message of this kind, in this protocol version, with the number of the case as its id.
    pub(super) fn new(
        kind: RequestKind<'_>,
        protocol_version: ProtocolVersion,
        case: &Case,
    ) -> Self {
        let writer = MessageWriter { protocol_version, case };
        match kind {
            RequestKind::Mcp(method) => writer.mcp(method),
            RequestKind::Initialized => {
                writer.notification("notifications/initialized", &json!({}))
            }
            RequestKind::ToolCall(name) => writer.tool_call(name),
            RequestKind::Plain(method) => Self {
                method: method.to_owned(),
                headers: vec![field("accept", "*/*")],
                body: String::new(),
            },
        }
    }
}

struct MessageWriter<'a> {
    protocol_version: ProtocolVersion,
    case: &'a Case,
}

impl MessageWriter<'_> {
    fn mcp(&self, method: Method) -> Message {
        match method {
            Method::Initialize => {
                let params = json!({
                    "protocolVersion": self.protocol_version.as_str(),
                    "capabilities": {},
                    "clientInfo": client_info(),
                });
                // The version is negotiated by this message, so no header field states it.
                self.post(&self.json_rpc_request("initialize", params), None)
            }
            Method::ToolsList => self.request("tools/list", json!({})),
            Method::ToolsCall => self.tool_call("echo"),
            Method::Notification => {
                let params = json!({"requestId": self.case.number, "reason": "no longer needed"});
                self.notification("notifications/cancelled", &params)
            }
            Method::Get => {
                let mut headers = vec![field("accept", "text/event-stream")];
                headers.extend(self.version_field());
                Message { method: "GET".to_owned(), headers, body: String::new() }
            }
            Method::Delete => Message {
                method: "DELETE".to_owned(),
                headers: self.version_field().into_iter().collect(),
                body: String::new(),
            },
            Method::Discover => self.request("server/discover", json!({})),
            Method::Listen => self.request(
                "subscriptions/listen",
                json!({"notifications": {"toolsListChanged": true}}),
            ),
            Method::ResourcesRead => self.request("resources/read", json!({"uri": "mock://log"})),
            Method::PromptsGet => self.request("prompts/get", json!({"name": "greeting"})),
        }
    }

    fn notification(&self, method: &str, params: &Value) -> Message {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.post(&message, self.version_field())
    }

    fn tool_call(&self, name: &str) -> Message {
        self.request("tools/call", json!({"name": name, "arguments": {"text": "hello"}}))
    }

    fn request(&self, method: &str, params: Value) -> Message {
        self.post(&self.json_rpc_request(method, params), self.version_field())
    }

    fn json_rpc_request(&self, method: &str, mut params: Value) -> Value {
        if self.protocol_version == ProtocolVersion::V2026_07_28 {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.protocol_version.as_str(),
                "io.modelcontextprotocol/clientInfo": client_info(),
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        // A JSON-RPC id is a string or a number. `tools/list` uses a string, so both are tested.
        let id = if method == "tools/list" {
            Value::from(self.case.number.to_string())
        } else {
            Value::from(self.case.number)
        };
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    fn post(&self, body: &Value, version_field: Option<(String, String)>) -> Message {
        let mut headers = vec![
            field("content-type", "application/json"),
            field("accept", "application/json, text/event-stream"),
        ];
        headers.extend(version_field);
        if self.protocol_version == ProtocolVersion::V2026_07_28 {
            let text_at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
            let name = text_at("/params/name").or_else(|| text_at("/params/uri"));
            headers.extend(text_at("/method").map(|method| field("mcp-method", method)));
            headers.extend(name.map(|name| field("mcp-name", name)));
        }
        Message { method: "POST".to_owned(), headers, body: body.to_string() }
    }

    /// `MCP-Protocol-Version`, which was introduced with 2025-06-18.
    fn version_field(&self) -> Option<(String, String)> {
        (self.protocol_version > ProtocolVersion::V2025_03_26)
            .then(|| field("mcp-protocol-version", self.protocol_version.as_str()))
    }
}

fn client_info() -> Value {
    json!({"name": "preflight-conformance", "version": env!("CARGO_PKG_VERSION")})
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_except_a_notification_has_the_number_of_its_case_as_id() {
        let case = Case::new(7, 41);
        for method in Method::ALL {
            let message =
                Message::new(RequestKind::Mcp(*method), ProtocolVersion::default(), &case);
            let has_id = ["\"id\":41", "\"id\":\"41\""].iter().any(|id| message.body.contains(id));
            assert_eq!(
                has_id,
                message.method == "POST" && *method != Method::Notification,
                "{method}"
            );
        }
    }
}
