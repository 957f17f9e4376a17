//! Decides which servers a caller may use.
//!
//! Names come from the request, grants from the configuration: a name can only narrow what is granted (GATE-01, SEC-02). Knows
//! nothing of credentials.

use alloc::{collections::BTreeSet, vec::Vec};

use http::HeaderMap;

/// Position of a server in the configuration; the order in which ties are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u16);

/// Position of a gateway key in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub u16);

/// The servers that a gateway key opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Every server of the configuration.
    All,
    /// These, and an empty set means none (GATE-03).
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

/// Resolves a name to a server that the grant covers.
///
/// A name that nobody configured and one that the grant leaves out give the same `None`, so that an answer made from it cannot tell
/// a stranger which servers exist (GATE-07).
#[must_use]
pub fn resolve(grant: &Grant, named: Option<ServerId>) -> Option<ServerId> {
    named.filter(|server| grant.covers(*server))
}

/// Picks the servers of a request for several: in configuration order, each once (GATE-02, GATE-03, GATE-11).
///
/// `known` are all servers that there are, `within` the toolset's, where there is one, and `named` what the request names, already
/// looked up, where it names any. Names only narrow. `None` where one is not to be had, or none is left: nothing is not everything.
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

/// The names that a client asks for in `x-mcp-servers`, if it sends the field: over all its lines, none of them looked up yet.
#[must_use]
pub fn requested_servers(headers: &HeaderMap) -> Option<Vec<&str>> {
    let lines = headers.get_all("x-mcp-servers");
    // Bytes that are no text are no server's name either.
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
    fn an_empty_grant_is_not_a_grant_of_everything() {
        assert_eq!(resolve(&Grant::Servers(BTreeSet::new()), Some(ServerId(0))), None);
    }

    #[test]
    fn what_is_unknown_and_what_is_not_granted_look_the_same() {
        let grant = Grant::Servers([ServerId(0)].into());
        assert_eq!(resolve(&grant, None), resolve(&grant, Some(ServerId(1))));
        assert_eq!(resolve(&grant, Some(ServerId(0))), Some(ServerId(0)));
        assert_eq!(resolve(&Grant::All, Some(ServerId(1))), Some(ServerId(1)));
    }

    #[test]
    fn names_are_taken_from_every_line_of_the_field() {
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
        /// Whatever is named, it is all of it selected, in order and once, or nothing is: never what is outside the grant or the toolset.
        #[test]
        fn names_only_narrow(granted in "[0-4]{0,5}", toolset in prop::option::of("[0-4]{0,5}"), named in prop::option::of(prop::collection::vec(prop::option::of(0_u16..7), 0..6))) {
            let (grant, within) = (Grant::Servers(ids(&granted)), toolset.as_deref().map(ids));
            let named: Option<Vec<Option<ServerId>>> = named.map(|named| named.into_iter().map(|id| id.map(ServerId)).collect());
            let selected = select((0..5).map(ServerId), &grant, within.as_ref(), named.as_deref());
            let allowed = |server: &ServerId| granted.contains(&server.0.to_string()) && within.as_ref().is_none_or(|within| within.contains(server));
            let asked = named.unwrap_or_else(|| (0..5).map(ServerId).filter(allowed).map(Some).collect());
            let all_allowed = !asked.is_empty() && asked.iter().all(|server| server.as_ref().is_some_and(allowed));
            prop_assert_eq!(selected, all_allowed.then(|| asked.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()));
        }
    }
}
