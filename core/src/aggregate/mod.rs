//! Decides which servers of an aggregate endpoint get a message, and combines their replies into
//! one.
//!
//! A method with a clear meaning for several servers goes to all of them or to the server that it
//! names. Every other method (logging level, subscriptions, responses to a server's own requests)
//! is answered with an error, unless the endpoint has only one server. How a server is sent a
//! message, and whether its refusal ends the whole request, is decided elsewhere.

pub mod answer;
mod dispatch;
mod list;
mod opening;
pub mod operation;
pub mod reply;
pub mod upstream_message;
pub mod upstream_session;

#[cfg(test)]
mod tests;

use alloc::{borrow::ToOwned, collections::BTreeSet, string::String};

use serde_json::{Value, json};

pub use self::{
    dispatch::{Dispatch, Undeliverable, dispatch},
    list::{ListKind, merge_lists},
    opening::{opening_result, ping_result},
};
use crate::{
    access::ServerId,
    envelope::{RawObject, raw_json},
    outcome::Outcome,
    protocol_version::ProtocolVersion,
    status::Failure,
};

/// The key in a result's `_meta` whose value names the servers that contributed nothing, each with
/// its outcome (AGG-02).
pub const OUTCOMES_META_KEY: &str = "mcp-preflight/outcomes";

/// The servers of a request to an aggregate endpoint, and how their names are written.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'c> {
    /// Position and name of each server, in configuration order.
    pub servers: &'c [(ServerId, &'c str)],
    /// The separator between a server's name and the name of its tool or prompt.
    pub separator: &'c str,
    /// The tools of the toolset, by their prefixed names; `None` if every tool is available.
    pub tools: Option<&'c BTreeSet<String>>,
}

impl Scope<'_> {
    /// Whether a tool with this prefixed name is available. A tool outside the toolset does not
    /// exist for the client.
    fn has_tool(&self, name: Option<&str>) -> bool {
        self.tools.is_none_or(|tools| name.is_some_and(|name| tools.contains(name)))
    }

    fn server_id(&self, name: &str) -> Option<ServerId> {
        self.servers.iter().find(|(_, known)| *known == name).map(|(server, _)| *server)
    }
}

/// A server that contributed nothing to a reply.
#[derive(Clone, Copy, Debug)]
pub struct FailedServer<'c> {
    /// Its name.
    pub server: &'c str,
    /// Why it contributed nothing.
    pub failure: Failure,
    /// The URL of its protected resource metadata, which is shown if a new token may help.
    pub resource_metadata: Option<&'c str>,
}

impl FailedServer<'_> {
    /// The outcome in one word, and the code and message of the failure (AGG-02).
    fn describe(&self) -> Value {
        let outcome = match self.failure.outcome() {
            Outcome::Unauthorized => "unauthorized",
            Outcome::Forbidden => "forbidden",
            Outcome::Accepted | Outcome::Inconclusive(_) => "unavailable",
        };
        let mut description = json!({
            "outcome": outcome,
            "code": self.failure.error_response().code,
            "message": self.failure.message(Some(self.server)),
        });
        if let (Outcome::Unauthorized, Some(url)) = (self.failure.outcome(), self.resource_metadata)
        {
            description["resource_metadata"] = url.into();
        }
        description
    }
}

/// The value for [`OUTCOMES_META_KEY`]: a description of each failed server, by name.
fn outcomes(failed: &[FailedServer<'_>]) -> Value {
    let members = failed.iter().map(|failed| (failed.server.to_owned(), failed.describe()));
    Value::Object(members.collect())
}

/// Adds the members that protocol version 2026-07-28 requires. The result is complete, private to
/// the caller and not to be cached (AGG-12).
fn add_stateless_members(result: &mut RawObject, version: ProtocolVersion) {
    if version.is_stateless() {
        result.insert("resultType".to_owned(), raw_json(&"complete"));
        result.insert("ttlMs".to_owned(), raw_json(&0));
        result.insert("cacheScope".to_owned(), raw_json(&"private"));
    }
}
