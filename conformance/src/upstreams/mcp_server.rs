//! The responses of a healthy MCP server: two tools, a prompt, a resource, and sessions.
//!
//! It speaks the session-based protocol versions, and 2026-07-28 to a request that names it in
//! `_meta`. It checks no credential. A session id that it never issued is ignored, because most
//! matrix cases send one request without a session; an ended session is answered with 404.

use serde_json::{Value, json};

use super::{
    record::Ticket,
    request::{Request, rpc_method},
    response::{Body, Response, message_event},
    state::State,
};
use crate::{cases::behaviour::Flavour, catalogue::ProtocolVersion, trace::header};

/// Every supported protocol version; the first one is stateless.
const VERSIONS: [&str; 4] = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"];
/// The newest session-based protocol version.
const NEWEST_SESSION_BASED: &str = "2025-11-25";

/// The `_meta` key of the protocol version.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// The `_meta` key of the client's capabilities.
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// The response of a healthy server to a request.
pub(super) fn respond(
    state: &State,
    server: &str,
    flavour: Flavour,
    request: &Request,
    ticket: &Ticket,
) -> Response {
    let has_ended =
        request.session().and_then(|session| state.record.is_live(session)) == Some(false);
    if has_ended {
        let id = request.json().map_or(Value::Null, |message| message["id"].clone());
        return error(404, &id, -32600, "session not found");
    }
    match request.method.as_str() {
        "POST" => respond_to_post(state, server, flavour, request, ticket),
        "GET" => {
            let params = json!({ "level": "info", "data": format!("{server} is listening") });
            Response::events([
                &json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }),
            ])
        }
        "DELETE" => {
            if let Some(session) = request.session() {
                ticket.session_ended(session);
            }
            Response::empty(204)
        }
        _ => Response::empty(405).with("Allow", "GET, POST, DELETE"),
    }
}

fn respond_to_post(
    state: &State,
    server: &str,
    flavour: Flavour,
    request: &Request,
    ticket: &Ticket,
) -> Response {
    let Some(message) = request.json() else {
        return error(400, &Value::Null, -32700, "the body is not JSON");
    };
    let is_stateless = state
        .deployment
        .server(server)
        .is_some_and(|server| server.protocol_version == ProtocolVersion::V2026_07_28);
    if is_stateless && let Some(rejection) = check_stateless(request, message) {
        return rejection;
    }
    let (Some(method), Some(id)) = (rpc_method(message), message.get("id")) else {
        // A notification or a response. Batches are not valid since 2025-06-18.
        return if message.is_object() {
            Response::empty(202)
        } else {
            error(400, &Value::Null, -32600, "expected one message")
        };
    };
    let wrong_id = json!("an-id-that-no-request-used");
    let id = if flavour == Flavour::WrongId { &wrong_id } else { id };
    let params = &message["params"];
    let mut result = match result(server, method, params) {
        Ok(result) => result,
        Err((code, text)) => return in_flavour(flavour, &error_message(id, code, text)),
    };
    if params["_meta"][VERSION_KEY].is_string() {
        result["resultType"] = json!("complete");
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("private");
    }
    let result = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    match method {
        "subscriptions/listen" => {
            Response::events([&acknowledgement(id, &params["notifications"]), &result])
        }
        "initialize" => {
            let session = state.new_session();
            ticket.session_issued(&session);
            in_flavour(flavour, &result).with("Mcp-Session-Id", &session)
        }
        _ => in_flavour(flavour, &result),
    }
}

/// Checks a request to a server that speaks only 2026-07-28. Returns the response to an invalid
/// one.
///
/// The header fields must repeat values of the message.
fn check_stateless(request: &Request, message: &Value) -> Option<Response> {
    let field = |name: &str| header(&request.headers, name);
    let params = &message["params"];
    let (id, method) = (&message["id"], rpc_method(message));
    let version = params["_meta"][VERSION_KEY].as_str();
    let name = match method {
        Some("initialize") => return Some(error(404, id, -32601, "no such method")),
        Some("tools/call" | "prompts/get") => params["name"].as_str(),
        Some("resources/read") => params["uri"].as_str(),
        _ => None,
    };
    if field("mcp-protocol-version") != version
        || field("mcp-method") != method
        || name.is_some() && field("mcp-name").is_none()
    {
        let text = "the header fields differ from the message";
        return Some(error(400, id, -32020, text));
    }
    if version != Some(VERSIONS[0]) || !params["_meta"][CAPABILITIES_KEY].is_object() {
        let text = "_meta lacks the protocol version or the client's capabilities";
        return Some(error(400, id, -32602, text));
    }
    None
}

/// The first event of a listening stream in 2026-07-28.
fn acknowledgement(id: &Value, notifications: &Value) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {
            "_meta": { "io.modelcontextprotocol/subscriptionId": id },
            "notifications": notifications,
        },
    })
}

/// The message as JSON or as an event stream.
fn in_flavour(flavour: Flavour, message: &Value) -> Response {
    match flavour {
        Flavour::Json | Flavour::WrongId => Response::json(200, message),
        Flavour::Sse => Response::events([message]),
    }
}

fn error_message(id: &Value, code: i64, text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } })
}

fn error(status: u16, id: &Value, code: i64, text: &str) -> Response {
    Response::json(status, &error_message(id, code, text))
}

/// The result of a method, or the code and the text of a JSON-RPC error.
fn result(server: &str, method: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
    Ok(match method {
        "initialize" => {
            let requested = params["protocolVersion"]
                .as_str()
                .filter(|requested| VERSIONS[1..].contains(requested));
            json!({
                "protocolVersion": requested.unwrap_or(NEWEST_SESSION_BASED),
                "capabilities": capabilities(),
                "serverInfo": server_info(server),
            })
        }
        "server/discover" => json!({
            "supportedVersions": VERSIONS,
            "capabilities": capabilities(),
            "serverInfo": server_info(server),
        }),
        "ping" | "logging/setLevel" | "subscriptions/listen" => json!({}),
        "tools/list" => {
            let (echo, add) =
                (tool("echo", &["text"], "string"), tool("add", &["a", "b"], "number"));
            json!({ "tools": [echo, add] })
        }
        "tools/call" => return tool_result(server, params),
        "prompts/list" => {
            let description = format!("a greeting from {server}");
            json!({ "prompts": [{ "name": "greeting", "description": description }] })
        }
        "prompts/get" => {
            let content = json!({ "type": "text", "text": format!("hello from {server}") });
            json!({ "messages": [{ "role": "user", "content": content }] })
        }
        "resources/list" => {
            // A gateway may read a resource only if the server lists it. Scenarios name these two.
            let own = format!("mock://{server}/log");
            let resources = [("mock://log", "log"), (own.as_str(), "own-log")]
                .map(|(uri, name)| json!({ "uri": uri, "name": name, "mimeType": "text/plain" }));
            json!({ "resources": resources })
        }
        "resources/read" => {
            let content = json!({
                "uri": params["uri"],
                "mimeType": "text/plain",
                "text": "nothing happened",
            });
            json!({ "contents": [content] })
        }
        "resources/templates/list" => json!({
            "resourceTemplates": [{ "uriTemplate": "mock://{name}", "name": "named-log" }],
        }),
        _ => return Err((-32601, "no such method")),
    })
}

fn server_info(server: &str) -> Value {
    json!({ "name": format!("mock-{server}"), "version": env!("CARGO_PKG_VERSION") })
}

fn capabilities() -> Value {
    json!({ "tools": {}, "prompts": {}, "resources": {}, "logging": {} })
}

fn tool(name: &str, arguments: &[&str], kind: &str) -> Value {
    let properties: serde_json::Map<String, Value> = arguments
        .iter()
        .map(|argument| ((*argument).to_owned(), json!({ "type": kind })))
        .collect();
    json!({
        "name": name,
        "description": format!("mock upstreams tool {name}"),
        "inputSchema": { "type": "object", "properties": properties },
    })
}

fn tool_result(server: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
    let arguments = &params["arguments"];
    let text = match params["name"].as_str() {
        Some("echo") => arguments["text"].as_str().unwrap_or_default().to_owned(),
        Some("add") => {
            let number = |name: &str| arguments[name].as_f64().unwrap_or_default();
            (number("a") + number("b")).to_string()
        }
        _ => return Err((-32602, "no such tool")),
    };
    let content = json!({ "type": "text", "text": format!("{server}: {text}") });
    Ok(json!({ "content": [content], "isError": false }))
}

/// Inserts three progress notifications before the result of an event stream.
pub(super) fn with_progress(mut response: Response, request: &Request) -> Response {
    let Body::Events(events) = &mut response.body else {
        return response;
    };
    let token = request
        .json()
        .map(|message| message["params"]["_meta"]["progressToken"].clone())
        .unwrap_or_default();
    let token = if token.is_null() { json!("progress") } else { token };
    let notifications = (1..=3).map(|step| {
        let params = json!({ "progressToken": token, "progress": step, "total": 3 });
        let message =
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params });
        message_event(&message)
    });
    events.splice(..0, notifications);
    response
}
