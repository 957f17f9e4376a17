//! The healthy MCP server that every upstream is unless told otherwise: two tools, a prompt, a resource, sessions.
//!
//! It speaks the revisions with sessions and, to a request that names it in `_meta`, 2026-07-28. It looks at no credential. A
//! session id that it never issued is ignored, since a cell sends one request and can have none; an ended one is gone for good.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Body},
    record::Ticket,
    request::{Request, rpc_method},
    site::Site,
};
use crate::behaviour::Flavour;

const REVISIONS: [&str; 4] = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"];
/// The newest revision that opens with `initialize`.
const NEWEST_WITH_SESSIONS: &str = "2025-11-25";

/// What the healthy server answers.
pub(super) fn answer(site: &Site, server: &str, flavour: Flavour, request: &Request, ticket: &Ticket) -> Answer {
    if request.session().and_then(|session| site.record.lives(session)) == Some(false) {
        return error(404, request.json().as_ref().map_or(&Value::Null, |message| &message["id"]), -32600, "session not found");
    }
    match request.method.as_str() {
        "POST" => post(site, server, flavour, request, ticket),
        "GET" => {
            let params = json!({ "level": "info", "data": format!("{server} is listening") });
            Answer::events([&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params })])
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
    let Some(message) = request.json() else { return error(400, &Value::Null, -32700, "the body is not JSON") };
    let (Some(method), Some(id)) = (rpc_method(&message), message.get("id")) else {
        // A notification, or an answer to a request of ours; batches ended with 2025-06-18.
        return if message.is_object() { Answer::empty(202) } else { error(400, &Value::Null, -32600, "expected one message") };
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
    let answer = worded(flavour, &json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    if method != "initialize" {
        return answer;
    }
    let session = site.new_session();
    ticket.issued(&session);
    answer.with("Mcp-Session-Id", &session)
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
            let asked = params["protocolVersion"].as_str().filter(|asked| REVISIONS[1..].contains(asked));
            Ok(json!({ "protocolVersion": asked.unwrap_or(NEWEST_WITH_SESSIONS), "capabilities": capabilities, "serverInfo": info }))
        }
        "server/discover" => Ok(json!({ "supportedVersions": REVISIONS, "capabilities": capabilities, "serverInfo": info })),
        "ping" | "logging/setLevel" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": [tool("echo", &["text"], "string"), tool("add", &["a", "b"], "number")] })),
        "tools/call" => call(server, params),
        "prompts/list" => Ok(json!({ "prompts": [{ "name": "greeting", "description": format!("a greeting from {server}") }] })),
        "resources/list" => {
            Ok(json!({ "resources": [{ "uri": format!("fleet://{server}/log"), "name": "log", "mimeType": "text/plain" }] }))
        }
        "resources/templates/list" => Ok(json!({ "resourceTemplates": [] })),
        _ => Err((-32601, "no such method")),
    }
}

fn tool(name: &str, arguments: &[&str], kind: &str) -> Value {
    let properties: serde_json::Map<String, Value> =
        arguments.iter().map(|argument| ((*argument).to_owned(), json!({ "type": kind }))).collect();
    json!({ "name": name, "description": format!("fleet tool {name}"), "inputSchema": { "type": "object", "properties": properties } })
}

fn call(server: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
    let arguments = &params["arguments"];
    let text = match params["name"].as_str() {
        Some("echo") => arguments["text"].as_str().unwrap_or_default().to_owned(),
        Some("add") => (arguments["a"].as_f64().unwrap_or_default() + arguments["b"].as_f64().unwrap_or_default()).to_string(),
        _ => return Err((-32602, "no such tool")),
    };
    Ok(json!({ "content": [{ "type": "text", "text": format!("{server}: {text}") }], "isError": false }))
}

/// Puts three progress notifications before the result of a stream.
pub(super) fn with_progress(mut answer: Answer, request: &Request) -> Answer {
    if let Body::Events(events) = &mut answer.body {
        let token = request.json().map(|message| message["params"]["_meta"]["progressToken"].clone()).unwrap_or_default();
        let token = if token.is_null() { json!("progress") } else { token };
        let notices = (1..=3).map(|step| {
            let params = json!({ "progressToken": token, "progress": step, "total": 3 });
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
        });
        let Answer { body: Body::Events(notices), .. } = Answer::events(&notices.collect::<Vec<_>>()) else { return answer };
        events.splice(..0, notices);
    }
    answer
}
