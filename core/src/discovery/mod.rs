//! Decides which discovery URLs a challenge names, and which metadata a request for such a URL is
//! about.
//!
//! `metadata` decides what the protected resource metadata contains, and `well_known` decides where
//! the documents of upstreams are. How they are fetched is decided elsewhere.

mod metadata;
mod well_known;

use alloc::{format, string::String};

pub use self::{
    metadata::{UpstreamMetadata, protected_resource_document},
    well_known::{
        authorization_server_metadata_urls, is_loopback, protected_resource_metadata_urls,
        well_known_url,
    },
};
use crate::{
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
    /// let endpoint =
    ///     ServerEndpoint { server: "alpha", server_first: false, trailing_slash: false };
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

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: Endpoint<'static> = Endpoint::SingleServer(ServerEndpoint {
        server: "alpha",
        server_first: true,
        trailing_slash: true,
    });

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
}
