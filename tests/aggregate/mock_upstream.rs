//! A mock upstream that rejects every request which its protocol version does not allow.

use http::Method;
use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

/// One mock upstream.
///
/// The bearer token of a request selects the response status per server:
/// with `Bearer alpha=401+beta=500`, `alpha` answers 401 and `beta` answers 500.
/// A server that the token does not name follows the protocol.
pub(crate) struct MockUpstream {
    pub(crate) name: &'static str,
    /// Speaks 2026-07-28 instead of the session-based versions.
    pub(crate) stateless: bool,
}

impl Respond for MockUpstream {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if let Some(status) = self.status_from_token(request) {
            return ResponseTemplate::new(status);
        }
        if request.method == Method::DELETE {
            let known = field(request, "mcp-session-id") == self.session_id();
            return ResponseTemplate::new(if known { 204 } else { 404 });
        }
        let message: Value = request.body_json().unwrap_or_default();
        let method = message["method"].as_str().unwrap_or_default();
        if let Some(status) = self.protocol_error(request, &message, method) {
            return ResponseTemplate::new(status);
        }
        match self.result(method, &message) {
            Some(result) => {
                let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
                let response = ResponseTemplate::new(200).set_body_json(body);
                if method == "initialize" {
                    response.insert_header("mcp-session-id", self.session_id().as_str())
                } else {
                    response
                }
            }
            None if message.get("id").is_none() => ResponseTemplate::new(202),
            None => ResponseTemplate::new(200).set_body_json(json!({
                "jsonrpc": "2.0",
                "id": message["id"],
                "error": { "code": -32601, "message": "no" },
            })),
        }
    }
}

impl MockUpstream {
    /// The id of the only session that this server opens.
    fn session_id(&self) -> String {
        format!("session-of-{}", self.name)
    }

    /// The status that the bearer token selects for this server.
    fn status_from_token(&self, request: &Request) -> Option<u16> {
        let (_, token) = field(request, "authorization").split_once(' ')?;
        let mut parts = token.split('+');
        let status = parts.find_map(|part| part.strip_prefix(self.name)?.strip_prefix('='))?;
        Some(status.parse().unwrap())
    }

    /// The status of a request that breaks the rules of this server's protocol version.
    fn protocol_error(&self, request: &Request, message: &Value, method: &str) -> Option<u16> {
        let session_id = field(request, "mcp-session-id");
        if self.stateless {
            let version = &message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
            let fields_agree = field(request, "mcp-method") == method
                && field(request, "mcp-protocol-version") == "2026-07-28"
                && version == "2026-07-28"
                && (method != "tools/call"
                    || message["params"]["name"] == field(request, "mcp-name"));
            let has_session = request.headers.contains_key("mcp-session-id");
            (!fields_agree || has_session).then_some(400)
        } else if method == "initialize" || session_id == self.session_id() {
            None
        } else {
            Some(if session_id.is_empty() { 400 } else { 404 })
        }
    }

    fn result(&self, method: &str, message: &Value) -> Option<Value> {
        let result = match method {
            "initialize" => json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": {} },
                "serverInfo": { "name": self.name, "version": "1" },
            }),
            "server/discover" => json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": { "tools": {}, "prompts": {} },
            }),
            "tools/list" => {
                json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] })
            }
            "tools/call" => {
                let tool = message["params"]["name"].as_str().unwrap();
                let text = format!("{tool} of {}", self.name);
                json!({ "content": [{ "type": "text", "text": text }] })
            }
            "ping" => json!({}),
            _ => return None,
        };
        Some(result)
    }
}

fn field<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers.get(name).map_or("", |value| value.to_str().unwrap())
}
