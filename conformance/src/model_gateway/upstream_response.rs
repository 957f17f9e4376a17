//! Turns the response of an upstream into the response to the client (STA-01 to STA-15, OPN-01 to
//! OPN-11).

use http::{HeaderName, HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::{
    challenge::UpstreamRefusal,
    client_request::ClientRequest,
    credential::{Credential, forwards_token},
    disposition::{Disposition, UpstreamHead},
    gateway::Gateway,
    relay::{Body, Relayed, connection_fields, full, is_event_stream},
    rpc_response::error,
    upstream_request::UpstreamError,
};
use crate::cases::deployment::ConfiguredServer;

/// Tells proxies in front of the gateway not to buffer an event stream (STR-06).
pub(super) const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

impl Gateway {
    /// The response to the client for the result of a forwarded request.
    pub(super) async fn response_of(
        &self,
        request: &ClientRequest,
        server: &ConfiguredServer,
        credential: &Credential,
        result: Result<Response<Incoming>, UpstreamError>,
    ) -> Response<Body> {
        let bad_gateway = |reason: &str| self.bad_gateway(request, server, reason);
        let mut response = match result {
            Ok(response) => response,
            Err(failure) => {
                let name = self.decisions.server_in_errors()(server);
                let reason = match failure {
                    UpstreamError::Unreachable => "gave no usable response",
                    UpstreamError::TimedOut => "took too long",
                };
                let status = self.decisions.status_of_failure()(failure);
                return error(request, status, &format!("{status}: server `{name}` {reason}"));
            }
        };
        let status = response.status();
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        // The caller cannot correct the refusal of a credential that the gateway chose.
        if refused && !forwards_token(server) && self.decisions.hides_refusal_of_own_credential() {
            return bad_gateway("rejects the gateway's own credential");
        }
        let token_sent = !matches!(credential, Credential::None);
        if status == StatusCode::UNAUTHORIZED {
            if token_sent && self.decisions.trusts_probe_over_401() {
                return bad_gateway("contradicted its response to the probe");
            }
            if !self.refusal_counts(&mut response).await {
                return bad_gateway("refused with an incomplete body");
            }
        }
        let is_mcp = request.is_answered_by(&response);
        let has_challenge = response.headers().contains_key(WWW_AUTHENTICATE);
        let head = UpstreamHead { status, is_mcp, has_challenge, request };
        let refusal = UpstreamRefusal { url: &server.url, token_sent, head: response.headers() };
        match self.decisions.disposition()(&head) {
            Disposition::Unauthorized => self.unauthorized(request, server, &refusal).await,
            Disposition::Forbidden => self.forbidden(request, server, &refusal).await,
            Disposition::BadGateway(reason) => bad_gateway(reason),
            Disposition::Replace(status, message) => error(request, status, message),
            Disposition::Relay => self.relay(request, server, response).await,
        }
    }

    fn bad_gateway(
        &self,
        request: &ClientRequest,
        server: &ConfiguredServer,
        reason: &str,
    ) -> Response<Body> {
        let name = self.decisions.server_in_errors()(server);
        let message = format!("502 Bad Gateway: server `{name}` {reason}");
        error(request, StatusCode::BAD_GATEWAY, &message)
    }

    /// Relays an upstream's response to the client.
    async fn relay(
        &self,
        request: &ClientRequest,
        server: &ConfiguredServer,
        response: Response<Incoming>,
    ) -> Response<Body> {
        let (head, body) = response.into_parts();
        let is_stream = is_event_stream(&head.headers);
        let completes = self.decisions.completes_broken_bodies();
        let body = BodyExt::boxed_unsync(Relayed::new(body, is_stream, completes));
        let mut relayed = Response::new(body);
        *relayed.status_mut() = head.status;
        let listed = connection_fields(&head.headers);
        let relays = self.decisions.relays_field();
        *relayed.headers_mut() = head
            .headers
            .iter()
            .filter(|(name, _)| relays(name, listed.iter().any(|listed| listed == name.as_str())))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if is_stream {
            relayed.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
        }
        if relayed.status().is_success() && !is_stream && self.decisions.buffers_responses() {
            return read_completely(relayed, request.id.is_some())
                .await
                .unwrap_or_else(|| self.bad_gateway(request, server, "broke off its response"));
        }
        relayed
    }
}

/// The response after its body has been read; `None` if the body broke off, or is not JSON where
/// JSON is expected.
async fn read_completely(response: Response<Body>, expects_json: bool) -> Option<Response<Body>> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let is_valid = !expects_json || serde_json::from_slice::<Value>(&body).is_ok();
    is_valid.then(|| Response::from_parts(head, full(body)))
}
