//! Serves a request with one server: credential, probe, and the forwarded request.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, USER_AGENT},
};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{
    caller::Caller,
    challenge::UpstreamRefusal,
    client_request::ClientRequest,
    credential::{Credential, CredentialSource, Forwarding, forwards_token},
    deadlines::REQUEST_DEADLINE,
    gateway::Gateway,
    probe_result::{ProbeOutcome, ProbeResult},
    protocol::SESSION,
    relay::Body,
    rpc_response::{error, method_not_allowed},
    upstream_request::{PRODUCT, UpstreamError, upstream_request},
};
use crate::cases::{axis::ServerKind, deployment::ConfiguredServer};

impl Gateway {
    /// Serves an admitted request with a server that the caller may use.
    pub(super) async fn serve_server(
        self: Arc<Self>,
        request: ClientRequest,
        server: ConfiguredServer,
        caller: Caller,
    ) -> Response<Body> {
        if forwards_token(&server) && caller.token.is_none() && self.decisions.requires_token() {
            let head = HeaderMap::new();
            let refusal = UpstreamRefusal { url: &server.url, token_sent: false, head: &head };
            return self.unauthorized(&request, &server, &refusal).await;
        }
        let Some(credential) = self.credential(&request, &server, &caller).await else {
            let message = format!(
                "502 Bad Gateway: the gateway has no credential for server `{}`",
                server.name
            );
            return error(&request, StatusCode::BAD_GATEWAY, &message);
        };
        let probed = match &caller.token {
            Some(token) => self.probe_for_request(&server, token).await,
            None => ProbeResult::default(),
        };
        let refusal = UpstreamRefusal { url: &server.url, token_sent: true, head: &probed.head };
        match probed.outcome {
            ProbeOutcome::Unauthorized => {
                return self.unauthorized(&request, &server, &refusal).await;
            }
            ProbeOutcome::Forbidden => return self.forbidden(&request, &server, &refusal).await,
            ProbeOutcome::TimedOut if self.decisions.rejects_after_probe_timeout() => {
                return self.unauthorized(&request, &server, &refusal).await;
            }
            ProbeOutcome::Proceed | ProbeOutcome::TimedOut => {}
        }
        let forwarded = self.forward(&request, &server, &credential).await;
        let mut response = self.response_of(&request, &server, &credential, forwarded).await;
        if request.method == Method::GET
            && response.status().is_success()
            && !self.decisions.offers_get_stream()
        {
            return method_not_allowed("POST, DELETE");
        }
        if self.decisions.keeps_no_sessions()
            && let Some(session) = response.headers_mut().remove(SESSION)
            && let Some(token) = caller.token.clone()
        {
            tokio::spawn(Arc::clone(&self).end_session(server.url.clone(), token, session));
        }
        self.bind_session(response.headers(), caller.key);
        if let Some(session) = probed.head.get(SESSION)
            && self.decisions.returns_probe_session()
        {
            response.headers_mut().entry(SESSION).or_insert(session.clone());
        }
        response
    }

    async fn probe_for_request(
        self: &Arc<Self>,
        server: &ConfiguredServer,
        token: &HeaderValue,
    ) -> ProbeResult {
        let mut result = ProbeResult::default();
        if self.decisions.probes_servers_of()(server.kind) {
            for _ in 0..self.decisions.probes_per_request() {
                result = self.probe(server, token).await;
            }
        }
        result
    }

    /// The credential for a server; `None` if the gateway needs one and cannot obtain it (OPN-16).
    pub(super) async fn credential(
        &self,
        request: &ClientRequest,
        server: &ConfiguredServer,
        caller: &Caller,
    ) -> Option<Credential> {
        let has_token = caller.token.is_some();
        Some(match self.decisions.credential_source()(server, request, has_token) {
            CredentialSource::Caller => {
                caller.token.clone().map_or(Credential::None, Credential::Forwarded)
            }
            CredentialSource::Gateway if server.kind == ServerKind::ClientCredentials => {
                Credential::Own(self.client_credentials_token(server).await?)
            }
            CredentialSource::Gateway => {
                let bearer = format!("Bearer {}", self.deployment.static_token);
                Credential::Own(HeaderValue::try_from(bearer).ok()?)
            }
            CredentialSource::None => Credential::None,
        })
    }

    /// Forwards the client's request, once.
    pub(super) async fn forward(
        &self,
        client: &ClientRequest,
        server: &ConfiguredServer,
        credential: &Credential,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let forwards = self.decisions.forwards_field();
        let mut headers: HeaderMap = client
            .headers
            .iter()
            .filter(|(name, _)| forwards(name, self.layout.key_header))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        if let Credential::Forwarded(token) | Credential::Own(token) = credential {
            headers.insert(AUTHORIZATION, self.decisions.authorization_value()(token));
        }
        let body: Full<Bytes> = Full::new(client.body.clone());
        let request = upstream_request(&server.url, client.method.clone(), headers, body);
        let forwarding = Forwarding { client, server, credential, deployment: &self.deployment };
        let request: Request<_> = self.decisions.forwarded_request()(request, &forwarding);
        let response = self.send(request, REQUEST_DEADLINE).await?;
        self.count_upstream_response(server, response.status());
        Ok(response)
    }
}
