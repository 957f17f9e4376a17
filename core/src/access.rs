//! Decides which servers a caller may use.
//!
//! Names come from the request, grants from the configuration: a name can only narrow what is
//! granted (GATE-01, SEC-02). This module does not know about credentials.

use alloc::{collections::BTreeSet, vec::Vec};

use http::HeaderMap;

/// Position of a server in the configuration; the order in which ties are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u16);

/// Position of a gateway key in the configuration. It identifies the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub u16);

/// The servers that a gateway key may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Every server of the configuration.
    All,
    /// These servers. The empty set grants no server (GATE-03).
    Servers(BTreeSet<ServerId>),
}

impl Grant {
    /// Whether the grant covers a server.
    #[must_use]
    pub fn covers(&self, server: ServerId) -> bool {
        match self {
            Self::All => true,
            Self::Servers(granted) => granted.contains(&server),
        }
    }
}

/// Returns the server that a request names if the grant covers it. `named` is `None` if no server
/// has the name.
///
/// An unknown server and a server outside the grant give the same `None`, so a response cannot
/// reveal which servers exist (GATE-07).
#[must_use]
pub fn resolve(grant: &Grant, named: Option<ServerId>) -> Option<ServerId> {
    named.filter(|server| grant.covers(*server))
}

/// Selects the servers of a request to an aggregate endpoint: in configuration order, each once
/// (GATE-02, GATE-03, GATE-11).
///
/// `known` are all servers. `within` are the servers of the toolset, if the endpoint has one.
/// `named` are the servers that the request names, if it names any; an unknown name is `None`.
/// Returns `None` if a named server is unknown or not allowed, or if no server is left.
#[must_use]
pub fn select(
    known: impl IntoIterator<Item = ServerId>,
    grant: &Grant,
    within: Option<&BTreeSet<ServerId>>,
    named: Option<&[Option<ServerId>]>,
) -> Option<Vec<ServerId>> {
    let allowed = |server: &ServerId| {
        grant.covers(*server) && within.is_none_or(|within| within.contains(server))
    };
    let selected: BTreeSet<ServerId> = match named {
        None => known.into_iter().filter(allowed).collect(),
        Some(named) => named.iter().map(|server| server.filter(allowed)).collect::<Option<_>>()?,
    };
    (!selected.is_empty()).then(|| selected.into_iter().collect())
}

/// The server names in all lines of the `x-mcp-servers` field, or `None` if the request does not
/// have the field.
#[must_use]
pub fn requested_servers(headers: &HeaderMap) -> Option<Vec<&str>> {
    let lines = headers.get_all("x-mcp-servers");
    // A line that is not ASCII becomes `?`, which is not the name of any server.
    let names = lines
        .iter()
        .flat_map(|line| line.to_str().unwrap_or("?").split(',').map(str::trim));
    lines.iter().next().map(|_| names.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_grant_covers_no_server() {
        assert_eq!(resolve(&Grant::Servers(BTreeSet::new()), Some(ServerId(0))), None);
    }

    #[test]
    fn an_unknown_server_and_one_outside_the_grant_give_the_same_result() {
        let grant = Grant::Servers([ServerId(0)].into());
        assert_eq!(resolve(&grant, None), resolve(&grant, Some(ServerId(1))));
        assert_eq!(resolve(&grant, Some(ServerId(0))), Some(ServerId(0)));
        assert_eq!(resolve(&Grant::All, Some(ServerId(1))), Some(ServerId(1)));
    }

    #[test]
    fn names_are_read_from_every_line_of_the_field() {
        assert_eq!(requested_servers(&HeaderMap::new()), None);
        let lines =
            [&b"a, b"[..], b"", b"\xe9"].map(|line| http::HeaderValue::from_bytes(line).unwrap());
        let headers = lines
            .into_iter()
            .map(|line| (http::HeaderName::from_static("x-mcp-servers"), line))
            .collect();
        assert_eq!(requested_servers(&headers), Some(vec!["a", "b", "", "?"]));
    }

    fn ids(text: &str) -> BTreeSet<ServerId> {
        text.bytes().map(|digit| ServerId(u16::from(digit - b'0'))).collect()
    }

    proptest! {
        /// Either every named server is selected, in order and once, or none is. A server outside
        /// the grant or the toolset is never selected.
        #[test]
        fn names_only_narrow_the_selection(
            granted in "[0-4]{0,5}",
            toolset in prop::option::of("[0-4]{0,5}"),
            named in prop::option::of(prop::collection::vec(prop::option::of(0_u16..7), 0..6)),
        ) {
            let grant = Grant::Servers(ids(&granted));
            let within = toolset.as_deref().map(ids);
            let named: Option<Vec<Option<ServerId>>> =
                named.map(|named| named.into_iter().map(|id| id.map(ServerId)).collect());
            let selected =
                select((0..5).map(ServerId), &grant, within.as_ref(), named.as_deref());

            let allowed = |server: &ServerId| {
                granted.contains(&server.0.to_string())
                    && within.as_ref().is_none_or(|within| within.contains(server))
            };
            let requested = named
                .unwrap_or_else(|| (0..5).map(ServerId).filter(allowed).map(Some).collect());
            let all_allowed = !requested.is_empty()
                && requested.iter().all(|server| server.as_ref().is_some_and(allowed));
            let sorted = requested.into_iter().flatten().collect::<BTreeSet<_>>();
            prop_assert_eq!(selected, all_allowed.then(|| sorted.into_iter().collect::<Vec<_>>()));
        }
    }
}
