//! Decides what a server's tools, prompts and resources are called on an aggregate, and whose a name is.
//!
//! A name is the server's, a separator and the upstream's own name; a resource's URI stands behind `preflight://SERVER/`. Both are
//! reversible without a table, so that every replica reads what another wrote, and one server's absence renames nothing of another's
//! (AGG-13).

use alloc::{format, string::String};

/// The scheme under which an aggregate offers its servers' resources.
const SCHEME: &str = "preflight://";

/// The name of a tool or prompt on an aggregate.
///
/// ```
/// use mcp_preflight_core::naming::{prefixed_name, split_name};
///
/// let name = prefixed_name("git-hub", "-", "create_issue");
/// assert_eq!(name, "git-hub-create_issue");
/// assert_eq!(split_name(&name, "-", ["git-hub", "wiki"]), Some(("git-hub", "create_issue")));
/// ```
#[must_use]
pub fn prefixed_name(server: &str, separator: &str, name: &str) -> String {
    format!("{server}{separator}{name}")
}

/// Whose a name is, and what its server calls it. At most one server fits where [`ambiguous_pair`] finds no pair.
#[must_use]
pub fn split_name<'s, 'n>(
    name: &'n str,
    separator: &str,
    servers: impl IntoIterator<Item = &'s str>,
) -> Option<(&'s str, &'n str)> {
    servers
        .into_iter()
        .find_map(|server| Some((server, name.strip_prefix(server)?.strip_prefix(separator)?)))
}

/// Two servers whose names could not be told apart in front of the separator, as `a` and `a-b` before `-`.
#[must_use]
pub fn ambiguous_pair<'s>(servers: &[&'s str], separator: &str) -> Option<(&'s str, &'s str)> {
    let clash = |a: &str, b: &str| {
        a != b && b.strip_prefix(a).is_some_and(|rest| rest.starts_with(separator))
    };
    servers
        .iter()
        .find_map(|a| servers.iter().find(|b| clash(a, b)).map(|b| (*a, *b)))
}

/// The URI of a resource, or of a template of resources, on an aggregate.
#[must_use]
pub fn prefixed_uri(server: &str, uri: &str) -> String {
    format!("{SCHEME}{server}/{uri}")
}

/// Whose a URI is, and what its server calls it.
#[must_use]
pub fn split_uri(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix(SCHEME)?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_name_finds_its_way_back(
            servers in prop::collection::btree_set("[a-c](-?[a-c]){0,3}", 1..5),
            separator in "-|__|/",
            tool in "[a-c_-]{0,6}",
        ) {
            let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
            prop_assume!(ambiguous_pair(&servers, &separator).is_none());
            for server in &servers {
                let name = prefixed_name(server, &separator, &tool);
                prop_assert_eq!(split_name(&name, &separator, servers.iter().copied()), Some((*server, tool.as_str())));
            }
        }

        #[test]
        fn every_uri_does(server in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,8}", uri in "\\PC{0,20}") {
            let given = prefixed_uri(&server, &uri);
            prop_assert_eq!(split_uri(&given), Some((server.as_str(), uri.as_str())));
        }
    }

    #[test]
    fn names_that_read_two_ways_are_found() {
        assert_eq!(ambiguous_pair(&["wiki", "a-b", "a"], "-"), Some(("a", "a-b")));
        assert_eq!(ambiguous_pair(&["a", "a-b"], "__"), None);
        assert_eq!(ambiguous_pair(&["a", "ab"], "-"), None);
    }
}
