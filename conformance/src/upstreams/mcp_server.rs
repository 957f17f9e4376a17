//! The healthy MCP server that every upstream is unless told otherwise: two tools, a prompt, a resource, sessions.
//!
//! It speaks the revisions with sessions and, to a request that names it in `_meta`, 2026-07-28. It looks at no credential. A
//! session id that it never issued is ignored, since a matrix case sends one request and can have none; an ended one is gone for good.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Body},
    record::Ticket,
    request::{Request, rpc_method},
    state::Site,
};
use crate::{cases::behaviour::Flavour, catalogue::ProtocolVersion, trace::header};

const REVISIONS: [&str; 4] = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"];
/// The newest revision that opens with `initialize`.
const NEWEST_WITH_SESSIONS: &str = "2025-11-25";

/// What the healthy server answers.
pub(super) fn answer(
    site: &Site,
    server: &str,
    flavour: Flavour,
    request: &Request,
    ticket: &Ticket,
) -> Answer {
    if request.session().and_then(|session| site.record.lives(session)) == Some(false) {
        return error(
            404,
            request.json().as_ref().map_or(&Value::Null, |message| &message["id"]),
            -32600,
            "session not found",
        );
    }
    match request.method.as_str() {
        "POST" => post(site, server, flavour, request, ticket),
        "GET" => {
            let params = json!({ "level": "info", "data": format!("{server} is listening") });
            Answer::events([
                &json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }),
            ])
        }
        "DELETE" => {
            if let Some(session) = request.session() {
                ticket.ended(session);
            }
            Answer::empty(204)
        }
        _ => Answer::empty(405).with("Allow", "GET, POST, DELETE"),
    }
}

fn post(site: &Site, server: &str, flavour: Flavour, request: &Request, ticket: &Ticket) -> Answer {
    let Some(message) = request.json() else {
        return error(400, &Value::Null, -32700, "the body is not JSON");
    };
    let modern = site
        .deployment
        .server(server)
        .is_some_and(|server| server.protocol_version == ProtocolVersion::V2026_07_28);
    if let Some(refusal) = modern.then(|| unmirrored(request, &message)).flatten() {
        return refusal;
    }
    let (Some(method), Some(id)) = (rpc_method(&message), message.get("id")) else {
        // A notification, or an answer to a request of ours; batches ended with 2025-06-18.
        return if message.is_object() {
            Answer::empty(202)
        } else {
            error(400, &Value::Null, -32600, "expected one message")
        };
    };
    let (id, nobodys) = (id, json!("nobody-used-this-id"));
    let id = if flavour == Flavour::WrongId { &nobodys } else { id };
    let mut result = match result(server, method, &message["params"]) {
        Ok(result) => result,
        Err((code, text)) => return worded(flavour, &failure(id, code, text)),
    };
    if message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_string() {
        result["resultType"] = json!("complete");
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("private");
    }
    let answer = match (method, json!({ "jsonrpc": "2.0", "id": id, "result": result })) {
        ("subscriptions/listen", end) => {
            Answer::events([&acknowledged(id, &message["params"]["notifications"]), &end])
        }
        (_, message) => worded(flavour, &message),
    };
    if method != "initialize" {
        return answer;
    }
    let session = site.new_session();
    ticket.issued(&session);
    answer.with("Mcp-Session-Id", &session)
}

/// What a server that speaks 2026-07-28 alone says to a message of another revision, or to one that its header fields do not mirror.
fn unmirrored(request: &Request, message: &Value) -> Option<Answer> {
    let field = |name: &str| header(&request.headers, name);
    let params = &message["params"];
    let (id, method) = (&message["id"], rpc_method(message));
    let stated = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
    let named = match method {
        Some("tools/call" | "prompts/get") => params["name"].as_str(),
        Some("resources/read") => params["uri"].as_str(),
        _ => None,
    };
    if method == Some("initialize") {
        return Some(error(404, id, -32601, "no such method"));
    }
    if field("mcp-protocol-version") != stated
        || field("mcp-method") != method
        || named.is_some() && field("mcp-name").is_none()
    {
        return Some(error(400, id, -32020, "the header fields are not what the message says"));
    }
    if stated != Some(REVISIONS[0])
        || !params["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_object()
    {
        return Some(error(
            400,
            id,
            -32602,
            "_meta lacks the version or the client's capabilities",
        ));
    }
    None
}

/// The first event of a listening stream of 2026-07-28.
fn acknowledged(id: &Value, notifications: &Value) -> Value {
    let params = json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": id }, "notifications": notifications });
    json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params })
}

fn worded(flavour: Flavour, message: &Value) -> Answer {
    match flavour {
        Flavour::Json | Flavour::WrongId => Answer::json(200, message),
        Flavour::Sse => Answer::events([message]),
    }
}

fn failure(id: &Value, code: i64, text: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } })
}

fn error(status: u16, id: &Value, code: i64, text: &str) -> Answer {
    Answer::json(status, &failure(id, code, text))
}

fn result(server: &str, method: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
    let info = json!({ "name": format!("fleet-{server}"), "version": env!("CARGO_PKG_VERSION") });
    let capabilities = json!({ "tools": {}, "prompts": {}, "resources": {}, "logging": {} });
    match method {
        "initialize" => {
            let asked = params["protocolVersion"]
                .as_str()
                .filter(|asked| REVISIONS[1..].contains(asked));
            Ok(
                json!({ "protocolVersion": asked.unwrap_or(NEWEST_WITH_SESSIONS), "capabilities": capabilities, "serverInfo": info }),
            )
        }
        "server/discover" => Ok(
            json!({ "supportedVersions": REVISIONS, "capabilities": capabilities, "serverInfo": info }),
        ),
        "ping" | "logging/setLevel" => Ok(json!({})),
        "tools/list" => Ok(
            json!({ "tools": [tool("echo", &["text"], "string"), tool("add", &["a", "b"], "number")] }),
        ),
        "tools/call" => call(server, params),
        "prompts/list" => Ok(
            json!({ "prompts": [{ "name": "greeting", "description": format!("a greeting from {server}") }] }),
        ),
        "resources/list" => Ok(
            json!({ "resources": [{ "uri": format!("mock://{server}/log"), "name": "log", "mimeType": "text/plain" }] }),
        ),
        "prompts/get" => {
            let content = json!({ "type": "text", "text": format!("hello from {server}") });
            Ok(json!({ "messages": [{ "role": "user", "content": content }] }))
        }
        "resources/read" => Ok(
            json!({ "contents": [{ "uri": params["uri"], "mimeType": "text/plain", "text": "nothing happened" }] }),
        ),
        "subscriptions/listen" => Ok(json!({})),
        "resources/templates/list" => Ok(json!({ "resourceTemplates": [] })),
        _ => Err((-32601, "no such method")),
    }
}

fn tool(name: &str, arguments: &[&str], kind: &str) -> Value {
    let properties: serde_json::Map<String, Value> = arguments
        .iter()
        .map(|argument| ((*argument).to_owned(), json!({ "type": kind })))
        .collect();
    json!({ "name": name, "description": format!("mock upstreams tool {name}"), "inputSchema": { "type": "object", "properties": properties } })
}

fn call(server: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
    let arguments = &params["arguments"];
    let text = match params["name"].as_str() {
        Some("echo") => arguments["text"].as_str().unwrap_or_default().to_owned(),
        Some("add") => (arguments["a"].as_f64().unwrap_or_default()
            + arguments["b"].as_f64().unwrap_or_default())
        .to_string(),
        _ => return Err((-32602, "no such tool")),
    };
    Ok(
        json!({ "content": [{ "type": "text", "text": format!("{server}: {text}") }], "isError": false }),
    )
}

/// Puts three progress notifications before the result of a stream.
pub(super) fn with_progress(mut answer: Answer, request: &Request) -> Answer {
    if let Body::Events(events) = &mut answer.body {
        let token = request
            .json()
            .map(|message| message["params"]["_meta"]["progressToken"].clone())
            .unwrap_or_default();
        let token = if token.is_null() { json!("progress") } else { token };
        let notices = (1..=3).map(|step| {
            let params = json!({ "progressToken": token, "progress": step, "total": 3 });
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
        });
        let Answer { body: Body::Events(notices), .. } =
            Answer::events(&notices.collect::<Vec<_>>())
        else {
            return answer;
        };
        events.splice(..0, notices);
    }
    answer
}
