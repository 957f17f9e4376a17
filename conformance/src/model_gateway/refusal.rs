//! Builds the responses that refuse a request: 401, 403 and 404.
//!
//! It does not decide whether a request is refused.

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, WWW_AUTHENTICATE},
};
use tokio::time::sleep;

use super::{
    admission::AdmissionError,
    challenge::UpstreamRefusal,
    client_request::ClientRequest,
    gateway::{Gateway, not_found},
    relay::Body,
    rpc_response::error,
};
use crate::cases::deployment::ConfiguredServer;

/// The challenge of the gateway's own protection space.
pub(super) fn own_challenge() -> HeaderValue {
    HeaderValue::from_static("Bearer realm=\"gateway\"")
}

impl Gateway {
    /// The 401 for a server that refuses the token or needs one (STA-01, CHL-01 to CHL-06).
    pub(super) async fn unauthorized(
        &self,
        request: &ClientRequest,
        server: &ConfiguredServer,
        refusal: &UpstreamRefusal<'_>,
    ) -> Response<Body> {
        if request.refusing_server.is_none() && refusal.token_sent {
            let delay = self.decisions.delay_of_401();
            if !delay.is_zero() {
                sleep(delay).await;
            }
        }
        if let Some(response) = self.decisions.response_instead_of_401()(request) {
            return response;
        }
        let advice = if refusal.token_sent {
            "refused the token: authorize again"
        } else {
            "requires a token: authorize"
        };
        let message =
            format!("401 Unauthorized: server `{}` {advice}, then repeat the request", server.name);
        let mut response = self.refusal(request, StatusCode::UNAUTHORIZED, &message);
        let field = self.decisions.challenge_field();
        for challenge in self.challenges_of_401(request, refusal) {
            response.headers_mut().append(field, challenge);
        }
        response
    }

    /// The 403 for a server that refuses the token's owner (STA-05, STA-06).
    pub(super) async fn forbidden(
        &self,
        request: &ClientRequest,
        server: &ConfiguredServer,
        refusal: &UpstreamRefusal<'_>,
    ) -> Response<Body> {
        if self.decisions.answers_403_with_401() {
            return self.unauthorized(request, server, refusal).await;
        }
        let message = format!(
            "{}: server `{}` does not allow this to the token's owner",
            self.decisions.message_of_403(),
            server.name
        );
        let mut response = self.refusal(request, StatusCode::FORBIDDEN, &message);
        for challenge in self.challenges_of_403(request, refusal) {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// The refusal of a request that is not admitted. Its challenge names the gateway's own
    /// protection space, so that a client can tell it from an upstream's refusal (CRD-17).
    pub(super) fn not_admitted(
        &self,
        request: &ClientRequest,
        refusal: AdmissionError,
    ) -> Response<Body> {
        let message = match refusal {
            AdmissionError::Malformed(why) => {
                return error(request, StatusCode::BAD_REQUEST, &format!("400 Bad Request: {why}"));
            }
            AdmissionError::InvalidKey => "401 Unauthorized: the gateway requires a valid key",
            AdmissionError::NoBearerToken => {
                "401 Unauthorized: `Authorization` must hold a bearer token or be absent"
            }
        };
        let mut response = self.refusal(request, StatusCode::UNAUTHORIZED, message);
        let challenge = self.decisions.own_challenge()(self, request);
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    }

    /// The response for a server that does not exist or that the caller may not use; the two are
    /// indistinguishable (GATE-07).
    pub(super) fn inaccessible(&self, request: &ClientRequest, exists: bool) -> Response<Body> {
        if self.decisions.forbids_inaccessible_server()(exists) {
            let message = "403 Forbidden: this key may not use a server of that name";
            return self.refusal(request, StatusCode::FORBIDDEN, message);
        }
        not_found(request)
    }

    fn refusal(&self, request: &ClientRequest, status: StatusCode, text: &str) -> Response<Body> {
        let mut response = self.decisions.refusal_body()(request, status, text);
        if let Some(directive) = self.decisions.refusal_cache_control() {
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static(directive));
        }
        response
    }
}
