//! Names the tools, prompts and resources of an aggregate endpoint, finds the server behind a name,
//! and merges the results of several servers.

use serde_json::{Value, json};

use super::client_request::ClientRequest;
use crate::cases::deployment::ConfiguredServer;

/// The prefix of a resource's URI on an aggregate endpoint.
const RESOURCE_PREFIX: &str = "model://";

/// What the name of a tool or prompt is made from.
pub(super) struct ToolName<'a> {
    pub(super) server: &'a str,
    pub(super) item: &'a str,
    pub(super) separator: &'a str,
    /// The position of the server among those that succeeded.
    pub(super) position: usize,
    /// How many servers the request selects.
    pub(super) servers: usize,
}

/// The name with the server's name as a prefix (AGG-13).
pub(super) fn prefixed_name(name: &ToolName<'_>) -> String {
    format!("{}{}{}", name.server, name.separator, name.item)
}

/// The result of one server.
pub(super) struct PartResult<'a> {
    pub(super) server: &'a str,
    pub(super) result: &'a Value,
}

/// The server that a message addresses, and the name that this server knows. Names of servers do
/// not contain the separator.
pub(super) fn addressed_server(
    request: &ClientRequest,
    servers: &[ConfiguredServer],
    separator: &str,
) -> Option<(ConfiguredServer, String)> {
    let message: Value = serde_json::from_slice(&request.body).ok()?;
    let params = &message["params"];
    let (server, item) = match params["name"].as_str() {
        Some(name) => name.split_once(separator)?,
        None => params["uri"].as_str()?.strip_prefix(RESOURCE_PREFIX)?.split_once('/')?,
    };
    let server = servers.iter().find(|known| known.name == server)?;
    Some((server.clone(), item.to_owned()))
}

/// One result from those of all servers, in the order of the configuration (AGG-07). `name` takes
/// the position of a part, its server and the name of a tool or prompt.
pub(super) fn merge(
    request: &ClientRequest,
    parts: &[PartResult<'_>],
    name: impl Fn(usize, &str, &str) -> String,
) -> Value {
    let uri = |_: usize, server: &str, uri: &str| format!("{RESOURCE_PREFIX}{server}/{uri}");
    match request.rpc_method.as_deref() {
        Some("tools/list") => merge_list(parts, "tools", "name", name),
        Some("prompts/list") => merge_list(parts, "prompts", "name", name),
        Some("resources/list") => merge_list(parts, "resources", "uri", uri),
        Some("resources/templates/list") => {
            merge_list(parts, "resourceTemplates", "uriTemplate", uri)
        }
        Some("initialize") => json!({
            "protocolVersion": negotiated_version(request),
            "capabilities": capabilities(),
            "serverInfo": server_info(),
        }),
        Some("server/discover") => json!({
            "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18"],
            "capabilities": capabilities(),
            "serverInfo": server_info(),
        }),
        _ => json!({}),
    }
}

fn merge_list(
    parts: &[PartResult<'_>],
    list: &str,
    member: &str,
    rename: impl Fn(usize, &str, &str) -> String,
) -> Value {
    let mut merged: Vec<Value> = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        for item in part.result[list].as_array().into_iter().flatten() {
            let mut item = item.clone();
            let name = item[member].as_str().unwrap_or_default();
            item[member] = rename(position, part.server, name).into();
            merged.push(item);
        }
    }
    json!({ list: merged })
}

fn negotiated_version(request: &ClientRequest) -> Value {
    let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let requested = &message["params"]["protocolVersion"];
    match requested.as_str() {
        Some("2025-11-25" | "2025-06-18" | "2025-03-26") => requested.clone(),
        _ => json!("2025-11-25"),
    }
}

fn capabilities() -> Value {
    json!({ "tools": {}, "prompts": {}, "resources": {} })
}

fn server_info() -> Value {
    json!({ "name": "preflight-model", "version": "0.1" })
}
