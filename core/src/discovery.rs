//! Decides which discovery URLs a challenge names, and what the protected resource metadata there
//! contains.
//!
//! The metadata names the gateway's URL as the resource, because a client compares it with the URL
//! that it used (RFC 9728 §3.3). It names the upstream's authorization servers, because they issue
//! the tokens. How the upstream's documents are fetched is decided elsewhere.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use super::{
    challenge::DiscoveryUrls,
    route::{AggregateEndpoint, Endpoint, ServerEndpoint},
};

/// The gateway's URL as clients know it: scheme and authority, without a trailing slash. It comes
/// from the configuration, never from a request (CHL-07).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl(pub String);

impl ExternalUrl {
    /// The URLs that a challenge on a single-server endpoint names.
    ///
    /// ```
    /// use mcp_preflight_core::{discovery::ExternalUrl, route::ServerEndpoint};
    ///
    /// let endpoint = ServerEndpoint { server: "alpha", server_first: false, trailing_slash: false };
    /// let urls = ExternalUrl("https://gw.example".into()).discovery_urls(&endpoint);
    /// let metadata = "https://gw.example/.well-known/oauth-protected-resource/mcp/alpha";
    /// assert_eq!(urls.resource_metadata, metadata);
    /// ```
    #[must_use]
    pub fn discovery_urls(&self, endpoint: &ServerEndpoint<'_>) -> DiscoveryUrls {
        DiscoveryUrls {
            resource_metadata: format!("{}{}", self.0, endpoint.protected_resource_metadata_path()),
            authorization_uri: format!(
                "{}{}",
                self.0,
                endpoint.authorization_server_metadata_path()
            ),
        }
    }

    /// The URLs that a challenge on an aggregate endpoint names: those of the server that refused
    /// (AGG-06).
    #[must_use]
    pub fn aggregate_discovery_urls(
        &self,
        aggregate: &AggregateEndpoint<'_>,
        refusing: &str,
    ) -> DiscoveryUrls {
        let endpoint =
            ServerEndpoint { server: refusing, server_first: false, trailing_slash: false };
        let path = aggregate.protected_resource_metadata_path(&endpoint);
        DiscoveryUrls {
            resource_metadata: format!("{}{path}", self.0),
            ..self.discovery_urls(&endpoint)
        }
    }
}

/// The members of an upstream's protected resource metadata that the gateway reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct UpstreamMetadata {
    /// The issuers of tokens for the upstream.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// The scopes of the upstream.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
}

impl UpstreamMetadata {
    /// Adds the entries of another server's metadata that are not present yet.
    pub fn merge(&mut self, other: &Self) {
        append_missing(&mut self.authorization_servers, &other.authorization_servers);
        append_missing(&mut self.scopes_supported, &other.scopes_supported);
    }
}

fn append_missing(list: &mut Vec<String>, additions: &[String]) {
    for addition in additions {
        if !list.contains(addition) {
            list.push(addition.clone());
        }
    }
}

/// The protected resource metadata of an endpoint (RFC 9728 §2). `None` if no authorization server
/// is known, because a client could not use a document without one (DSC-03).
#[must_use]
pub fn protected_resource_document(
    external: &ExternalUrl,
    endpoint: &Endpoint<'_>,
    upstream: &UpstreamMetadata,
) -> Option<String> {
    if upstream.authorization_servers.is_empty() {
        return None;
    }
    let mut document = serde_json::json!({
        "resource": format!("{}{endpoint}", external.0),
        "authorization_servers": upstream.authorization_servers,
        "bearer_methods_supported": ["header"],
        "resource_name": match endpoint {
            Endpoint::SingleServer(endpoint) => endpoint.server.to_owned(),
            Endpoint::Aggregate(_) => "mcp-preflight".to_owned(),
        },
    });
    // `offline_access` asks an authorization server for a refresh token; it is not a scope of the
    // resource (DSC-06).
    let scopes: Vec<&String> = upstream
        .scopes_supported
        .iter()
        .filter(|scope| *scope != "offline_access")
        .collect();
    if !scopes.is_empty() {
        document["scopes_supported"] = serde_json::json!(scopes);
    }
    Some(document.to_string())
}

/// Whether the host of a URL is a loopback address or `localhost`.
#[must_use]
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The well-known URL of the metadata for a URL: the suffix is inserted between authority and path
/// (RFC 8414 §3.1, RFC 9728 §3.1). `None` if the text is not an absolute URL.
#[must_use]
pub fn well_known_url(suffix: &str, about: &str) -> Option<String> {
    let about = url::Url::parse(about).ok().filter(url::Url::has_authority)?;
    let path = about.path().strip_suffix('/').unwrap_or(about.path());
    let origin = about.origin().ascii_serialization();
    Some(format!("{origin}/.well-known/{suffix}{path}"))
}

/// What a request for protected resource metadata is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataSubject<'p> {
    /// A single-server endpoint.
    Server(ServerEndpoint<'p>),
    /// A server that refused a request to an aggregate endpoint (AGG-06).
    ServerOfAggregate(ServerEndpoint<'p>, AggregateEndpoint<'p>),
    /// An aggregate endpoint.
    Aggregate(AggregateEndpoint<'p>),
}

impl<'p> MetadataSubject<'p> {
    /// Reads the endpoint and the query of a request. `None` if the query names a path that is no
    /// aggregate endpoint.
    #[must_use]
    pub fn parse(endpoint: Endpoint<'p>, query: Option<&'p str>) -> Option<Self> {
        let resource = query.and_then(|query| query.strip_prefix("resource="));
        match (endpoint, resource) {
            (Endpoint::Aggregate(aggregate), _) => Some(Self::Aggregate(aggregate)),
            (Endpoint::SingleServer(server), None) => Some(Self::Server(server)),
            (Endpoint::SingleServer(server), Some(path)) => AggregateEndpoint::parse(path)
                .map(|aggregate| Self::ServerOfAggregate(server, aggregate)),
        }
    }
}

/// The URLs at which the authorization server metadata of an issuer may be, in the order in which
/// they are tried (RFC 8414 §3.1).
///
/// The upstream chooses the issuer. Only https is fetched, or http on 127.0.0.0/8 if the upstream
/// itself is on loopback.
#[must_use]
pub fn authorization_server_metadata_urls(issuer: &str, upstream: &str) -> Vec<String> {
    let inserted = ["oauth-authorization-server", "openid-configuration"]
        .map(|suffix| well_known_url(suffix, issuer));
    let appended = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let is_local = url::Url::parse(upstream).is_ok_and(|url| is_loopback(&url));
    let may_fetch =
        |url: &String| url.starts_with("https://") || is_local && url.starts_with("http://127.");
    inserted.into_iter().flatten().chain([appended]).filter(may_fetch).collect()
}

/// The URLs at which the protected resource metadata of an upstream may be, in the order in which
/// they are tried (RFC 9728 §3.1).
#[must_use]
pub fn protected_resource_metadata_urls(upstream: &str) -> Vec<String> {
    let Ok(url) = url::Url::parse(upstream) else { return Vec::new() };
    let origin = url.origin().ascii_serialization();
    [upstream, &origin]
        .into_iter()
        .filter_map(|resource| well_known_url("oauth-protected-resource", resource))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: Endpoint<'static> = Endpoint::SingleServer(ServerEndpoint {
        server: "alpha",
        server_first: true,
        trailing_slash: true,
    });

    fn metadata(authorization_servers: &[&str], scopes: &[&str]) -> UpstreamMetadata {
        UpstreamMetadata {
            authorization_servers: authorization_servers.iter().map(ToString::to_string).collect(),
            scopes_supported: scopes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn the_resource_is_the_url_that_the_client_used() {
        let upstream = metadata(&["https://as.test"], &["tools", "offline_access"]);
        let external = ExternalUrl("https://gw.test".into());
        let document: serde_json::Value = serde_json::from_str(
            &protected_resource_document(&external, &ENDPOINT, &upstream).unwrap(),
        )
        .unwrap();
        assert_eq!(document["resource"], "https://gw.test/alpha/mcp/");
        assert_eq!(document["scopes_supported"], serde_json::json!(["tools"]));
        let unknown = UpstreamMetadata::default();
        assert_eq!(protected_resource_document(&external, &ENDPOINT, &unknown), None);
    }

    #[test]
    fn a_challenge_on_an_aggregate_endpoint_names_the_server_that_refused() {
        let aggregate = AggregateEndpoint::parse("/mcp/a,b").unwrap();
        let urls = ExternalUrl("https://gw.test".into()).aggregate_discovery_urls(&aggregate, "b");
        assert_eq!(
            urls.resource_metadata,
            "https://gw.test/.well-known/oauth-protected-resource/mcp/b?resource=/mcp/a,b"
        );
        assert_eq!(
            urls.authorization_uri,
            "https://gw.test/.well-known/oauth-authorization-server/mcp/b"
        );
    }

    #[test]
    fn merged_metadata_has_each_entry_once() {
        let mut merged = metadata(&["https://one.test"], &["a", "b"]);
        merged.merge(&metadata(&["https://two.test", "https://one.test"], &["b", "c"]));
        assert_eq!(merged, metadata(&["https://one.test", "https://two.test"], &["a", "b", "c"]));
    }

    #[test]
    fn loopback_addresses_and_localhost_are_loopback() {
        let loopback = |text: &str| is_loopback(&url::Url::parse(text).unwrap());
        for text in ["http://localhost:1/", "http://127.8.0.1/", "http://[::1]/"] {
            assert!(loopback(text), "{text}");
        }
        for text in ["http://localhost.test/", "http://128.0.0.1/", "http://[::2]/", "unix:/run/x"]
        {
            assert!(!loopback(text), "{text}");
        }
    }

    #[test]
    fn the_suffix_is_inserted_between_authority_and_path() {
        let url = |about| well_known_url("oauth-authorization-server", about);
        assert_eq!(
            url("https://as.test/"),
            Some("https://as.test/.well-known/oauth-authorization-server".into())
        );
        assert_eq!(
            url("https://as.test:8443/a/b"),
            Some("https://as.test:8443/.well-known/oauth-authorization-server/a/b".into())
        );
        assert_eq!(
            url("https://user:pw@as.test/a?x#y"),
            Some("https://as.test/.well-known/oauth-authorization-server/a".into())
        );
        assert_eq!(url("mailto:a@b"), None);
        assert_eq!(url("nonsense"), None);
    }

    #[test]
    fn the_query_names_the_aggregate_endpoint_of_a_refusal() {
        let Endpoint::SingleServer(server) = ENDPOINT else { panic!() };
        let aggregate = AggregateEndpoint::parse("/mcp/a,b").unwrap();
        for (endpoint, query, subject) in [
            (ENDPOINT, None, Some(MetadataSubject::Server(server))),
            (
                ENDPOINT,
                Some("resource=/mcp/a,b"),
                Some(MetadataSubject::ServerOfAggregate(server, aggregate)),
            ),
            (ENDPOINT, Some("resource=/mcp/a"), None),
            (ENDPOINT, Some("other=1"), Some(MetadataSubject::Server(server))),
            (
                Endpoint::Aggregate(aggregate),
                Some("resource=/mcp"),
                Some(MetadataSubject::Aggregate(aggregate)),
            ),
        ] {
            assert_eq!(MetadataSubject::parse(endpoint, query), subject, "{query:?}");
        }
    }

    #[test]
    fn cleartext_metadata_is_fetched_only_between_loopback_addresses() {
        let urls = authorization_server_metadata_urls;
        assert_eq!(
            urls("https://as.test/tenant/", "https://up.test/mcp"),
            [
                "https://as.test/.well-known/oauth-authorization-server/tenant",
                "https://as.test/.well-known/openid-configuration/tenant",
                "https://as.test/tenant/.well-known/openid-configuration",
            ]
        );
        assert_eq!(urls("http://127.0.0.1:9", "http://127.0.0.1:8/mcp").len(), 3);
        assert!(urls("http://127.0.0.1:9", "https://up.test/mcp").is_empty());
        assert!(urls("http://as.test", "http://127.0.0.1:8/mcp").is_empty());
    }

    #[test]
    fn upstream_metadata_is_expected_under_the_path_and_then_under_the_origin() {
        assert_eq!(
            protected_resource_metadata_urls("https://up.test/mcp"),
            [
                "https://up.test/.well-known/oauth-protected-resource/mcp",
                "https://up.test/.well-known/oauth-protected-resource",
            ]
        );
        assert!(protected_resource_metadata_urls("up").is_empty());
    }
}
