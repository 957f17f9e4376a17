//! Builds the responses that refuse a request: 401, 403 and 404. The profile decides whether a
//! challenge is the gateway's own, with parameters of the upstream's, or the upstream's.
//!
//! It does not decide whether a request is refused.

use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, WWW_AUTHENTICATE},
};
use tokio::time::sleep;

use super::{
    caller::AdmissionError,
    challenge::{Parameters, UpstreamRefusal, challenge_value},
    client_request::ClientRequest,
    gateway::Gateway,
    layout::AUTHORIZATION_SERVER_METADATA,
    relay::Body,
    rpc_response::{error, not_found},
};
use crate::{cases::deployment::ConfiguredServer, catalogue::Profile};

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
        let head = HeaderMap::new();
        let without_token = UpstreamRefusal { url: "", token_sent: false, head: &head };
        let of_endpoint = || self.challenge(request, &without_token);
        let challenge = self.decisions.own_challenge()(request, &of_endpoint);
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

    /// The challenges of a 401 that an upstream caused (STA-01, CHL-01 to CHL-19).
    fn challenges_of_401(
        &self,
        request: &ClientRequest,
        refusal: &UpstreamRefusal<'_>,
    ) -> Vec<HeaderValue> {
        let mut challenges = refusal.challenges();
        if self.profile != Profile::Transparent || challenges.is_empty() {
            challenges = vec![self.challenge(request, refusal)];
        }
        self.decisions.challenges_of_401()(challenges, refusal)
    }

    /// The challenges of a 403: none, unless the upstream asks for more scope and the profile
    /// passes that on (STA-06 to STA-08).
    fn challenges_of_403(
        &self,
        request: &ClientRequest,
        refusal: &UpstreamRefusal<'_>,
    ) -> Vec<HeaderValue> {
        let asks = refusal.bearer().is_some_and(|bearer| {
            bearer.parameter("error") == Some("insufficient_scope")
                && bearer.parameter("scope").is_some_and(|scope| !scope.trim().is_empty())
        });
        if self.decisions.challenges_403()(self.profile, asks) {
            vec![self.challenge(request, refusal)]
        } else if self.profile == Profile::Transparent {
            refusal.challenges()
        } else {
            Vec::new()
        }
    }

    /// The gateway's own challenge; in profile `mcp` with parameters of the upstream's Bearer
    /// challenge.
    fn challenge(&self, request: &ClientRequest, refusal: &UpstreamRefusal<'_>) -> HeaderValue {
        let base = self.decisions.public_url()(&self.base_url, &request.headers);
        let path = request.metadata_target();
        let upstream = refusal.bearer().filter(|_| self.profile == Profile::Mcp);
        let adopted = |name: &str| {
            upstream.as_ref().and_then(|bearer| bearer.parameter(name)).map(str::to_owned)
        };
        let mut parameters = Parameters::new();
        if self.profile != Profile::Mcp {
            let url = format!("{base}{AUTHORIZATION_SERVER_METADATA}{path}");
            parameters.push(("authorization_uri", url));
        }
        let metadata_path = self.decisions.metadata_path();
        parameters.push(("resource_metadata", format!("{base}{metadata_path}{path}")));
        if refusal.token_sent {
            let error = adopted("error").unwrap_or_else(|| "invalid_token".to_owned());
            parameters.push(("error", error));
        }
        for name in ["scope", "error_description", "error_uri", "realm"] {
            parameters.extend(adopted(name).map(|value| (name, value)));
        }
        let parameters = self.decisions.challenge_parameters()(parameters, refusal);
        challenge_value(&parameters, self.decisions.challenge_quote())
    }
}
