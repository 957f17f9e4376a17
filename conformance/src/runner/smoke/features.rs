//! Tries the features of a gateway, each with a request that shows whether the gateway has it.
//!
//! Features that no request shows are not tried: for example, whether a gateway sends probes is
//! known only from its documentation.

use super::{
    explorer::{Answered, Call, Explorer},
    way::Way,
};
use crate::{
    cases::axis::{Credentials, Method, ServerKind},
    catalogue::{Feature, ProtocolVersion},
    trace::header,
};

/// Whether a gateway has a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFeature {
    /// The feature.
    pub feature: Feature,
    /// Whether the gateway has it.
    pub is_present: bool,
    /// What shows that, for the user.
    pub evidence: String,
}

fn found(feature: Feature, is_present: bool, evidence: String) -> FoundFeature {
    FoundFeature { feature, is_present, evidence }
}

/// Tries every feature that a request shows. `call` is a `tools/call` that reached this server.
pub(super) async fn survey(
    explorer: &Explorer<'_>,
    way: &Way,
    server: ServerKind,
    call: &Answered,
) -> Vec<FoundFeature> {
    let tries = Tries { explorer, way, server };
    let keys = tries.gateway_keys().await;
    let has_keys = keys.as_ref().is_some_and(|found| found.is_present);
    let mut features: Vec<Option<FoundFeature>> = vec![
        keys,
        tries.token_forwarding(call).await,
        tries.servers_without_credential().await,
        tries.static_credential().await,
        tries.client_credentials().await,
        Some(tries.sessionless_requests().await),
        tries.sessions().await,
        tries.listening_stream().await,
        tries.session_end().await,
        Some(tries.stateless_clients().await),
        tries.http2().await,
    ];
    if has_keys {
        features.push(tries.limited_keys().await);
        features.push(tries.key_in_authorization().await);
    }
    features.into_iter().flatten().collect()
}

/// The tries in a way that works.
struct Tries<'a> {
    explorer: &'a Explorer<'a>,
    way: &'a Way,
    /// A server that calls reach.
    server: ServerKind,
}

impl Tries<'_> {
    async fn call(&self, server: ServerKind, method: Method) -> Answered {
        self.explorer.send(self.way, Call::to(server, method)).await
    }

    async fn gateway_keys(&self) -> Option<FoundFeature> {
        let call = Call {
            credentials: Credentials::WrongKeyAndToken,
            ..Call::to(self.server, Method::ToolsCall)
        };
        let answered = self.explorer.send(self.way, call).await;
        if answered.reached_server() {
            let server = answered.server;
            let evidence = format!("a request with an unknown gateway key reached {server}");
            return Some(found(Feature::GatewayKeys, false, evidence));
        }
        answered.status().filter(|status| *status >= 400).map(|status| {
            let evidence = format!("a request with an unknown gateway key got {status}");
            found(Feature::GatewayKeys, true, evidence)
        })
    }

    /// Only a token-forwarding server shows whether the token is forwarded.
    async fn token_forwarding(&self, call: &Answered) -> Option<FoundFeature> {
        let other;
        let call = if self.server == ServerKind::Forwarding {
            call
        } else {
            other = self.call(ServerKind::Forwarding, Method::ToolsCall).await;
            &other
        };
        if !call.reached_server() {
            return None;
        }
        let server = call.server;
        let (is_present, evidence) = if call.token_arrived() {
            (true, format!("{server} got the caller's token"))
        } else {
            (false, format!("{server} got a request without the caller's token"))
        };
        Some(found(Feature::TokenForwarding, is_present, evidence))
    }

    /// A gateway that forwards its own key has a defect, which shows nothing about the feature.
    async fn servers_without_credential(&self) -> Option<FoundFeature> {
        let answered = self.call(ServerKind::Open, Method::ToolsCall).await;
        let arrival = answered.arrivals().next()?;
        let server = answered.server;
        if answered.arrived_with(&self.explorer.deployment().limited_key) {
            return None;
        }
        let (is_present, evidence) = match header(&arrival.headers, "authorization") {
            None => (true, format!("{server} got no credential")),
            Some(_) => (false, format!("{server} got a credential in Authorization")),
        };
        Some(found(Feature::ServersWithoutCredential, is_present, evidence))
    }

    async fn static_credential(&self) -> Option<FoundFeature> {
        let token = self.explorer.deployment().static_token.clone();
        self.configured_credential(Feature::StaticCredential, ServerKind::Static, &token)
            .await
    }

    async fn client_credentials(&self) -> Option<FoundFeature> {
        let token = self.explorer.deployment().minted_token.clone();
        let kind = ServerKind::ClientCredentials;
        self.configured_credential(Feature::ClientCredentials, kind, &token).await
    }

    async fn configured_credential(
        &self,
        feature: Feature,
        server: ServerKind,
        credential: &str,
    ) -> Option<FoundFeature> {
        let answered = self.call(server, Method::ToolsCall).await;
        let server = answered.server;
        if answered.arrived_with(credential) {
            return Some(found(feature, true, format!("{server} got its own credential")));
        }
        let evidence = if answered.reached_server() {
            format!("{server} got a request without its own credential")
        } else {
            format!("a request for {server} got {} and did not reach it", answered.in_words())
        };
        Some(found(feature, false, evidence))
    }

    async fn sessionless_requests(&self) -> FoundFeature {
        let cold = Way { needs_session: false, ..self.way.clone() };
        let answered = self.explorer.send(&cold, Call::to(self.server, Method::ToolsCall)).await;
        let is_present = answered.is_success() && answered.reached_server();
        let evidence = format!("a tools/call without a session got {}", answered.in_words());
        found(Feature::SessionlessRequests, is_present, evidence)
    }

    /// A session id that the upstream issued shows nothing: a relay passes it on.
    async fn sessions(&self) -> Option<FoundFeature> {
        let answered = self.call(self.server, Method::Initialize).await;
        if !answered.is_success() {
            return None;
        }
        let id = header(&answered.exchange()?.headers, "mcp-session-id");
        let Some(id) = id else {
            let evidence = "the response to initialize has no session id".to_owned();
            return Some(found(Feature::Sessions, false, evidence));
        };
        let mut arrivals = answered.trace.arrivals.iter();
        if arrivals.any(|arrival| arrival.session_issued.as_deref() == Some(id)) {
            return None;
        }
        let evidence = "the response to initialize has a session id".to_owned();
        Some(found(Feature::Sessions, true, evidence))
    }

    async fn listening_stream(&self) -> Option<FoundFeature> {
        let answered = self.call(self.server, Method::Get).await;
        let content_type = header(&answered.exchange()?.headers, "content-type");
        let is_stream = content_type.is_some_and(|value| value.starts_with("text/event-stream"));
        let evidence = format!("GET got {}", answered.in_words());
        match answered.status()? {
            200 if is_stream => Some(found(Feature::ListeningStream, true, evidence)),
            400..=499 => Some(found(Feature::ListeningStream, false, evidence)),
            _ => None,
        }
    }

    async fn session_end(&self) -> Option<FoundFeature> {
        let answered = self.call(self.server, Method::Delete).await;
        let evidence = format!("DELETE got {}", answered.in_words());
        match answered.status()? {
            200..=299 => Some(found(Feature::SessionEnd, true, evidence)),
            405 | 501 => Some(found(Feature::SessionEnd, false, evidence)),
            _ => None,
        }
    }

    async fn stateless_clients(&self) -> FoundFeature {
        let call = Call {
            protocol_version: ProtocolVersion::V2026_07_28,
            ..Call::to(self.server, Method::ToolsCall)
        };
        let answered = self.explorer.send(self.way, call).await;
        let is_present = answered.is_success() && answered.reached_server();
        let evidence = format!("a tools/call of version 2026-07-28 got {}", answered.in_words());
        found(Feature::StatelessClients, is_present, evidence)
    }

    async fn http2(&self) -> Option<FoundFeature> {
        let client = self.explorer.http2_client()?;
        let call = Call::to(self.server, Method::Initialize);
        let answered = self.explorer.send_through(client, self.way, call).await;
        let evidence = format!("a request over HTTP/2 got {}", answered.in_words());
        Some(found(Feature::Http2, answered.status().is_some(), evidence))
    }

    /// A server that no key can use shows nothing.
    async fn limited_keys(&self) -> Option<FoundFeature> {
        let limited = self.call(ServerKind::NotPermitted, Method::ToolsCall).await;
        let server = limited.server;
        if limited.reached_server() {
            let evidence = format!("the limited key reached {server}");
            return Some(found(Feature::LimitedKeys, false, evidence));
        }
        let full = self.explorer.send_with_full_key(self.way).await;
        full.reached_server().then(|| {
            let evidence = format!("only the other key reached {server}");
            found(Feature::LimitedKeys, true, evidence)
        })
    }

    async fn key_in_authorization(&self) -> Option<FoundFeature> {
        if self.way.layout.key_header == "authorization" {
            return None;
        }
        let call = Call {
            credentials: Credentials::KeyInAuthorization,
            ..Call::to(ServerKind::Open, Method::ToolsCall)
        };
        let answered = self.explorer.send(self.way, call).await;
        let is_present = answered.is_success() && answered.reached_server();
        let evidence =
            format!("a request with the key in Authorization only got {}", answered.in_words());
        Some(found(Feature::KeyInAuthorization, is_present, evidence))
    }
}
