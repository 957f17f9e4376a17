//! Sends the client's own request to its server, and relays or replaces what comes back.
//!
//! Which fields cross, and what becomes of a response head, is the core's to say.

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::{Body as _, Incoming};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::{
    Body, Gateway, answer::Refusal, probe, relayed::relayed, session::SESSION, upstream::Unanswered,
};
use crate::{
    config::CredentialSource,
    core::{
        access::{CallerId, ServerId},
        challenge::{DiscoveryUrls, Profile},
        credential::Credential,
        fields,
        relay::{self, ExpectedResponse, MediaType, ResponseHead},
        status::Failure,
    },
};

/// A request on its way to one server.
pub(super) struct Forward {
    pub(super) caller: CallerId,
    pub(super) server: ServerId,
    pub(super) method: Method,
    /// The client's fields; what crosses is decided on sending.
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) credential: Credential,
    /// The session, as the upstream knows it.
    pub(super) session: Option<HeaderValue>,
    pub(super) awaited: ExpectedResponse,
    /// How a refusal is worded.
    pub(super) profile: Profile,
    /// Where a challenge leads.
    pub(super) discovery: DiscoveryUrls,
}

/// What came back, and may go to the client.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    /// The session that the upstream names.
    pub(super) session: Option<HeaderValue>,
}

impl Forward {
    /// Sends the request and waits for the upstream's head, then relays it or says why not.
    pub(super) async fn send(self, gateway: &Gateway) -> Result<Answer, Refusal> {
        let name = &gateway.config.server(self.server).name;
        let with_token = self.credential.forwarded().is_some();
        let answer = self.exchange(gateway).await;
        if with_token {
            let outcome = answer.as_ref().map_or_else(
                |refusal| refusal.failure.outcome(),
                |answer| answer.response.status().into(),
            );
            gateway.metrics.answered(name, outcome);
        }
        answer.map_err(|refusal| refusal.about(name))
    }

    async fn exchange(self, gateway: &Gateway) -> Result<Answer, Refusal> {
        let deadlines = gateway.config.deadlines;
        let server = gateway.config.server(self.server);
        let authorization = authorization(gateway, self.server, &self.credential).await?;
        let mut headers = fields::request_fields(&self.headers);
        if let Some(authorization) = &authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = server.url.clone();
        *request.headers_mut() = headers;

        let until = Instant::now() + deadlines.request;
        let response = gateway
            .upstream
            .send(request, deadlines.request)
            .await
            .map_err(|unanswered: Unanswered| Failure::from(unanswered))?;
        match relay::check_head(head(&response), self.awaited, self.credential.owner()) {
            Ok(()) => {
                let stopping = (self.awaited == ExpectedResponse::EventStream)
                    .then(|| gateway.stopping.clone());
                let session = response.headers().get(SESSION).cloned();
                let challenges = probe::challenges(response.headers());
                let mut response =
                    relayed(response, until, stopping).await.map_err(Failure::NoResponse)?;
                // A challenge beside another status may stay where nothing of the upstream's is changed (RFC 9110 §11.6.1).
                for line in challenges.into_iter().filter(|_| self.profile == Profile::Transparent)
                {
                    response.headers_mut().append(header::WWW_AUTHENTICATE, line);
                }
                Ok(Answer { response, session })
            }
            Err(failure) => {
                if let (Failure::GatewayCredentialRefused(_), Some(refused)) =
                    (failure, &authorization)
                {
                    gateway.mints[usize::from(self.server.0)].forget(refused).await;
                }
                if let Credential::Forwarded(token) = &self.credential {
                    gateway.reuse.learn(
                        self.caller,
                        self.server,
                        &token.header_value(),
                        failure.outcome(),
                    );
                }
                let challenges = probe::challenges(response.headers());
                let retry_after = matches!(failure, Failure::UpstreamStatus(_))
                    .then(|| response.headers().get(header::RETRY_AFTER).cloned());
                let refusal =
                    Refusal::challenging(failure, self.profile, &self.discovery, &challenges);
                Err(Refusal { retry_after: retry_after.flatten(), ..refusal })
            }
        }
    }
}

/// The value for `Authorization`, minted if need be; without the credential that a server needs nothing is sent (OPN-16).
async fn authorization(
    gateway: &Gateway,
    server: ServerId,
    credential: &Credential,
) -> Result<Option<HeaderValue>, Failure> {
    match (credential, &gateway.config.server(server).credential) {
        (Credential::Forwarded(token), _) => Ok(Some(token.header_value())),
        (Credential::Static, CredentialSource::Static(bearer)) => {
            let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret()))
                .map_err(|_| Failure::Internal)?;
            value.set_sensitive(true);
            Ok(Some(value))
        }
        (Credential::ClientCredentials, CredentialSource::ClientCredentials(client)) => {
            let mint = &gateway.mints[usize::from(server.0)];
            let bearer =
                mint.bearer(&gateway.upstream, client, gateway.config.deadlines.probe).await;
            bearer.ok_or(Failure::CredentialNotObtained).map(Some)
        }
        (Credential::Missing | Credential::None, _) => Ok(None),
        (Credential::Static | Credential::ClientCredentials, _) => Err(Failure::Internal),
    }
}

fn head(response: &Response<Incoming>) -> ResponseHead {
    ResponseHead {
        status: response.status(),
        media_type: MediaType::from_headers(response.headers()),
        is_empty: response.body().is_end_stream(),
    }
}
