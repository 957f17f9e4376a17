//! Merges what the servers of an aggregate endpoint list into one list.

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    collections::BTreeMap,
    string::{String, ToString},
};
use core::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::{json, value::RawValue};

use super::{FailedServer, OUTCOMES_META_KEY, Scope, add_stateless_members, outcomes};
use crate::{
    envelope::{RawObject, raw_json},
    naming,
    protocol_version::ProtocolVersion,
    status::Failure,
};

/// The cursor of a merged list: the cursor of each server that has more, by the server's name. A
/// server without an entry is done and is not asked again.
pub(super) type Cursors = BTreeMap<String, String>;

/// What a list request lists.
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

/// How a client refers to an item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identifier {
    /// By the string in this member: a name.
    Name(&'static str),
    /// By the string in this member: a URI or a URI template.
    Uri(&'static str),
}

impl ListKind {
    /// The kind of list that a method requests, or `None` for other methods.
    pub(super) fn from_method(method: &str) -> Option<Self> {
        match method {
            "tools/list" => Some(Self::Tools),
            "prompts/list" => Some(Self::Prompts),
            "resources/list" => Some(Self::Resources),
            "resources/templates/list" => Some(Self::ResourceTemplates),
            _ => None,
        }
    }

    /// The member of the result that contains the list.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }

    const fn identifier(self) -> Identifier {
        match self {
            Self::Tools | Self::Prompts => Identifier::Name("name"),
            Self::Resources => Identifier::Uri("uri"),
            Self::ResourceTemplates => Identifier::Uri("uriTemplate"),
        }
    }
}

/// Merges the lists of servers, in the order given, into one result. The result names the servers
/// that failed.
///
/// An item keeps every member except its identifier, which gets the server's prefix. A result that
/// is not a list of this kind makes its server a failed one.
#[must_use]
pub fn merge_lists(
    kind: ListKind,
    results: &[(&str, Box<RawValue>)],
    failed: &[FailedServer<'_>],
    scope: Scope<'_>,
    version: ProtocolVersion,
) -> String {
    let mut items = MergedItems::new(kind, scope);
    let mut cursors = Cursors::new();
    let mut failed = failed.to_vec();
    for (server, result) in results {
        let page: RawObject = serde_json::from_str(result.get()).unwrap_or_default();
        if !page.get(kind.member()).is_some_and(|own| items.append(server, own)) {
            failed.push(FailedServer { server, failure: Failure::NotMcp, resource_metadata: None });
            continue;
        }
        if let Some(next) = read_member(&page, "nextCursor") {
            cursors.insert((*server).to_owned(), next);
        }
    }
    let mut result = RawObject::new();
    result.insert(kind.member().to_owned(), items.finish());
    if !cursors.is_empty() {
        result.insert("nextCursor".to_owned(), raw_json(&json!(cursors).to_string()));
    }
    if !failed.is_empty() {
        let meta = json!({ OUTCOMES_META_KEY: outcomes(&failed) });
        result.insert("_meta".to_owned(), raw_json(&meta));
    }
    add_stateless_members(&mut result, version);
    raw_json(&result).get().to_owned()
}

/// The items of a merged list, as serialized JSON. Each item is read and written before the next
/// one is read, because a list of small items would need many times its size as objects.
struct MergedItems<'s> {
    kind: ListKind,
    scope: Scope<'s>,
    json: String,
}

impl<'s> MergedItems<'s> {
    fn new(kind: ListKind, scope: Scope<'s>) -> Self {
        Self { kind, scope, json: "[".to_owned() }
    }

    /// Appends the items of a server. If they are not a list of objects, nothing is appended and
    /// the result is false.
    fn append(&mut self, server: &str, list: &RawValue) -> bool {
        let length = self.json.len();
        let mut json = serde_json::Deserializer::from_str(list.get());
        let is_list = AppendItems { items: self, server }.deserialize(&mut json).is_ok();
        if !is_list {
            self.json.truncate(length);
        }
        is_list
    }

    fn append_item(&mut self, server: &str, item: RawObject) {
        if let Some(item) = prefixed(self.kind, server, item, self.scope) {
            if self.json.len() > 1 {
                self.json.push(',');
            }
            self.json.push_str(raw_json(&item).get());
        }
    }

    fn finish(mut self) -> Box<RawValue> {
        self.json.push(']');
        RawValue::from_string(self.json).expect("a list of serialized objects is JSON")
    }
}

struct AppendItems<'i, 's> {
    items: &'i mut MergedItems<'s>,
    server: &'i str,
}

impl<'de> DeserializeSeed<'de> for AppendItems<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AppendItems<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element()? {
            self.items.append_item(self.server, item);
        }
        Ok(())
    }
}

/// The item with the server's prefix on its identifier. `None` if a client could not refer to the
/// item, or if it is a tool outside the toolset.
fn prefixed(
    kind: ListKind,
    server: &str,
    mut item: RawObject,
    scope: Scope<'_>,
) -> Option<RawObject> {
    let (member, identifier) = match kind.identifier() {
        Identifier::Name(member) => {
            let own: String = read_member(&item, member)?;
            (member, naming::prefixed_name(server, scope.separator, &own))
        }
        Identifier::Uri(member) => {
            let own: String = read_member(&item, member)?;
            (member, naming::prefixed_uri(server, &own))
        }
    };
    if kind == ListKind::Tools && !scope.has_tool(Some(&identifier)) {
        return None;
    }
    item.insert(member.to_owned(), raw_json(&identifier));
    Some(item)
}

fn read_member<T: DeserializeOwned>(object: &RawObject, name: &str) -> Option<T> {
    serde_json::from_str(object.get(name)?.get()).ok()
}
