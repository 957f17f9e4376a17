//! Combines the replies of servers to `initialize`, `server/discover` and `ping`.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use serde_json::{Map, Value, json};

use super::{FailedServer, OUTCOMES_META_KEY, add_stateless_members, outcomes};
use crate::{
    envelope::{RawObject, raw_json},
    preflight::gateway_info,
    protocol_version::ProtocolVersion,
};

/// The capabilities that an aggregate endpoint can offer. It forwards nothing that belongs to
/// another capability.
const OFFERED_CAPABILITIES: [&str; 4] = ["tools", "prompts", "resources", "completions"];

/// The result of `initialize`, or of `server/discover` for a stateless client. `results` are the
/// results of the servers, by name.
#[must_use]
pub fn opening_result(
    version: ProtocolVersion,
    results: &[(&str, Value)],
    failed: &[FailedServer<'_>],
) -> String {
    let mut meta = Map::new();
    if !failed.is_empty() {
        meta.insert(OUTCOMES_META_KEY.to_owned(), outcomes(failed));
    }
    let mut result = RawObject::new();
    if version.is_stateless() {
        let supported = ProtocolVersion::ALL.map(ProtocolVersion::as_str);
        result.insert("supportedVersions".to_owned(), raw_json(&supported));
        meta.insert("io.modelcontextprotocol/serverInfo".to_owned(), gateway_info());
    } else {
        result.insert("protocolVersion".to_owned(), raw_json(&version.as_str()));
        result.insert("serverInfo".to_owned(), raw_json(&gateway_info()));
    }
    result.insert("capabilities".to_owned(), raw_json(&merge_capabilities(results)));
    let instructions = merge_instructions(results);
    if !instructions.is_empty() {
        result.insert("instructions".to_owned(), raw_json(&instructions));
    }
    if !meta.is_empty() {
        result.insert("_meta".to_owned(), raw_json(&meta));
    }
    add_stateless_members(&mut result, version);
    raw_json(&result).get().to_owned()
}

/// The capabilities that at least one server has and that an aggregate endpoint can offer.
fn merge_capabilities(results: &[(&str, Value)]) -> Value {
    let offered = OFFERED_CAPABILITIES.into_iter().filter(|capability| {
        results
            .iter()
            .any(|(_, result)| result["capabilities"].get(capability).is_some())
    });
    Value::Object(offered.map(|capability| (capability.to_owned(), json!({}))).collect())
}

/// The instructions of all servers, each behind the server's name. Empty if no server has any.
fn merge_instructions(results: &[(&str, Value)]) -> String {
    let instructions: Vec<String> = results
        .iter()
        .filter_map(|(server, result)| {
            Some(format!("{server}: {}", result["instructions"].as_str()?))
        })
        .collect();
    instructions.join("\n\n")
}

/// The result of `ping`. It has no members besides those that the protocol version requires.
#[must_use]
pub fn ping_result(version: ProtocolVersion) -> String {
    let mut result = RawObject::new();
    if version.is_stateless() {
        result.insert("resultType".to_owned(), raw_json(&"complete"));
    }
    raw_json(&result).get().to_owned()
}
