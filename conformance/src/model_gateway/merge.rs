//! Names what servers offer so that nobody's name is taken, finds the server behind such a name, and makes one list of many.
//!
//! Asks nobody, and knows nothing of refusals.

use serde_json::{Value, json};

use super::gateway::Ask;
use crate::cases::deployment::ConfiguredServer;

/// What stands before the address of a resource.
const RESOURCES: &str = "model://";

/// The server that a message is meant for, and the name that this server knows. Server names of the plan hold nothing that separates names.
pub(super) fn target_of(
    ask: &Ask,
    servers: &[ConfiguredServer],
    separator: &str,
) -> Option<(ConfiguredServer, String)> {
    let message: Value = serde_json::from_slice(&ask.body).ok()?;
    let params = &message["params"];
    let (server, plain) = match params["name"].as_str() {
        Some(name) => name.split_once(separator)?,
        None => params["uri"].as_str()?.strip_prefix(RESOURCES)?.split_once('/')?,
    };
    Some((servers.iter().find(|known| known.name == server)?.clone(), plain.to_owned()))
}

/// One result of all that there are, server by server in the order of the configuration (AGG-07).
pub(super) fn merged(
    ask: &Ask,
    parts: &[(usize, &str, &Value)],
    name: impl Fn(usize, &str, &str) -> String,
) -> Value {
    let list = |key: &str, place: &str, spell: &dyn Fn(usize, &str, &str) -> String| {
        let of = |(n, server, result): &(usize, &str, &Value)| {
            let items = result[key].as_array().cloned().unwrap_or_default();
            let (n, server) = (*n, (*server).to_owned());
            items.into_iter().map(move |mut item| {
                item[place] = spell(n, &server, item[place].as_str().unwrap_or_default()).into();
                item
            })
        };
        json!({ key: parts.iter().flat_map(of).collect::<Vec<Value>>() })
    };
    let address = |_: usize, server: &str, uri: &str| format!("{RESOURCES}{server}/{uri}");
    let modern = modern(ask);
    let mut result = match ask.rpc.as_deref() {
        Some("tools/list") => list("tools", "name", &name),
        Some("prompts/list") => list("prompts", "name", &name),
        Some("resources/list") => list("resources", "uri", &address),
        Some("resources/templates/list") => list("resourceTemplates", "uriTemplate", &address),
        Some("initialize") => {
            json!({ "protocolVersion": revision(ask), "capabilities": capabilities(), "serverInfo": info() })
        }
        Some("server/discover") => {
            json!({ "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18"], "capabilities": capabilities(), "serverInfo": info() })
        }
        _ => json!({}),
    };
    if modern {
        result["resultType"] = json!("complete");
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("private");
    }
    result
}

/// Whether the message is one of 2026-07-28.
fn modern(ask: &Ask) -> bool {
    ask.headers
        .get("mcp-protocol-version")
        .is_some_and(|version| version == "2026-07-28")
}

fn revision(ask: &Ask) -> Value {
    let message: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
    let known = |asked: &&Value| {
        asked
            .as_str()
            .is_some_and(|asked| ["2025-11-25", "2025-06-18", "2025-03-26"].contains(&asked))
    };
    Some(&message["params"]["protocolVersion"])
        .filter(known)
        .cloned()
        .unwrap_or_else(|| json!("2025-11-25"))
}

fn capabilities() -> Value {
    json!({ "tools": {}, "prompts": {}, "resources": {} })
}

fn info() -> Value {
    json!({ "name": "preflight-model", "version": "0.1" })
}
