//! Decides what a path asks for.
//!
//! Two spellings of a server's endpoint exist, each with and without a trailing slash, and all four are served as they stand: a
//! redirect would lose the credentials (DSC-08). Whether a server of that name exists is not decided here.

use std::fmt;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'p> {
    /// One server's MCP endpoint.
    Server(Endpoint<'p>),
    /// Protected-resource metadata of an endpoint (RFC 9728 §3.1).
    ProtectedResource(Endpoint<'p>),
    /// Authorization-server metadata for an endpoint (RFC 8414 §3.1), where the seed's challenge points.
    AuthorizationServer(Endpoint<'p>),
    /// Whether the process is alive.
    Health,
    /// Whether it takes requests.
    Ready,
    /// Nothing of ours.
    Unknown,
}

/// A server's endpoint, in the spelling the client chose. Its `Display` form is the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'p> {
    /// The name in the path; not looked up yet.
    pub server: &'p str,
    /// `/{server}/mcp` rather than `/mcp/{server}`.
    pub server_first: bool,
    /// With a trailing slash.
    pub slash: bool,
}

/// Names that a server cannot have, because a path would read two ways.
pub const RESERVED: [&str; 4] = ["mcp", "toolset", "healthz", "readyz"];

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

impl<'p> Route<'p> {
    /// Reads a path. No segment is decoded: a server's name has only characters that need no encoding (SEC-02).
    ///
    /// ```
    /// use mcp_preflight::core::route::Route;
    ///
    /// let Route::Server(endpoint) = Route::of("/alpha/mcp/") else { panic!() };
    /// assert_eq!((endpoint.server, endpoint.to_string().as_str()), ("alpha", "/alpha/mcp/"));
    /// assert_eq!(Route::of("/mcp/alpha/../beta"), Route::Unknown);
    /// ```
    #[must_use]
    pub fn of(path: &'p str) -> Self {
        match path {
            "/healthz" => return Self::Health,
            "/readyz" => return Self::Ready,
            _ => {}
        }
        let found = if let Some(rest) = path.strip_prefix(PROTECTED_RESOURCE) {
            Endpoint::of(rest).map(Self::ProtectedResource)
        } else if let Some(rest) = path.strip_prefix(AUTHORIZATION_SERVER) {
            Endpoint::of(rest).map(Self::AuthorizationServer)
        } else {
            Endpoint::of(path).map(Self::Server)
        };
        found.unwrap_or(Self::Unknown)
    }
}

impl<'p> Endpoint<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let (inner, slash) = match path.strip_prefix('/')?.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (&path[1..], false),
        };
        let (first, second) = inner.split_once('/')?;
        let (server, server_first) = match (first, second) {
            ("mcp", server) => (server, false),
            (server, "mcp") => (server, true),
            _ => return None,
        };
        is_name(server).then_some(Self { server, server_first, slash })
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

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = if self.server_first { (self.server, "mcp") } else { ("mcp", self.server) };
        write!(f, "/{first}/{second}{}", if self.slash { "/" } else { "" })
    }
}

/// Whether a text can be a server's name: 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or a digit, so that it
/// stands in a path, a header or a log line as it is (CHL-14).
#[must_use]
pub fn is_name(text: &str) -> bool {
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
        for path in
            ["", "/", "/mcp", "/mcp/", "/mcp//", "/mcp/a/b", "/mcp/..", "/mcp/%61", "/mcp/a b", "//alpha/mcp", "/alpha/mcp//", "mcp/alpha"]
        {
            assert_eq!(Route::of(path), Route::Unknown, "{path}");
        }
        assert_eq!(Route::of("/.well-known/oauth-protected-resource"), Route::Unknown);
    }

    proptest! {
        #[test]
        fn an_endpoint_and_the_metadata_it_names_are_read_back(server in "[a-z0-9][a-z0-9_.-]{0,20}", server_first: bool, slash: bool) {
            prop_assume!(!RESERVED.contains(&server.as_str()));
            let endpoint = Endpoint { server: &server, server_first, slash };
            let (path, prm, asm) = (endpoint.to_string(), endpoint.protected_resource(), endpoint.authorization_server());
            prop_assert_eq!(Route::of(&path), Route::Server(endpoint));
            prop_assert_eq!(Route::of(&prm), Route::ProtectedResource(endpoint));
            prop_assert_eq!(Route::of(&asm), Route::AuthorizationServer(endpoint));
        }

        #[test]
        fn any_path_is_read_without_panic_and_names_only_names(path in "\\PC{0,30}|/[a-z/.%]{0,20}") {
            if let Route::Server(endpoint) = Route::of(&path) {
                prop_assert!(is_name(endpoint.server));
                prop_assert_eq!(endpoint.to_string(), path);
            }
        }
    }
}
