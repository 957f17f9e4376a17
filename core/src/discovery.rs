//! Decides where a challenge leads and what stands there.
//!
//! Protected-resource metadata names the gateway's own URL as the resource, because RFC 9728 §3.3 has the client compare it with the
//! URL it used, and the upstream's authorization servers, because they issue the tokens. How the upstream's documents are fetched is
//! not decided here.

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

/// The gateway's URL as clients know it, from the configuration and never from a request (CHL-07): scheme and authority, without a
/// trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl(pub String);

impl ExternalUrl {
    /// The URLs that a challenge on this endpoint names.
    ///
    /// ```
    /// use mcp_preflight_core::{discovery::ExternalUrl, route::ServerEndpoint};
    ///
    /// let endpoint = ServerEndpoint { server: "alpha", server_first: false, trailing_slash: false };
    /// let discovery = ExternalUrl("https://gw.example".into()).discovery_urls(&endpoint);
    /// assert_eq!(discovery.resource_metadata, "https://gw.example/.well-known/oauth-protected-resource/mcp/alpha");
    /// ```
    #[must_use]
    pub fn discovery_urls(&self, endpoint: &ServerEndpoint<'_>) -> DiscoveryUrls {
        DiscoveryUrls {
            resource_metadata: format!("{}{}", self.0, endpoint.protected_resource()),
            authorization_uri: format!("{}{}", self.0, endpoint.authorization_server()),
        }
    }

    /// The URLs that a challenge on several servers' endpoint names: those of the server that refused (AGG-06).
    #[must_use]
    pub fn aggregate_discovery_urls(
        &self,
        aggregate: &AggregateEndpoint<'_>,
        refusing: &str,
    ) -> DiscoveryUrls {
        let endpoint =
            ServerEndpoint { server: refusing, server_first: false, trailing_slash: false };
        let resource_metadata = format!("{}{}", self.0, aggregate.protected_resource(&endpoint));
        DiscoveryUrls { resource_metadata, ..self.discovery_urls(&endpoint) }
    }
}

/// What the gateway reads of an upstream's protected-resource metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct UpstreamMetadata {
    /// Issuers of tokens for the upstream.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// Scopes that it knows.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
}

impl UpstreamMetadata {
    /// Adds what another server says, as far as it is new.
    pub fn merge(&mut self, other: &Self) {
        let lists = [
            (&mut self.authorization_servers, &other.authorization_servers),
            (&mut self.scopes_supported, &other.scopes_supported),
        ];
        for (own, others) in lists {
            for new in others {
                if !own.contains(new) {
                    own.push(new.clone());
                }
            }
        }
    }
}

/// The protected-resource metadata of an endpoint (RFC 9728 §2), or `None` where no authorization server is known: a document
/// without one would send a client nowhere (DSC-03).
#[must_use]
pub fn protected_resource_document(
    external: &ExternalUrl,
    place: &Endpoint<'_>,
    upstream: &UpstreamMetadata,
) -> Option<String> {
    if upstream.authorization_servers.is_empty() {
        return None;
    }
    let mut document = serde_json::json!({
        "resource": format!("{}{place}", external.0),
        "authorization_servers": upstream.authorization_servers,
        "bearer_methods_supported": ["header"],
        "resource_name": match place {
            Endpoint::SingleServer(endpoint) => endpoint.server.to_owned(),
            Endpoint::Aggregate(_) => "mcp-preflight".to_owned(),
        },
    });
    // A refresh is between client and authorization server; a resource has no scope for it (DSC-06).
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

/// Whether a URL is one of this machine.
#[must_use]
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The well-known URL of a document about another URL: the suffix goes between authority and path (RFC 8414 §3.1, RFC 9728 §3.1).
/// `None` where the text is no absolute URL.
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
    /// Reads the endpoint and the query of a request. `None` if the query names a path that is no aggregate endpoint.
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

/// The URLs at which the authorization server metadata of an issuer may be, in the order in which they are tried (RFC 8414 §3.1).
///
/// The upstream chooses the issuer. Only https is fetched, or http on 127.0.0.0/8 if the upstream itself is on loopback.
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

/// The URLs at which the protected resource metadata of an upstream may be, in the order in which they are tried (RFC 9728 §3.1).
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

    #[test]
    fn the_resource_is_the_url_the_client_used() {
        let upstream = UpstreamMetadata {
            authorization_servers: vec!["https://as.test".into()],
            scopes_supported: vec!["tools".into(), "offline_access".into()],
        };
        let external = ExternalUrl("https://gw.test".into());
        let document: serde_json::Value = serde_json::from_str(
            &protected_resource_document(&external, &ENDPOINT, &upstream).unwrap(),
        )
        .unwrap();
        assert_eq!(document["resource"], "https://gw.test/alpha/mcp/");
        assert_eq!(document["scopes_supported"], serde_json::json!(["tools"]));
        assert_eq!(
            protected_resource_document(&external, &ENDPOINT, &UpstreamMetadata::default()),
            None
        );
    }

    #[test]
    fn a_challenge_of_several_leads_to_the_one_that_refused() {
        let aggregate = AggregateEndpoint::parse("/mcp/a,b").unwrap();
        let discovery =
            ExternalUrl("https://gw.test".into()).aggregate_discovery_urls(&aggregate, "b");
        assert_eq!(
            discovery.resource_metadata,
            "https://gw.test/.well-known/oauth-protected-resource/mcp/b?resource=/mcp/a,b"
        );
        assert_eq!(
            discovery.authorization_uri,
            "https://gw.test/.well-known/oauth-authorization-server/mcp/b"
        );
    }

    #[test]
    fn several_servers_say_together_what_each_says_once() {
        let said = |servers: &[&str], scopes: &[&str]| UpstreamMetadata {
            authorization_servers: servers.iter().map(ToString::to_string).collect(),
            scopes_supported: scopes.iter().map(ToString::to_string).collect(),
        };
        let mut together = said(&["https://one.test"], &["a", "b"]);
        together.merge(&said(&["https://two.test", "https://one.test"], &["b", "c"]));
        assert_eq!(together, said(&["https://one.test", "https://two.test"], &["a", "b", "c"]));
    }

    #[test]
    fn this_machine_has_three_kinds_of_names() {
        let is = |text: &str| is_loopback(&url::Url::parse(text).unwrap());
        assert!(
            ["http://localhost:1/", "http://127.8.0.1/", "http://[::1]/"]
                .into_iter()
                .all(is)
        );
        assert!(
            !["http://localhost.test/", "http://128.0.0.1/", "http://[::2]/", "unix:/run/x"]
                .into_iter()
                .any(is)
        );
    }

    #[test]
    fn the_suffix_goes_between_authority_and_path() {
        let at = |about| well_known_url("oauth-authorization-server", about);
        assert_eq!(
            at("https://as.test/"),
            Some("https://as.test/.well-known/oauth-authorization-server".into())
        );
        assert_eq!(
            at("https://as.test:8443/a/b"),
            Some("https://as.test:8443/.well-known/oauth-authorization-server/a/b".into())
        );
        assert_eq!(
            at("https://user:pw@as.test/a?x#y"),
            Some("https://as.test/.well-known/oauth-authorization-server/a".into())
        );
        assert_eq!(at("mailto:a@b"), None);
        assert_eq!(at("nonsense"), None);
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
