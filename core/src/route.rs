//! Decides what a path asks for.
//!
//! Two spellings of a server's endpoint exist, each with and without a trailing slash, and all four are served as they stand: a
//! redirect would lose the credentials (DSC-08). Whether a server of that name exists is not decided here.

use alloc::{format, string::String};
use core::fmt;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'p> {
    /// An MCP endpoint.
    Mcp(Endpoint<'p>),
    /// Protected-resource metadata of an MCP endpoint (RFC 9728 §3.1).
    ProtectedResourceMetadata(Endpoint<'p>),
    /// Authorization-server metadata for an endpoint (RFC 8414 §3.1), where the seed's challenge points.
    AuthorizationServerMetadata(ServerEndpoint<'p>),
    /// Whether the process is alive.
    Liveness,
    /// Whether it takes requests.
    Readiness,
    /// Nothing of ours.
    Unknown,
}

/// An MCP endpoint. Its `Display` form is the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'p> {
    /// One server's.
    SingleServer(ServerEndpoint<'p>),
    /// Several servers', however many are left of them (AGG-09).
    Aggregate(AggregateEndpoint<'p>),
}

/// A server's endpoint, in the spelling the client chose. Its `Display` form is the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerEndpoint<'p> {
    /// The name in the path; not looked up yet.
    pub server: &'p str,
    /// `/{server}/mcp` rather than `/mcp/{server}`.
    pub server_first: bool,
    /// With a trailing slash.
    pub trailing_slash: bool,
}

/// Several servers' endpoint. Its `Display` form is the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateEndpoint<'p> {
    /// Which servers the path asks for.
    pub selection: ServerSelection<'p>,
    /// With a trailing slash.
    pub trailing_slash: bool,
}

/// Which servers a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerSelection<'p> {
    /// `/mcp`: every server that the caller may use.
    All,
    /// `/mcp/a,b`: these, as they stand in the path.
    Listed(&'p str),
    /// `/toolset/NAME/mcp`
    Toolset(&'p str),
}

/// Names that a server cannot have, because they are path segments with another meaning.
pub const RESERVED_NAMES: [&str; 4] = ["mcp", "toolset", "healthz", "readyz"];

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

impl<'p> Route<'p> {
    /// Reads a path. No segment is decoded: a server's name has only characters that need no encoding (SEC-02).
    ///
    /// ```
    /// use mcp_preflight_core::route::{Endpoint, Route};
    ///
    /// let Route::Mcp(Endpoint::SingleServer(endpoint)) = Route::parse("/alpha/mcp/") else { panic!() };
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
        let found = if let Some(rest) = path.strip_prefix(PROTECTED_RESOURCE) {
            Endpoint::parse(rest).map(Self::ProtectedResourceMetadata)
        } else if let Some(rest) = path.strip_prefix(AUTHORIZATION_SERVER) {
            ServerEndpoint::parse(rest).map(Self::AuthorizationServerMetadata)
        } else {
            Endpoint::parse(path).map(Self::Mcp)
        };
        found.unwrap_or(Self::Unknown)
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
        let (inner, trailing_slash) = match path.strip_prefix('/')?.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (&path[1..], false),
        };
        let (first, second) = inner.split_once('/')?;
        let (server, server_first) = match (first, second) {
            ("mcp", server) => (server, false),
            (server, "mcp") => (server, true),
            _ => return None,
        };
        is_valid_name(server).then_some(Self { server, server_first, trailing_slash })
    }

    /// Where the endpoint's protected-resource metadata is: the well-known segment goes between host and path (RFC 9728 §3.1).
    #[must_use]
    pub fn protected_resource(&self) -> String {
        format!("{PROTECTED_RESOURCE}{self}")
    }

    /// Where the seed's challenge leads.
    #[must_use]
    pub fn authorization_server(&self) -> String {
        format!("{AUTHORIZATION_SERVER}{self}")
    }
}

impl<'p> AggregateEndpoint<'p> {
    /// Reads the path of several servers' endpoint.
    #[must_use]
    pub fn parse(path: &'p str) -> Option<Self> {
        let (inner, trailing_slash) = match path.strip_prefix('/')?.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (&path[1..], false),
        };
        let selection = if inner == "mcp" {
            ServerSelection::All
        } else if let Some(names) = inner.strip_prefix("mcp/") {
            (names.contains(',') && names.split(',').all(is_valid_name))
                .then_some(ServerSelection::Listed(names))?
        } else {
            let name = inner.strip_prefix("toolset/")?.strip_suffix("/mcp")?;
            is_valid_name(name).then_some(ServerSelection::Toolset(name))?
        };
        Some(Self { selection, trailing_slash })
    }

    /// Where the metadata is to which the refusal of one of its servers leads: that server's own (AGG-06), with this endpoint as the
    /// resource, because that is the URL that the client used (RFC 9728 §3.3).
    #[must_use]
    pub fn protected_resource(&self, refusing: &ServerEndpoint<'_>) -> String {
        format!("{}?resource={self}", refusing.protected_resource())
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

/// Whether a text can be a server's name: 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or a digit, so that it
/// stands in a path, a header or a log line as it is (CHL-14).
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
    fn what_is_not_quite_an_endpoint_is_not_one() {
        let bad = [
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
        for path in bad {
            assert_eq!(Route::parse(path), Route::Unknown, "{path}");
        }
        assert_eq!(Route::parse("/.well-known/oauth-protected-resource"), Route::Unknown);
    }

    #[test]
    fn the_process_is_asked_about_itself_by_two_paths() {
        assert_eq!(
            (Route::parse("/healthz"), Route::parse("/readyz")),
            (Route::Liveness, Route::Readiness)
        );
    }

    #[test]
    fn several_servers_are_asked_for_in_three_ways() {
        for path in [
            "/mcp",
            "/mcp/",
            "/mcp/a,b",
            "/mcp/a,b,a/",
            "/toolset/support/mcp",
            "/toolset/support/mcp/",
        ] {
            let Route::Mcp(place @ Endpoint::Aggregate(aggregate)) = Route::parse(path) else {
                panic!("{path}")
            };
            assert_eq!(aggregate.to_string(), path);
            let metadata = format!("/.well-known/oauth-protected-resource{path}");
            assert_eq!(Route::parse(&metadata), Route::ProtectedResourceMetadata(place));
        }
        let Some(every) = AggregateEndpoint::parse("/mcp") else { panic!() };
        assert_eq!(
            every.protected_resource(&ServerEndpoint {
                server: "alpha",
                server_first: false,
                trailing_slash: false
            }),
            "/.well-known/oauth-protected-resource/mcp/alpha?resource=/mcp"
        );
    }

    proptest! {
        #[test]
        fn an_endpoint_and_the_metadata_it_names_are_read_back(server in "[a-z0-9][a-z0-9_.-]{0,20}", server_first: bool, trailing_slash: bool) {
            prop_assume!(!RESERVED_NAMES.contains(&server.as_str()));
            let endpoint = ServerEndpoint { server: &server, server_first, trailing_slash };
            let (path, prm, asm) = (endpoint.to_string(), endpoint.protected_resource(), endpoint.authorization_server());
            prop_assert_eq!(Route::parse(&path), Route::Mcp(Endpoint::SingleServer(endpoint)));
            prop_assert_eq!(Route::parse(&prm), Route::ProtectedResourceMetadata(Endpoint::SingleServer(endpoint)));
            prop_assert_eq!(Route::parse(&asm), Route::AuthorizationServerMetadata(endpoint));
        }

        #[test]
        fn any_path_is_read_without_panic_and_names_only_names(path in "\\PC{0,30}|/[a-z/.%]{0,20}") {
            if let Route::Mcp(Endpoint::SingleServer(endpoint)) = Route::parse(&path) {
                prop_assert!(is_valid_name(endpoint.server));
                prop_assert_eq!(endpoint.to_string(), path);
            }
        }
    }
}
