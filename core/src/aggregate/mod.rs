//! Decides how several servers are served as one: who gets a message, and what their answers make together.
//!
//! What has a plain meaning across servers is done by all or by the one that is named; what has none is refused with a clear error
//! (logging level, subscriptions, answers to an upstream's own requests), unless there is only one server to mean. How a server is
//! asked, and whether its refusal refuses the whole, is not decided here.

pub mod answer;
pub mod operation;
pub mod reply;
pub mod upstream_message;
pub mod upstream_session;

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use alloc::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json, value::RawValue};

use super::{
    access::ServerId,
    envelope::{Message, RawObject},
    naming,
    outcome::Outcome,
    preflight::gateway_info,
    protocol_version::ProtocolVersion,
    status::Failure,
};

/// The key in a result's `_meta` under which servers that gave no answer are named with their outcome (AGG-02).
pub const OUTCOMES_META_KEY: &str = "mcp-preflight/outcomes";

/// The servers of a request, in configuration order, and how their names are written.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'c> {
    /// Position and name.
    pub servers: &'c [(ServerId, &'c str)],
    /// What stands between a server's name and a tool's.
    pub separator: &'c str,
    /// The only tools there are, by their names here, where a toolset names them.
    pub tools: Option<&'c BTreeSet<String>>,
}

/// A server that gave no part of an answer.
#[derive(Clone, Copy, Debug)]
pub struct FailedServer<'c> {
    /// Its name.
    pub server: &'c str,
    /// Why not.
    pub failure: Failure,
    /// Where a new token may come from, if that would help.
    pub resource_metadata: Option<&'c str>,
}

/// Something that servers list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
}

impl ListKind {
    fn from_method(method: &str) -> Option<Self> {
        Some(match method {
            "tools/list" => Self::Tools,
            "prompts/list" => Self::Prompts,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::ResourceTemplates,
            _ => return None,
        })
    }

    /// The member of the result that holds the list.
    const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }

    /// The member of an item that a client will ask by, and whether it is a URI.
    const fn handle(self) -> (&'static str, bool) {
        match self {
            Self::Tools | Self::Prompts => ("name", false),
            Self::Resources => ("uri", true),
            Self::ResourceTemplates => ("uriTemplate", true),
        }
    }
}

/// What to do with a client's message.
#[derive(Debug)]
pub enum Dispatch {
    /// Open a session with every server, and answer for all (`initialize`).
    OpenSessions,
    /// Say what all can do (`server/discover`).
    Discover,
    /// See that all are there (`ping`).
    Ping,
    /// Ask these servers with these messages, and merge what they list.
    List(ListKind, Vec<(ServerId, Message)>),
    /// One server's, in its own words.
    SingleServer(ServerId, Message),
    /// Every server's, and none answers.
    AllServers,
    /// Nobody's: this JSON-RPC error.
    Undeliverable(Undeliverable),
}

/// Why a message is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeliverable {
    /// The method has no meaning across several servers, or none at all: −32601.
    NoAggregateMeaning,
    /// The name, URI or reference is not one that a list here has shown: −32602.
    UnknownName,
    /// The cursor is not one that a list here has given: −32602.
    UnknownCursor,
}

impl Undeliverable {
    /// The JSON-RPC code.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::NoAggregateMeaning => -32601,
            Self::UnknownName | Self::UnknownCursor => -32602,
        }
    }

    /// The words.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoAggregateMeaning => {
                "this method has no meaning across several servers; use one server's own route"
            }
            Self::UnknownName => {
                "no server here has this name; use one from a list of this endpoint"
            }
            Self::UnknownCursor => {
                "this cursor is not from a list of this endpoint; begin without one"
            }
        }
    }
}

impl Dispatch {
    /// The servers that are asked.
    #[must_use]
    pub fn servers(&self, scope: Scope<'_>) -> Vec<ServerId> {
        match self {
            Self::OpenSessions | Self::Discover | Self::Ping | Self::AllServers => {
                scope.servers.iter().map(|(server, _)| *server).collect()
            }
            Self::List(_, asked) => asked.iter().map(|(server, _)| *server).collect(),
            Self::SingleServer(server, _) => vec![*server],
            Self::Undeliverable(_) => Vec::new(),
        }
    }
}

/// Decides who gets a message.
#[must_use]
pub fn dispatch(message: &Message, scope: Scope<'_>) -> Dispatch {
    let only = match scope.servers {
        [(server, _)] => Some(*server),
        _ => None,
    };
    let Some(method) = message.method() else {
        // An answer to an upstream's request: whose it is can be told only where there is one.
        return only.map_or(Dispatch::Undeliverable(Undeliverable::NoAggregateMeaning), |server| {
            Dispatch::SingleServer(server, message.clone())
        });
    };
    if let Some(listed) = ListKind::from_method(&method) {
        return list(listed, message, scope);
    }
    let named = |name: Option<(ServerId, Message)>| {
        name.map_or(Dispatch::Undeliverable(Undeliverable::UnknownName), |(server, message)| {
            Dispatch::SingleServer(server, message)
        })
    };
    match method.as_str() {
        "initialize" => Dispatch::OpenSessions,
        "server/discover" => Dispatch::Discover,
        "ping" => Dispatch::Ping,
        // A tool that the toolset leaves out is not there.
        "tools/call" if !scope.has_tool(message.string_param("name").as_deref()) => named(None),
        "tools/call" | "prompts/get" => named(by_name(message, scope)),
        "resources/read" => named(by_uri(message, scope)),
        "completion/complete" => named(by_reference(message, scope)),
        _ if message.id().is_none() => Dispatch::AllServers,
        _ => only.map_or(Dispatch::Undeliverable(Undeliverable::NoAggregateMeaning), |server| {
            Dispatch::SingleServer(server, message.clone())
        }),
    }
}

impl Scope<'_> {
    fn has_tool(&self, name: Option<&str>) -> bool {
        self.tools.is_none_or(|tools| name.is_some_and(|name| tools.contains(name)))
    }

    fn by_name(&self, name: &str) -> Option<(ServerId, String)> {
        let (server, own) =
            naming::split_name(name, self.separator, self.servers.iter().map(|(_, name)| *name))?;
        Some((self.id(server)?, own.to_owned()))
    }

    fn by_uri(&self, uri: &str) -> Option<(ServerId, String)> {
        let (server, own) = naming::split_uri(uri)?;
        Some((self.id(server)?, own.to_owned()))
    }

    fn id(&self, name: &str) -> Option<ServerId> {
        self.servers.iter().find(|(_, known)| *known == name).map(|(server, _)| *server)
    }
}

fn by_name(message: &Message, scope: Scope<'_>) -> Option<(ServerId, Message)> {
    let (server, name) = scope.by_name(&message.string_param("name")?)?;
    Some((server, message.with_param("name", name)))
}

fn by_uri(message: &Message, scope: Scope<'_>) -> Option<(ServerId, Message)> {
    let (server, uri) = scope.by_uri(&message.string_param("uri")?)?;
    Some((server, message.with_param("uri", uri)))
}

fn by_reference(message: &Message, scope: Scope<'_>) -> Option<(ServerId, Message)> {
    let mut reference: Map<String, Value> =
        serde_json::from_str(message.param("ref")?.get()).ok()?;
    let (member, found) = match reference.get("type")?.as_str()? {
        "ref/prompt" => ("name", scope.by_name(reference.get("name")?.as_str()?)),
        "ref/resource" => ("uri", scope.by_uri(reference.get("uri")?.as_str()?)),
        _ => return None,
    };
    let (server, own) = found?;
    reference.insert(member.to_owned(), own.into());
    Some((server, message.with_param("ref", reference)))
}

/// A cursor of an aggregate is the cursors of the servers that have more, by name; servers that are done are not asked again.
type Cursors = BTreeMap<String, String>;

fn list(listed: ListKind, message: &Message, scope: Scope<'_>) -> Dispatch {
    let Some(cursor) = message.param("cursor") else {
        return Dispatch::List(
            listed,
            scope.servers.iter().map(|(server, _)| (*server, message.clone())).collect(),
        );
    };
    let cursors: Option<Cursors> = serde_json::from_str::<String>(cursor.get())
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok());
    let asked = cursors.filter(|cursors| !cursors.is_empty()).and_then(|cursors| {
        cursors
            .iter()
            .map(|(name, cursor)| Some((scope.id(name)?, message.with_param("cursor", cursor))))
            .collect::<Option<Vec<_>>>()
    });
    asked.map_or(Dispatch::Undeliverable(Undeliverable::UnknownCursor), |asked| {
        Dispatch::List(listed, asked)
    })
}

/// Merges what servers listed, in the order given, into one result that names the servers that listed nothing.
///
/// Items keep every member but the one that a client asks by. A result that cannot be read counts as one that is not there.
#[must_use]
pub fn merge_lists(
    listed: ListKind,
    parts: &[(&str, Box<RawValue>)],
    failed: &[FailedServer<'_>],
    scope: Scope<'_>,
    era: ProtocolVersion,
) -> String {
    let (handle, is_uri) = listed.handle();
    let mut items: Vec<RawObject> = Vec::new();
    let mut cursors = Cursors::new();
    let mut failed = failed.to_vec();
    for (server, result) in parts {
        let page: RawObject = serde_json::from_str(result.get()).unwrap_or_default();
        let own: Option<Vec<RawObject>> =
            page.get(listed.member()).and_then(|own| serde_json::from_str(own.get()).ok());
        let Some(own) = own else {
            failed.push(FailedServer { server, failure: Failure::NotMcp, resource_metadata: None });
            continue;
        };
        for mut item in own {
            // An item without a name could not be asked for.
            let Some(own) =
                item.get(handle).and_then(|own| serde_json::from_str::<String>(own.get()).ok())
            else {
                continue;
            };
            let given = if is_uri {
                naming::prefixed_uri(server, &own)
            } else {
                naming::prefixed_name(server, scope.separator, &own)
            };
            if listed == ListKind::Tools && !scope.has_tool(Some(&given)) {
                continue;
            }
            item.insert(handle.to_owned(), raw(&given));
            items.push(item);
        }
        let next = page
            .get("nextCursor")
            .and_then(|next| serde_json::from_str::<String>(next.get()).ok());
        cursors.extend(next.map(|next| ((*server).to_owned(), next)));
    }
    let mut result = RawObject::new();
    result.insert(listed.member().to_owned(), raw(&items));
    if !cursors.is_empty() {
        result.insert("nextCursor".to_owned(), raw(&json!(cursors).to_string()));
    }
    if !failed.is_empty() {
        result.insert("_meta".to_owned(), raw(&json!({ OUTCOMES_META_KEY: outcomes(&failed) })));
    }
    finish(&mut result, era);
    written(&result)
}

/// What the servers of an aggregate can do together: tools, prompts, resources and completions, if any can. What an aggregate does not
/// carry is not promised.
#[must_use]
pub fn merge_capabilities(parts: &[(&str, Value)]) -> Value {
    let carried = ["tools", "prompts", "resources", "completions"].into_iter();
    let offered = carried.filter(|capability| {
        parts.iter().any(|(_, capabilities)| capabilities.get(capability).is_some())
    });
    Value::Object(offered.map(|capability| (capability.to_owned(), json!({}))).collect())
}

/// The result of `initialize`, or of `server/discover` in an era that has it.
#[must_use]
pub fn opening_result(
    era: ProtocolVersion,
    parts: &[(&str, Value)],
    failed: &[FailedServer<'_>],
) -> String {
    let capabilities: Vec<(&str, Value)> = parts
        .iter()
        .map(|(server, result)| (*server, result["capabilities"].clone()))
        .collect();
    let said = parts.iter().filter_map(|(server, result)| {
        Some(format!("{server}: {}", result["instructions"].as_str()?))
    });
    let instructions: Vec<String> = said.collect();
    let gateway = gateway_info();
    let mut meta = Map::new();
    if !failed.is_empty() {
        meta.insert(OUTCOMES_META_KEY.to_owned(), outcomes(failed));
    }
    let mut result = RawObject::new();
    if era == ProtocolVersion::V2026_07_28 {
        result.insert(
            "supportedVersions".to_owned(),
            raw(&ProtocolVersion::ALL.map(ProtocolVersion::as_str)),
        );
        meta.insert("io.modelcontextprotocol/serverInfo".to_owned(), gateway);
    } else {
        result.insert("protocolVersion".to_owned(), raw(&era.as_str()));
        result.insert("serverInfo".to_owned(), raw(&gateway));
    }
    result.insert("capabilities".to_owned(), raw(&merge_capabilities(&capabilities)));
    if !instructions.is_empty() {
        result.insert("instructions".to_owned(), raw(&instructions.join("\n\n")));
    }
    if !meta.is_empty() {
        result.insert("_meta".to_owned(), raw(&meta));
    }
    finish(&mut result, era);
    written(&result)
}

/// The empty result of a `ping`.
#[must_use]
pub fn ping_result(era: ProtocolVersion) -> String {
    let mut result = RawObject::new();
    if era == ProtocolVersion::V2026_07_28 {
        result.insert("resultType".to_owned(), raw(&"complete"));
    }
    written(&result)
}

/// What the 2026-07-28 revision wants of a result made for one caller: complete, private, and not to be kept (AGG-12).
fn finish(result: &mut RawObject, era: ProtocolVersion) {
    if era == ProtocolVersion::V2026_07_28 {
        result.insert("resultType".to_owned(), raw(&"complete"));
        result.insert("ttlMs".to_owned(), raw(&0));
        result.insert("cacheScope".to_owned(), raw(&"private"));
    }
}

/// What became of each server that gave no part of the answer, in a word and in the words of its own refusal (AGG-02).
fn outcomes(failed: &[FailedServer<'_>]) -> Value {
    let told = |failed: &FailedServer<'_>| {
        let word = match failed.failure.outcome() {
            Outcome::Unauthorized => "unauthorized",
            Outcome::Forbidden => "forbidden",
            Outcome::Accepted | Outcome::Inconclusive(_) => "unavailable",
        };
        let mut told = json!({ "outcome": word, "code": failed.failure.error_response().code, "message": failed.failure.message(Some(failed.server)) });
        if let (Outcome::Unauthorized, Some(url)) =
            (failed.failure.outcome(), failed.resource_metadata)
        {
            told["resource_metadata"] = url.into();
        }
        (failed.server.to_owned(), told)
    };
    Value::Object(failed.iter().map(told).collect())
}

fn raw(value: &(impl serde::Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value)
        .expect("strings, numbers, and maps and lists of JSON values are JSON")
}

fn written(result: &RawObject) -> String {
    raw(result).get().to_owned()
}

#[cfg(test)]
mod tests;
