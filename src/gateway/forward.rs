//! Sends a client's request to one server, and relays the response or replaces it by a refusal.
//!
//! Which header fields are forwarded and whether the response is relayed is decided in the core.

use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::{Body as _, Incoming};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{
    body::Body,
    http_client::SendError,
    plan::{PlannedUpstream, RequestContext},
    relay::relay_response,
    state::Gateway,
};
use crate::{
    config::CredentialSource,
    core::{
        access::ServerId,
        challenge,
        credential::Credential,
        exchange::{McpMethod, SESSION_ID},
        fields,
        refusal::Refusal,
        relay::{self, ExpectedResponse, MediaType, ResponseHead},
        status::Failure,
    },
};

/// A request to one server, before it is sent.
pub(super) struct Forward {
    pub(super) context: RequestContext,
    pub(super) upstream: PlannedUpstream,
    pub(super) method: McpMethod,
    /// The header fields of the client; the core selects those that are forwarded.
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// The session id as the server knows it.
    pub(super) session: Option<HeaderValue>,
    pub(super) expected: ExpectedResponse,
}

/// A response that may be sent to the client.
pub(super) struct ForwardedResponse {
    pub(super) response: Response<Body>,
    /// The session id that the server issued.
    pub(super) session: Option<HeaderValue>,
}

impl Forward {
    /// Sends the request and waits for the response head of the server.
    ///
    /// # Errors
    /// The response is not relayed, or there is none.
    pub(super) async fn send(self, gateway: &Gateway) -> Result<ForwardedResponse, Refusal> {
        let name = gateway.server_name(self.upstream.server);
        let has_token = self.upstream.credential.forwarded().is_some();
        let answer = self.exchange(gateway).await;
        if has_token {
            let outcome = match &answer {
                Ok(answer) => answer.response.status().into(),
                Err(refusal) => refusal.failure.outcome(),
            };
            gateway.metrics.count_answer(name, outcome);
        }
        answer.map_err(|refusal| refusal.about(name))
    }

    async fn exchange(self, gateway: &Gateway) -> Result<ForwardedResponse, Refusal> {
        let Self { context, upstream, method, headers, body, session, expected } = self;
        let authorization = authorization(gateway, upstream.server, &upstream.credential).await?;
        let mut headers = fields::request_fields(&headers);
        if let Some(authorization) = &authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(session) = session {
            headers.insert(SESSION_ID, session);
        }
        let mut request = Request::new(body);
        *request.method_mut() = method.into();
        *request.uri_mut() = gateway.config.server(upstream.server).url.clone();
        *request.headers_mut() = headers;

        let deadline = gateway.config.deadlines.request;
        let until = Instant::now() + deadline;
        let response = gateway
            .http
            .send(request, deadline)
            .await
            .map_err(|error: SendError| Failure::from(error))?;
        let head = response_head(&response);
        if let Err(failure) = relay::check_head(head, expected, upstream.credential.owner()) {
            forget_credentials(gateway, context, &upstream, authorization.as_ref(), failure).await;
            let challenges = challenge::field_lines(response.headers());
            let refusal =
                Refusal::by_server(failure, context.profile, &upstream.discovery, &challenges);
            return Err(refusal.with_retry_after(response.headers()));
        }
        let is_stream = expected == ExpectedResponse::EventStream;
        let stopping = is_stream.then(|| gateway.stopping.clone());
        let session = response.headers().get(SESSION_ID).cloned();
        let challenges = challenge::relayed_lines(context.profile, response.headers());
        let mut response =
            relay_response(response, until, stopping).await.map_err(Failure::NoResponse)?;
        for line in challenges {
            response.headers_mut().append(header::WWW_AUTHENTICATE, line);
        }
        Ok(ForwardedResponse { response, session })
    }
}

/// Removes a credential that a server refused from the caches.
async fn forget_credentials(
    gateway: &Gateway,
    context: RequestContext,
    upstream: &PlannedUpstream,
    authorization: Option<&HeaderValue>,
    failure: Failure,
) {
    let server = upstream.server;
    if let (Failure::GatewayCredentialRefused(_), Some(refused)) = (failure, authorization) {
        gateway.tokens(server).forget(refused).await;
    }
    if let Some(token) = upstream.credential.forwarded() {
        gateway
            .accepted_tokens
            .record(context.caller, server, &token, failure.outcome());
    }
}

/// The value of `Authorization` for a server, if the server is sent one.
///
/// # Errors
/// The gateway could not obtain the access token that the server needs; the request is not sent
/// without it (OPN-16).
async fn authorization(
    gateway: &Gateway,
    server: ServerId,
    credential: &Credential,
) -> Result<Option<HeaderValue>, Failure> {
    match &gateway.config.server(server).credential {
        CredentialSource::TokenForwarding(_) => Ok(credential.forwarded()),
        CredentialSource::StaticCredential(bearer) => Ok(Some(bearer_value(bearer))),
        CredentialSource::ClientCredentials(client) => {
            let deadline = gateway.config.deadlines.probe;
            let token = gateway.tokens(server).token(&gateway.http, client, deadline).await;
            token.map(Some).ok_or(Failure::CredentialNotObtained)
        }
        CredentialSource::NoCredential => Ok(None),
    }
}

fn bearer_value(token: &SecretString) -> HeaderValue {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .expect("the configuration accepts only visible ASCII in a secret");
    value.set_sensitive(true);
    value
}

fn response_head(response: &Response<Incoming>) -> ResponseHead {
    ResponseHead {
        status: response.status(),
        media_type: MediaType::from_headers(response.headers()),
        is_empty: response.body().is_end_stream(),
        has_two_lengths: fields::has_two_lengths(response.headers()),
    }
}
