//! Decides which servers of an aggregate endpoint get a client's message.

use alloc::{borrow::ToOwned, string::String, vec, vec::Vec};

use serde_json::{Map, Value, value::RawValue};

use super::{ListKind, Scope, list::Cursors};
use crate::{access::ServerId, envelope::Message, naming, status::code};

/// What to do with a client's message.
#[derive(Debug)]
pub enum Dispatch {
    /// Open a session with every server and reply for all of them (`initialize`).
    OpenSessions,
    /// Reply with the capabilities of all servers (`server/discover`).
    Discover,
    /// Send `ping` to every server and reply for all of them.
    Ping,
    /// Send each server its message and merge the lists that they return.
    List(ListKind, Vec<(ServerId, Message)>),
    /// Send the message to one server and relay its reply.
    SingleServer(ServerId, Message),
    /// Send the message to every server; a notification has no reply.
    AllServers,
    /// Reply with a JSON-RPC error.
    Undeliverable(Undeliverable),
}

/// Why a message is sent to no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeliverable {
    /// The method means nothing for several servers together, or the gateway does not know it.
    NoAggregateMeaning,
    /// The name, URI or reference belongs to no server of the endpoint.
    UnknownName,
    /// The cursor does not come from a list of the endpoint.
    UnknownCursor,
    /// The message is a notification with the method of a request, so nothing could be answered.
    MissingId,
}

impl Undeliverable {
    /// The JSON-RPC error code.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::NoAggregateMeaning => code::METHOD_NOT_FOUND,
            Self::UnknownName | Self::UnknownCursor => code::INVALID_PARAMS,
            Self::MissingId => code::INVALID_REQUEST,
        }
    }

    /// The JSON-RPC error message.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoAggregateMeaning => {
                "this method has no meaning for several servers; use the endpoint of one server"
            }
            Self::UnknownName => {
                "no server of this endpoint has this name; use a name from one of its lists"
            }
            Self::UnknownCursor => {
                "this cursor is not from a list of this endpoint; start without a cursor"
            }
            Self::MissingId => "the request has no id; send one",
        }
    }
}

impl Dispatch {
    /// The servers that are sent a message.
    #[must_use]
    pub fn servers(&self, scope: Scope<'_>) -> Vec<ServerId> {
        match self {
            Self::OpenSessions | Self::Discover | Self::Ping | Self::AllServers => {
                scope.servers.iter().map(|(server, _)| *server).collect()
            }
            Self::List(_, messages) => messages.iter().map(|(server, _)| *server).collect(),
            Self::SingleServer(server, _) => vec![*server],
            Self::Undeliverable(_) => Vec::new(),
        }
    }
}

/// Decides which servers get a message, and in which words: each server gets its own names, URIs
/// and cursors.
#[must_use]
pub fn dispatch(message: &Message, scope: Scope<'_>) -> Dispatch {
    let Some(method) = message.method() else {
        // A response to a server's request. With several servers nothing tells which of them sent
        // the request.
        return to_only_server(message, scope);
    };
    let list = ListKind::from_method(&method);
    let is_answered_here =
        list.is_some() || ["initialize", "server/discover", "ping"].contains(&method.as_str());
    if is_answered_here && message.id().is_none() {
        return Dispatch::Undeliverable(Undeliverable::MissingId);
    }
    if let Some(kind) = list {
        return to_listed_servers(kind, message, scope);
    }
    match method.as_str() {
        "initialize" => Dispatch::OpenSessions,
        "server/discover" => Dispatch::Discover,
        "ping" => Dispatch::Ping,
        "tools/call" if !scope.has_tool(message.string_param("name").as_deref()) => {
            Dispatch::Undeliverable(Undeliverable::UnknownName)
        }
        "tools/call" | "prompts/get" => to_named_server(by_name(message, scope)),
        "resources/read" => to_named_server(by_uri(message, scope)),
        "completion/complete" => to_named_server(by_reference(message, scope)),
        _ if message.id().is_none() => Dispatch::AllServers,
        _ => to_only_server(message, scope),
    }
}

fn to_only_server(message: &Message, scope: Scope<'_>) -> Dispatch {
    match scope.servers {
        [(server, _)] => Dispatch::SingleServer(*server, message.clone()),
        _ => Dispatch::Undeliverable(Undeliverable::NoAggregateMeaning),
    }
}

fn to_named_server(named: Option<(ServerId, Message)>) -> Dispatch {
    match named {
        Some((server, message)) => Dispatch::SingleServer(server, message),
        None => Dispatch::Undeliverable(Undeliverable::UnknownName),
    }
}

/// A list request without a cursor goes to every server. With a cursor it goes to the servers that
/// the cursor names.
fn to_listed_servers(kind: ListKind, message: &Message, scope: Scope<'_>) -> Dispatch {
    let Some(cursor) = message.param("cursor") else {
        let messages = scope.servers.iter().map(|(server, _)| (*server, message.clone()));
        return Dispatch::List(kind, messages.collect());
    };
    let cursors = read_cursors(cursor).unwrap_or_default();
    let messages: Option<Vec<(ServerId, Message)>> = cursors
        .iter()
        .map(|(name, cursor)| Some((scope.server_id(name)?, message.with_param("cursor", cursor))))
        .collect();
    match messages {
        Some(messages) if !messages.is_empty() => Dispatch::List(kind, messages),
        _ => Dispatch::Undeliverable(Undeliverable::UnknownCursor),
    }
}

/// Reads the cursor of a merged list: a string that contains JSON.
fn read_cursors(cursor: &RawValue) -> Option<Cursors> {
    let text: String = serde_json::from_str(cursor.get()).ok()?;
    serde_json::from_str(&text).ok()
}

/// The server that the parameter `name` names, and the message with that server's own name for the
/// tool or prompt.
fn by_name(message: &Message, scope: Scope<'_>) -> Option<(ServerId, Message)> {
    let (server, name) = split_name(&message.string_param("name")?, scope)?;
    Some((server, message.with_param("name", name)))
}

/// The server that the parameter `uri` names, and the message with that server's own URI.
fn by_uri(message: &Message, scope: Scope<'_>) -> Option<(ServerId, Message)> {
    let (server, uri) = split_uri(&message.string_param("uri")?, scope)?;
    Some((server, message.with_param("uri", uri)))
}

/// The server that the parameter `ref` names, and the message with that server's own reference.
fn by_reference(message: &Message, scope: Scope<'_>) -> Option<(ServerId, Message)> {
    let mut reference: Map<String, Value> =
        serde_json::from_str(message.param("ref")?.get()).ok()?;
    let (member, split) = match reference.get("type")?.as_str()? {
        "ref/prompt" => ("name", split_name(reference.get("name")?.as_str()?, scope)),
        "ref/resource" => ("uri", split_uri(reference.get("uri")?.as_str()?, scope)),
        _ => return None,
    };
    let (server, own) = split?;
    reference.insert(member.to_owned(), own.into());
    Some((server, message.with_param("ref", reference)))
}

fn split_name(name: &str, scope: Scope<'_>) -> Option<(ServerId, String)> {
    let servers = scope.servers.iter().map(|(_, name)| *name);
    let (server, own) = naming::split_name(name, scope.separator, servers)?;
    Some((scope.server_id(server)?, own.to_owned()))
}

fn split_uri(uri: &str, scope: Scope<'_>) -> Option<(ServerId, String)> {
    let (server, own) = naming::split_uri(uri)?;
    Some((scope.server_id(server)?, own.to_owned()))
}
