//! Decides how an aggregate endpoint names the tools, prompts and resources of its servers, and to
//! which server a name belongs.
//!
//! The name of a tool or prompt is the server's name, a separator and the server's own name for it.
//! The URI of a resource follows `preflight://SERVER/`. Both can be split without a table. So every
//! process can read the names that another wrote, and an absent server does not change the names of
//! another (AGG-13).

use alloc::{format, string::String};

/// The scheme and `//` of the URIs under which an aggregate endpoint offers resources.
const URI_PREFIX: &str = "preflight://";

/// The name of a tool or prompt on an aggregate endpoint.
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

/// Splits a prefixed name into the server and the server's own name. At most one server matches if
/// [`ambiguous_pair`] finds no pair.
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

/// Finds two servers whose prefixed names can be confused, for example `a` and `a-b` with the
/// separator `-`.
#[must_use]
pub fn ambiguous_pair<'s>(servers: &[&'s str], separator: &str) -> Option<(&'s str, &'s str)> {
    for short in servers {
        for long in servers {
            let rest = long.strip_prefix(short);
            if short != long && rest.is_some_and(|rest| rest.starts_with(separator)) {
                return Some((short, long));
            }
        }
    }
    None
}

/// The URI of a resource or resource template on an aggregate endpoint.
#[must_use]
pub fn prefixed_uri(server: &str, uri: &str) -> String {
    format!("{URI_PREFIX}{server}/{uri}")
}

/// Splits a URI of an aggregate endpoint into the server and the server's own URI.
#[must_use]
pub fn split_uri(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix(URI_PREFIX)?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_prefixed_name_can_be_split(
            servers in prop::collection::btree_set("[a-c](-?[a-c]){0,3}", 1..5),
            separator in "-|__|/",
            tool in "[a-c_-]{0,6}",
        ) {
            let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
            prop_assume!(ambiguous_pair(&servers, &separator).is_none());
            for server in &servers {
                let name = prefixed_name(server, &separator, &tool);
                let split = split_name(&name, &separator, servers.iter().copied());
                prop_assert_eq!(split, Some((*server, tool.as_str())));
            }
        }

        #[test]
        fn every_prefixed_uri_can_be_split(
            server in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,8}",
            uri in "\\PC{0,20}",
        ) {
            let prefixed = prefixed_uri(&server, &uri);
            prop_assert_eq!(split_uri(&prefixed), Some((server.as_str(), uri.as_str())));
        }
    }

    #[test]
    fn server_names_that_can_be_confused_are_found() {
        assert_eq!(ambiguous_pair(&["wiki", "a-b", "a"], "-"), Some(("a", "a-b")));
        assert_eq!(ambiguous_pair(&["a", "a-b"], "__"), None);
        assert_eq!(ambiguous_pair(&["a", "ab"], "-"), None);
    }
}
