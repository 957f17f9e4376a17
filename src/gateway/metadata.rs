//! Serves the documents that a challenge leads to, learning what it must from the upstream (DSC-01 to DSC-05).
//!
//! What stands in them is the core's to say. A stranger may ask for them, so what is fetched is bounded and kept.

use std::sync::Arc;

use http::{Response, StatusCode};
use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    Body, Gateway,
    answer::{Refusal, document},
    fanout::at_once,
};
use crate::core::{
    access::ServerId,
    credential::ServerKind,
    discovery::{self, UpstreamMetadata, is_loopback, well_known_url},
    route::{AggregateEndpoint, Endpoint, ServerEndpoint, ServerSelection},
    status::Failure,
};

/// How long what an upstream said is kept.
const KEPT: Duration = Duration::from_secs(300);
/// How long its silence is.
const SILENCE_KEPT: Duration = Duration::from_secs(10);

/// What is known of one server's authorization.
#[derive(Default)]
pub(super) struct Metadata {
    resource: Kept<UpstreamMetadata>,
    authorization_server: Kept<String>,
}

/// A value that is fetched at most once in a while, by whoever asks first.
struct Kept<T>(Mutex<Option<(Instant, Option<Arc<T>>)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Kept<T> {
    async fn get(&self, fetch: impl Future<Output = Option<T>>) -> Option<Arc<T>> {
        let mut kept = self.0.lock().await;
        if let Some((_, value)) = kept.as_ref().filter(|(until, _)| Instant::now() < *until) {
            return value.clone();
        }
        let value = fetch.await.map(Arc::new);
        *kept = Some((
            Instant::now() + if value.is_some() { KEPT } else { SILENCE_KEPT },
            value.clone(),
        ));
        value
    }
}

/// Protected-resource metadata of an endpoint. A refusal by one of several servers leads to that server's, with the path that the
/// client used in its query.
pub(super) async fn protected_resource(
    gateway: &Arc<Gateway>,
    place: &Endpoint<'_>,
    query: Option<&str>,
) -> Response<Body> {
    let refused_at = query.and_then(|query| query.strip_prefix("resource="));
    let (servers, place) = match (place, refused_at) {
        (Endpoint::SingleServer(endpoint), None) => {
            (gateway.config.server_named(endpoint.server).into_iter().collect(), *place)
        }
        (Endpoint::SingleServer(endpoint), Some(path)) => {
            let server = gateway.config.server_named(endpoint.server);
            match (server, AggregateEndpoint::parse(path)) {
                (Some(server), Some(aggregate))
                    if members(gateway, &aggregate).contains(&server) =>
                {
                    (vec![server], Endpoint::Aggregate(aggregate))
                }
                _ => return absent(),
            }
        }
        (Endpoint::Aggregate(aggregate), _) => (members(gateway, aggregate), *place),
    };
    let learning = servers.into_iter().map(|server| {
        let gateway = Arc::clone(gateway);
        (server, async move { upstream(&gateway, server).await })
    });
    let learnt = match at_once(learning).await {
        Ok(learnt) => learnt,
        Err(failure) => return Refusal::from(failure).response(None),
    };
    let mut together = UpstreamMetadata::default();
    learnt.iter().for_each(|(_, learnt)| together.merge(learnt));
    let written = discovery::protected_resource_document(&gateway.external, &place, &together);
    written.map_or_else(absent, |json| document(StatusCode::OK, json))
}

/// The servers behind an endpoint that hand a caller's token on, whoever the caller is; none where the path names one that is not there.
fn members(gateway: &Gateway, aggregate: &AggregateEndpoint<'_>) -> Vec<ServerId> {
    let config = &gateway.config;
    let named: Option<Vec<ServerId>> = match aggregate.selection {
        ServerSelection::All => Some(config.enabled().map(|(server, _)| server).collect()),
        ServerSelection::Listed(names) => {
            names.split(',').map(|name| config.server_named(name)).collect()
        }
        ServerSelection::Toolset(name) => {
            let toolset = config.toolsets.iter().find(|toolset| toolset.name == name);
            toolset.map(|toolset| {
                toolset
                    .servers
                    .iter()
                    .copied()
                    .filter(|server| !config.server(*server).disabled)
                    .collect()
            })
        }
    };
    let forwarding = |server: &ServerId| {
        matches!(config.server(*server).credential.kind(), ServerKind::TokenForwarding(_))
    };
    named.unwrap_or_default().into_iter().filter(forwarding).collect()
}

/// The metadata of the authorization server that issues tokens for an endpoint, as that server publishes it: the gateway is none.
pub(super) async fn authorization_server(
    gateway: &Gateway,
    endpoint: &ServerEndpoint<'_>,
) -> Response<Body> {
    let Some(server) = gateway.config.server_named(endpoint.server) else {
        return absent();
    };
    let upstream = upstream(gateway, server).await;
    let fetching = async {
        let issuer = upstream.authorization_servers.first()?;
        let places = ["oauth-authorization-server", "openid-configuration"]
            .map(|suffix| well_known_url(suffix, issuer));
        let appended = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let loopback = url::Url::parse(&gateway.config.server(server).url.to_string())
            .is_ok_and(|url| is_loopback(&url));
        for place in places.into_iter().flatten().chain([appended]) {
            // An upstream names its issuers itself: only a test on this machine may name one in cleartext.
            if !(place.starts_with("https://") || loopback && place.starts_with("http://127.")) {
                continue;
            }
            let fetched = gateway.upstream.fetch(&place, gateway.config.deadlines.probe).await;
            let object = fetched.and_then(|bytes| {
                serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes).ok()
            });
            if let Some(object) = object {
                return Some(serde_json::Value::Object(object).to_string());
            }
        }
        None
    };
    let kept = gateway.metadata[usize::from(server.0)].authorization_server.get(fetching).await;
    kept.map_or_else(absent, |json| document(StatusCode::OK, json.as_ref().clone()))
}

/// The upstream's own protected-resource metadata, or the part of it that the configuration gives.
async fn upstream(gateway: &Gateway, server: ServerId) -> Arc<UpstreamMetadata> {
    let configured = &gateway.config.server(server);
    if !configured.authorization_servers.is_empty() {
        let authorization_servers = configured.authorization_servers.clone();
        return Arc::new(UpstreamMetadata { authorization_servers, scopes_supported: Vec::new() });
    }
    let fetching = async {
        let url = configured.url.to_string();
        let origin = url::Url::parse(&url).ok()?.origin().ascii_serialization();
        for about in [&url, &origin] {
            let place = well_known_url("oauth-protected-resource", about)?;
            let fetched = gateway.upstream.fetch(&place, gateway.config.deadlines.probe).await;
            if let Some(metadata) = fetched.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                return Some(metadata);
            }
        }
        None
    };
    gateway.metadata[usize::from(server.0)]
        .resource
        .get(fetching)
        .await
        .unwrap_or_default()
}

/// There is no such document: the server is unknown, or nobody says where its tokens come from.
fn absent() -> Response<Body> {
    document(StatusCode::NOT_FOUND, Failure::UnknownPath.body(None, None))
}
