//! Serves the OAuth metadata that challenges refer to, with what the upstreams publish (DSC-01 to
//! DSC-05).
//!
//! The content of the documents is decided in the core. Clients need no credentials for them, so
//! every fetch is bounded and cached.

use std::sync::Arc;

use http::Response;
use serde_json::{Map, Value};

use super::{
    body::Body,
    fanout::run_for_each,
    response::{json_response, refusal_response},
    state::Gateway,
};
use crate::core::{
    access::ServerId,
    credential::ServerKind,
    discovery::{
        MetadataSubject, UpstreamMetadata, authorization_server_metadata_urls,
        protected_resource_document, protected_resource_metadata_urls,
    },
    route::{AggregateEndpoint, Endpoint, ServerEndpoint, ServerSelection},
    status::{Failure, JsonAnswer},
};

/// The protected resource metadata of an endpoint (RFC 9728).
///
/// A refusal by one server of an aggregate endpoint refers to the metadata of that server, with the
/// path of the aggregate endpoint in the query.
pub(super) async fn protected_resource(
    gateway: &Arc<Gateway>,
    endpoint: Endpoint<'_>,
    query: Option<&str>,
) -> Response<Body> {
    let Some(subject) = MetadataSubject::parse(endpoint, query) else {
        return not_found();
    };
    let Some((servers, resource)) = described_servers(gateway, subject) else {
        return not_found();
    };
    let fetching = servers.into_iter().map(|server| {
        let gateway = Arc::clone(gateway);
        (server, async move { upstream_metadata(&gateway, server).await })
    });
    let fetched = match run_for_each(fetching).await {
        Ok(fetched) => fetched,
        Err(failure) => return refusal_response(&failure.into(), None),
    };
    let mut merged = UpstreamMetadata::default();
    for (_, metadata) in fetched {
        merged.merge(&metadata);
    }
    let document = protected_resource_document(&gateway.external, &resource, &merged);
    document.map_or_else(not_found, |json| json_response(JsonAnswer::content(json)))
}

/// The servers whose metadata a document merges, and the endpoint that it describes. `None` if
/// there is no such server or endpoint.
fn described_servers<'p>(
    gateway: &Gateway,
    subject: MetadataSubject<'p>,
) -> Option<(Vec<ServerId>, Endpoint<'p>)> {
    match subject {
        MetadataSubject::Server(endpoint) => {
            let server = gateway.config.server_named(endpoint.server)?;
            Some((vec![server], Endpoint::SingleServer(endpoint)))
        }
        MetadataSubject::ServerOfAggregate(endpoint, aggregate) => {
            let server = gateway.config.server_named(endpoint.server)?;
            token_forwarding_servers(gateway, &aggregate)
                .contains(&server)
                .then(|| (vec![server], Endpoint::Aggregate(aggregate)))
        }
        MetadataSubject::Aggregate(aggregate) => {
            let servers = token_forwarding_servers(gateway, &aggregate);
            Some((servers, Endpoint::Aggregate(aggregate)))
        }
    }
}

/// The token-forwarding servers of an aggregate endpoint for any caller. None if the path names a
/// server that does not exist.
fn token_forwarding_servers(gateway: &Gateway, endpoint: &AggregateEndpoint<'_>) -> Vec<ServerId> {
    let config = &gateway.config;
    let selected: Option<Vec<ServerId>> = match endpoint.selection {
        ServerSelection::All => Some(config.enabled().map(|(server, _)| server).collect()),
        ServerSelection::Listed(names) => {
            names.split(',').map(|name| config.server_named(name)).collect()
        }
        ServerSelection::Toolset(name) => {
            let toolset = config.toolsets.iter().find(|toolset| toolset.name == name);
            let is_enabled = |server: &ServerId| !config.server(*server).disabled;
            toolset.map(|toolset| toolset.servers.iter().copied().filter(is_enabled).collect())
        }
    };
    let forwards = |server: &ServerId| {
        let kind = config.server(*server).credential.kind();
        matches!(kind, ServerKind::TokenForwarding(_))
    };
    selected.unwrap_or_default().into_iter().filter(forwards).collect()
}

/// The metadata of the authorization server that issues tokens for an endpoint, as that server
/// publishes it. The gateway is not an authorization server.
pub(super) async fn authorization_server(
    gateway: &Gateway,
    endpoint: &ServerEndpoint<'_>,
) -> Response<Body> {
    let Some(server) = gateway.config.server_named(endpoint.server) else {
        return not_found();
    };
    let metadata = upstream_metadata(gateway, server).await;
    let fetching = async {
        let issuer = metadata.authorization_servers.first()?;
        let upstream = gateway.config.server(server).url.to_string();
        for url in authorization_server_metadata_urls(issuer, &upstream) {
            let fetched = gateway.http.get_document(&url, gateway.config.deadlines.probe).await;
            let object: Option<Map<String, Value>> =
                fetched.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if let Some(object) = object {
                return Some(Value::Object(object).to_string());
            }
        }
        None
    };
    let document = gateway.metadata(server).authorization_server.get(fetching).await;
    document
        .map_or_else(not_found, |json| json_response(JsonAnswer::content(json.as_ref().clone())))
}

/// The protected resource metadata of a server: from the configuration, or else as the server
/// publishes it.
async fn upstream_metadata(gateway: &Gateway, server: ServerId) -> Arc<UpstreamMetadata> {
    let configured = &gateway.config.server(server);
    if !configured.authorization_servers.is_empty() {
        let authorization_servers = configured.authorization_servers.clone();
        return Arc::new(UpstreamMetadata { authorization_servers, scopes_supported: Vec::new() });
    }
    let fetching = async {
        for url in protected_resource_metadata_urls(&configured.url.to_string()) {
            let fetched = gateway.http.get_document(&url, gateway.config.deadlines.probe).await;
            if let Some(metadata) = fetched.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                return Some(metadata);
            }
        }
        None
    };
    let metadata = gateway.metadata(server).protected_resource.get(fetching).await;
    metadata.unwrap_or_default()
}

/// The answer if the server is unknown or its authorization server is not known.
fn not_found() -> Response<Body> {
    let failure = Failure::UnknownPath;
    json_response(JsonAnswer { status: failure.status(), body: failure.body(None, None) })
}
