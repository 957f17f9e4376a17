//! Names the paths, header fields and separators of a model gateway.

/// The path of protected resource metadata, before the path of the endpoint.
pub(super) const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";

/// The path of authorization server metadata, before the path of the endpoint.
pub(super) const AUTHORIZATION_SERVER_METADATA: &str = "/.well-known/oauth-authorization-server";

/// What a client must know of a gateway before it sends a request.
#[derive(Debug)]
pub struct Layout {
    /// The field that holds the gateway key.
    pub key_header: &'static str,
    /// The prefix of the key in that field.
    pub key_prefix: &'static str,
    /// The field that holds the token for one server, with the placeholder `{server}`.
    pub server_token_header: &'static str,
    /// The paths of a single-server endpoint, each with the placeholder `{server}`.
    pub routes: &'static [&'static str],
    /// The paths of the aggregate endpoints: every usable server, named servers, and a toolset.
    pub aggregate_routes: [&'static str; 3],
    /// The field that restricts an aggregate request to some servers.
    pub narrowing_header: &'static str,
    /// The separator between the name of a server and that of its tool.
    pub name_separator: &'static str,
}

/// The layout of the model gateway.
pub(super) const STANDARD: Layout = Layout {
    key_header: "x-litellm-api-key",
    key_prefix: "",
    server_token_header: "x-mcp-{server}-authorization",
    routes: &["/mcp/{server}", "/mcp/{server}/", "/{server}/mcp", "/{server}/mcp/"],
    aggregate_routes: ["/mcp", "/mcp/{servers}", "/toolset/{toolset}/mcp"],
    narrowing_header: "x-mcp-servers",
    name_separator: "-",
};

impl Layout {
    /// The server that a path names, with or without a trailing slash.
    pub(super) fn server_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        self.routes.iter().find_map(|route| placeholder_value(route, "{server}", path))
    }

    /// The path of a single-server endpoint.
    pub(super) fn path_of(&self, server: &str) -> String {
        self.routes[0].replace("{server}", server)
    }
}

/// The value of a route's placeholder in a path; empty if the route has no placeholder, `None` if
/// the path does not match.
pub(super) fn placeholder_value<'a>(
    route: &str,
    placeholder: &str,
    path: &'a str,
) -> Option<&'a str> {
    let route = route.strip_suffix('/').unwrap_or(route);
    let path = path.strip_suffix('/').unwrap_or(path);
    let (prefix, suffix) = route.split_once(placeholder).unwrap_or((route, ""));
    let value = path.strip_prefix(prefix)?.strip_suffix(suffix)?;
    let fits = value.is_empty() != route.contains(placeholder);
    (fits && !value.contains('/')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_a_server_names_it() {
        for path in ["/mcp/alpha", "/mcp/alpha/", "/alpha/mcp", "/alpha/mcp/"] {
            assert_eq!(STANDARD.server_in(path), Some("alpha"), "{path}");
        }
    }

    #[test]
    fn other_paths_name_no_server() {
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
            assert_eq!(STANDARD.server_in(path), None, "{path}");
        }
    }

    #[test]
    fn aggregate_routes_have_their_own_placeholders() {
        assert_eq!(placeholder_value("/mcp", "{servers}", "/mcp/"), Some(""));
        assert_eq!(placeholder_value("/mcp", "{servers}", "/mcp/a,b"), None);
        assert_eq!(placeholder_value("/mcp/{servers}", "{servers}", "/mcp/a,b"), Some("a,b"));
        assert_eq!(
            placeholder_value("/toolset/{toolset}/mcp", "{toolset}", "/toolset/trio/mcp"),
            Some("trio")
        );
    }
}
