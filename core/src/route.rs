//! Decides which endpoint or document a path names.
//!
//! A server's endpoint has two spellings, each with and without a trailing slash. All four are
//! served without a redirect, because clients drop credentials on redirects (DSC-08). Whether a
//! server of that name exists is decided elsewhere.

use alloc::{format, string::String};
use core::fmt;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'p> {
    /// An MCP endpoint.
    Mcp(Endpoint<'p>),
    /// The protected resource metadata of an MCP endpoint (RFC 9728 §3.1).
    ProtectedResourceMetadata(Endpoint<'p>),
    /// The authorization server metadata of an endpoint (RFC 8414 §3.1), which the challenges of
    /// profile `seed` name.
    AuthorizationServerMetadata(ServerEndpoint<'p>),
    /// The liveness check: whether the process runs.
    Liveness,
    /// The readiness check: whether the process accepts requests.
    Readiness,
    /// Nothing that the gateway serves.
    Unknown,
}

/// An MCP endpoint. Its `Display` form is the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'p> {
    /// The endpoint of one server.
    SingleServer(ServerEndpoint<'p>),
    /// An endpoint that serves several servers as one, even if only one server is left of them
    /// (AGG-09).
    Aggregate(AggregateEndpoint<'p>),
}

/// The endpoint of one server, in the spelling that the client used. Its `Display` form is the
/// path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerEndpoint<'p> {
    /// The server's name in the path. The server may not exist.
    pub server: &'p str,
    /// Whether the path is `/{server}/mcp` rather than `/mcp/{server}`.
    pub server_first: bool,
    /// Whether the path ends with a slash.
    pub trailing_slash: bool,
}

/// An endpoint that serves several servers as one. Its `Display` form is the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateEndpoint<'p> {
    /// The servers that the path selects.
    pub selection: ServerSelection<'p>,
    /// Whether the path ends with a slash.
    pub trailing_slash: bool,
}

/// The servers that the path of an aggregate endpoint selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerSelection<'p> {
    /// `/mcp`: every server that the caller may use.
    All,
    /// `/mcp/a,b`: the servers with these names, separated by commas.
    Listed(&'p str),
    /// `/toolset/NAME/mcp`: the servers of a toolset.
    Toolset(&'p str),
}

/// Names that a server cannot have, because they are path segments with another meaning.
pub const RESERVED_NAMES: [&str; 4] = ["mcp", "toolset", "healthz", "readyz"];

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

impl<'p> Route<'p> {
    /// Parses a path. Percent-encoding is not decoded, because no character of a server's name
    /// needs it (SEC-02).
    ///
    /// ```
    /// use mcp_preflight_core::route::{Endpoint, Route};
    ///
    /// let Route::Mcp(Endpoint::SingleServer(endpoint)) = Route::parse("/alpha/mcp/") else {
    ///     panic!()
    /// };
    /// assert_eq!((endpoint.server, endpoint.to_string().as_str()), ("alpha", "/alpha/mcp/"));
    /// assert_eq!(Route::parse("/mcp/alpha/../beta"), Route::Unknown);
    /// ```
    #[must_use]
    pub fn parse(path: &'p str) -> Self {
        match path {
            "/healthz" => return Self::Liveness,
            "/readyz" => return Self::Readiness,
            _ => {}
        }
        let route = if let Some(rest) = path.strip_prefix(PROTECTED_RESOURCE) {
            Endpoint::parse(rest).map(Self::ProtectedResourceMetadata)
        } else if let Some(rest) = path.strip_prefix(AUTHORIZATION_SERVER) {
            ServerEndpoint::parse(rest).map(Self::AuthorizationServerMetadata)
        } else {
            Endpoint::parse(path).map(Self::Mcp)
        };
        route.unwrap_or(Self::Unknown)
    }
}

impl<'p> Endpoint<'p> {
    fn parse(path: &'p str) -> Option<Self> {
        ServerEndpoint::parse(path)
            .map(Self::SingleServer)
            .or_else(|| AggregateEndpoint::parse(path).map(Self::Aggregate))
    }
}

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SingleServer(endpoint) => endpoint.fmt(f),
            Self::Aggregate(aggregate) => aggregate.fmt(f),
        }
    }
}

impl<'p> ServerEndpoint<'p> {
    fn parse(path: &'p str) -> Option<Self> {
        let (segments, trailing_slash) = split_trailing_slash(path.strip_prefix('/')?);
        let (server, server_first) = match segments.split_once('/')? {
            ("mcp", server) => (server, false),
            (server, "mcp") => (server, true),
            _ => return None,
        };
        is_valid_name(server).then_some(Self { server, server_first, trailing_slash })
    }

    /// The path of the endpoint's protected resource metadata: the well-known segments come before
    /// the path (RFC 9728 §3.1).
    #[must_use]
    pub fn protected_resource_metadata_path(&self) -> String {
        format!("{PROTECTED_RESOURCE}{self}")
    }

    /// The path of the authorization server metadata, which the challenges of profile `seed` name.
    #[must_use]
    pub fn authorization_server_metadata_path(&self) -> String {
        format!("{AUTHORIZATION_SERVER}{self}")
    }
}

impl<'p> AggregateEndpoint<'p> {
    /// Parses the path of an aggregate endpoint; `None` for any other path.
    #[must_use]
    pub fn parse(path: &'p str) -> Option<Self> {
        let (segments, trailing_slash) = split_trailing_slash(path.strip_prefix('/')?);
        let selection = if segments == "mcp" {
            ServerSelection::All
        } else if let Some(names) = segments.strip_prefix("mcp/") {
            if !names.contains(',') || !names.split(',').all(is_valid_name) {
                return None;
            }
            ServerSelection::Listed(names)
        } else {
            let name = segments.strip_prefix("toolset/")?.strip_suffix("/mcp")?;
            is_valid_name(name).then_some(ServerSelection::Toolset(name))?
        };
        Some(Self { selection, trailing_slash })
    }

    /// The path of the metadata that a challenge names if one server refuses: the metadata of that
    /// server (AGG-06), with this endpoint in the query. The endpoint is the resource in that
    /// document, because it is the URL that the client used (RFC 9728 §3.3).
    #[must_use]
    pub fn protected_resource_metadata_path(&self, refusing: &ServerEndpoint<'_>) -> String {
        format!("{}?resource={self}", refusing.protected_resource_metadata_path())
    }
}

impl fmt::Display for AggregateEndpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.selection {
            ServerSelection::All => f.write_str("/mcp")?,
            ServerSelection::Listed(names) => write!(f, "/mcp/{names}")?,
            ServerSelection::Toolset(name) => write!(f, "/toolset/{name}/mcp")?,
        }
        f.write_str(if self.trailing_slash { "/" } else { "" })
    }
}

impl fmt::Display for ServerEndpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = if self.server_first {
            (self.server, "mcp")
        } else {
            ("mcp", self.server)
        };
        write!(f, "/{first}/{second}{}", if self.trailing_slash { "/" } else { "" })
    }
}

fn split_trailing_slash(path: &str) -> (&str, bool) {
    match path.strip_suffix('/') {
        Some(path) => (path, true),
        None => (path, false),
    }
}

/// Whether a text can be the name of a server or a toolset: 1 to 64 letters, digits, `-`, `_` and
/// `.`, starting with a letter or a digit. Such a name needs no escaping in a path, a header field
/// or a log line (CHL-14).
#[must_use]
pub fn is_valid_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_paths_are_unknown() {
        let malformed = [
            "",
            "/",
            "/mcp//",
            "/mcp/a/b",
            "/mcp/..",
            "/mcp/%61",
            "/mcp/a b",
            "//alpha/mcp",
            "/alpha/mcp//",
            "mcp/alpha",
            "/mcp/a,",
            "/mcp/,a",
            "/mcp/a,,b",
            "/mcp/a,../b",
            "/toolset//mcp",
            "/toolset/a/b/mcp",
        ];
        for path in malformed {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
        assert_eq!(Route::parse("/.well-known/oauth-protected-resource"), Route::Unknown);
    }

    #[test]
    fn liveness_and_readiness_have_their_own_paths() {
        assert_eq!(Route::parse("/healthz"), Route::Liveness);
        assert_eq!(Route::parse("/readyz"), Route::Readiness);
    }

    #[test]
    fn the_paths_of_aggregate_endpoints_are_parsed() {
        for path in [
            "/mcp",
            "/mcp/",
            "/mcp/a,b",
            "/mcp/a,b,a/",
            "/toolset/support/mcp",
            "/toolset/support/mcp/",
        ] {
            let Route::Mcp(endpoint @ Endpoint::Aggregate(aggregate)) = Route::parse(path) else {
                panic!("{path}")
            };
            assert_eq!(aggregate.to_string(), path);
            let metadata = format!("/.well-known/oauth-protected-resource{path}");
            assert_eq!(Route::parse(&metadata), Route::ProtectedResourceMetadata(endpoint));
        }
    }

    #[test]
    fn the_metadata_of_a_refusing_server_has_the_endpoint_in_its_query() {
        let all = AggregateEndpoint::parse("/mcp").unwrap();
        let alpha = ServerEndpoint { server: "alpha", server_first: false, trailing_slash: false };
        assert_eq!(
            all.protected_resource_metadata_path(&alpha),
            "/.well-known/oauth-protected-resource/mcp/alpha?resource=/mcp"
        );
    }

    proptest! {
        #[test]
        fn the_paths_of_an_endpoint_and_its_metadata_are_parsed(
            server in "[a-z0-9][a-z0-9_.-]{0,20}",
            server_first: bool,
            trailing_slash: bool,
        ) {
            prop_assume!(!RESERVED_NAMES.contains(&server.as_str()));
            let server_endpoint = ServerEndpoint { server: &server, server_first, trailing_slash };
            let endpoint = Endpoint::SingleServer(server_endpoint);
            let path = endpoint.to_string();
            prop_assert_eq!(Route::parse(&path), Route::Mcp(endpoint));
            let path = server_endpoint.protected_resource_metadata_path();
            prop_assert_eq!(Route::parse(&path), Route::ProtectedResourceMetadata(endpoint));
            let path = server_endpoint.authorization_server_metadata_path();
            prop_assert_eq!(
                Route::parse(&path),
                Route::AuthorizationServerMetadata(server_endpoint)
            );
        }

        #[test]
        fn any_path_is_parsed_without_panic_and_gives_only_valid_names(
            path in "\\PC{0,30}|/[a-z/.%]{0,20}",
        ) {
            if let Route::Mcp(Endpoint::SingleServer(endpoint)) = Route::parse(&path) {
                prop_assert!(is_valid_name(endpoint.server));
                prop_assert_eq!(endpoint.to_string(), path);
            }
        }
    }
}
