//! Says where the model is found and how it wants to be spoken to, which a variant says in other words: paths, header names, separators.
//!
//! Reads paths; what is behind a name is decided elsewhere.

use super::fault::Switch;

/// What an implementation says of itself before anything is asked of it.
#[derive(Debug)]
pub struct Places {
    /// The header that holds the gateway key.
    pub key_header: &'static str,
    /// What stands before the key in it.
    pub key_prefix: &'static str,
    /// The header that holds the token for one server alone, with `{server}` in it.
    pub server_token_header: &'static str,
    /// The paths of one server, with `{server}` in each.
    pub routes: &'static [&'static str],
    /// The paths of several: of all that may be used, of those that it names, and of a toolset.
    pub routes_of_several: [&'static str; 3],
    /// The header that narrows a request to several servers.
    pub narrowing_header: &'static str,
    /// What stands between the name of a server and that of its tool.
    pub name_separator: &'static str,
}

const USUAL: Places = Places {
    key_header: "x-litellm-api-key",
    key_prefix: "",
    server_token_header: "x-mcp-{server}-authorization",
    routes: &["/mcp/{server}", "/mcp/{server}/", "/{server}/mcp", "/{server}/mcp/"],
    routes_of_several: ["/mcp", "/mcp/{servers}", "/toolset/{toolset}/mcp"],
    narrowing_header: "x-mcp-servers",
    name_separator: "-",
};

const UNDERSCORES: Places = Places { name_separator: "__", ..USUAL };

const OTHER: Places = Places {
    key_header: "x-gateway-key",
    key_prefix: "Bearer ",
    server_token_header: "x-token-of-{server}",
    routes: &[
        "/gateway/v1/servers/{server}/messages",
        "/gateway/v1/servers/{server}/messages/",
    ],
    routes_of_several: [
        "/gateway/v1/messages",
        "/gateway/v1/some/{servers}",
        "/gateway/v1/sets/{toolset}",
    ],
    narrowing_header: "x-only",
    name_separator: ".",
};

impl Places {
    /// Where the model is, with that done otherwise.
    #[must_use]
    pub const fn of(switch: Option<Switch>) -> &'static Self {
        match switch {
            Some(Switch::Underscores) => &UNDERSCORES,
            Some(Switch::OtherPlaces) => &OTHER,
            _ => &USUAL,
        }
    }

    /// The server that a path names, with or without a slash behind it.
    pub(super) fn server_of<'a>(&self, path: &'a str) -> Option<&'a str> {
        self.routes.iter().find_map(|route| filled(route, "{server}", path))
    }

    /// The path of a server.
    pub(super) fn route_of(&self, server: &str) -> String {
        self.routes[0].replace("{server}", server)
    }
}

/// What stands in a route's open place in a path; an empty text where the route has none.
pub(super) fn filled<'a>(route: &str, open: &str, path: &'a str) -> Option<&'a str> {
    let whole = |text: &'a str| text.strip_suffix('/').unwrap_or(text);
    let (before, behind) =
        route.strip_suffix('/').unwrap_or(route).split_once(open).unwrap_or((route, ""));
    let place = whole(path).strip_prefix(before)?.strip_suffix(behind)?;
    (place.is_empty() != route.contains(open) && !place.contains('/')).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_a_server_and_nothing_else_does() {
        for path in ["/mcp/alpha", "/mcp/alpha/", "/alpha/mcp", "/alpha/mcp/"] {
            assert_eq!(USUAL.server_of(path), Some("alpha"), "{path}");
        }
        for path in [
            "/",
            "/mcp",
            "/mcp/",
            "/mcp//",
            "//mcp",
            "/mcp/alpha/more",
            "/alpha",
            "mcp/alpha",
        ] {
            assert_eq!(USUAL.server_of(path), None, "{path}");
        }
        assert_eq!(OTHER.server_of(&OTHER.route_of("alpha")), Some("alpha"));
        assert_eq!(OTHER.server_of("/mcp/alpha"), None);
    }

    #[test]
    fn several_are_named_by_their_route() {
        assert_eq!(filled("/mcp", "{servers}", "/mcp/"), Some(""));
        assert_eq!(filled("/mcp", "{servers}", "/mcp/a,b"), None);
        assert_eq!(filled("/mcp/{servers}", "{servers}", "/mcp/a,b"), Some("a,b"));
        assert_eq!(
            filled("/toolset/{toolset}/mcp", "{toolset}", "/toolset/trio/mcp"),
            Some("trio")
        );
    }
}
