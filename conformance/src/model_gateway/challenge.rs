//! Builds the challenges of refusals as the profile requires: the gateway's own challenge, with
//! parameters of the upstream's, or the upstream's challenges.
//!
//! It decides neither whether a request is refused nor the status.

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::{
    client_request::ClientRequest, discovery::AUTHORIZATION_SERVER_METADATA, gateway::Gateway,
};
use crate::{
    catalogue::Profile,
    trace::challenge::{Challenge, parse_leniently},
};

/// The size limit of a challenge, in bytes (CHL-19).
const SIZE_LIMIT: usize = 4096;

/// The parameters of a challenge, in order.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// How an upstream refused a request.
pub(super) struct UpstreamRefusal<'a> {
    /// The upstream's URL.
    pub(super) url: &'a str,
    /// Whether the refused request had a token.
    pub(super) token_sent: bool,
    /// The fields of the upstream's response.
    pub(super) head: &'a HeaderMap,
}

impl UpstreamRefusal<'_> {
    /// The upstream's challenge field lines.
    pub(super) fn challenges(&self) -> Vec<HeaderValue> {
        self.head.get_all(WWW_AUTHENTICATE).iter().cloned().collect()
    }

    /// The upstream's first Bearer challenge.
    fn bearer(&self) -> Option<Challenge> {
        self.head
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .flat_map(|line| parse_leniently(&line).unwrap_or_default())
            .find(|challenge| challenge.is("Bearer"))
    }
}

impl Gateway {
    /// The challenges of a 401 that an upstream caused (STA-01, CHL-01 to CHL-19).
    pub(super) fn challenges_of_401(
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
    pub(super) fn challenges_of_403(
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
    pub(super) fn challenge(
        &self,
        request: &ClientRequest,
        refusal: &UpstreamRefusal<'_>,
    ) -> HeaderValue {
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

/// A Bearer challenge with these parameters, except those that cannot be written or that exceed the
/// size limit (CHL-13, CHL-19).
fn challenge_value(parameters: &Parameters, quote: &str) -> HeaderValue {
    let mut text = "Bearer".to_owned();
    for (name, value) in parameters {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let comma = if text.contains('=') { "," } else { "" };
        let parameter = format!("{comma} {name}={quote}{value}{quote}");
        let is_visible = value.bytes().all(|byte| matches!(byte, 0x20..0x7f));
        if is_visible && text.len() + parameter.len() <= SIZE_LIMIT {
            text.push_str(&parameter);
        }
    }
    HeaderValue::try_from(text).expect("only visible ASCII is added")
}
