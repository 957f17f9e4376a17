//! Sends messages to one server of an aggregate endpoint, in the protocol version of the server.
//!
//! A session-based server is sent a message in the session that the client has opened, or in a
//! session that is opened for this request and ended after it. A stateless server is sent the
//! message alone.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response};
use serde_json::{Value, value::RawValue};

use super::{
    super::{
        body::{Body, full_body, guarded_body},
        forward::{Forward, ForwardedResponse},
        plan::{PlannedUpstream, RequestContext},
        state::Gateway,
    },
    reply::read_reply,
};
use crate::core::{
    access::ServerId,
    aggregate::{
        reply::Reply,
        upstream_message::{
            ClientDescription, expected_response, initialized, message_fields, opening,
            stream_fields,
        },
        upstream_session::{UpstreamSessionState, is_already_ended},
    },
    envelope::Message,
    exchange::McpMethod,
    protocol_version::ProtocolVersion,
    refusal::Refusal,
    relay::ExpectedResponse,
    status::Failure,
    translate::message_for_server,
};

/// The client of one server for one request.
#[derive(Clone)]
pub(super) struct UpstreamClient {
    gateway: Arc<Gateway>,
    context: RequestContext,
    upstream: PlannedUpstream,
    /// The header fields of the gateway's client.
    client_headers: Arc<HeaderMap>,
    session: UpstreamSessionState,
}

/// A server that has been opened.
pub(super) struct OpenedServer {
    /// The session id, if the server keeps a session.
    pub(super) session: Option<HeaderValue>,
    /// The result of `initialize` or `server/discover`.
    pub(super) result: Value,
}

impl UpstreamClient {
    pub(super) const fn new(
        gateway: Arc<Gateway>,
        context: RequestContext,
        upstream: PlannedUpstream,
        client_headers: Arc<HeaderMap>,
        session: UpstreamSessionState,
    ) -> Self {
        Self { gateway, context, upstream, client_headers, session }
    }

    pub(super) const fn server(&self) -> ServerId {
        self.upstream.server
    }

    pub(super) fn name(&self) -> &str {
        self.gateway.server_name(self.upstream.server)
    }

    /// The protocol version of the server.
    pub(super) fn version(&self) -> ProtocolVersion {
        self.gateway.config.server(self.upstream.server).protocol_version
    }

    /// Opens the server for a client with this description.
    pub(super) async fn open(
        &self,
        description: &ClientDescription,
    ) -> Result<OpenedServer, Refusal> {
        let opening = opening(self.version(), description);
        let ForwardedResponse { response, session } = self.send(&opening).await?;
        let result = match self.read_reply(response, opening.id()).await {
            Ok(reply) => reply.opening_result(),
            Err(failure) => Err(failure),
        };
        let result = result.map_err(|failure| Refusal::from(failure).about(self.name()))?;
        Ok(OpenedServer { session, result })
    }

    /// Sends a message. If the server needs a session and the client has opened none, a session is
    /// opened for this message.
    pub(super) async fn send_in_session(
        mut self,
        message: &Message,
    ) -> Result<Response<Body>, Refusal> {
        if !self.session.must_be_opened(self.version()) {
            return Ok(self.send(message).await?.response);
        }
        let opened = self.open(&ClientDescription::default()).await?;
        self.session = UpstreamSessionState::OpenedForRequest(opened.session);
        let guard = SessionGuard(self.clone());
        self.send(&initialized()).await?;
        let response = self.send(message).await?.response;
        Ok(response.map(|body| guarded_body(body, guard)))
    }

    /// Sends a message in the current session, and waits for the response head.
    async fn send(&self, message: &Message) -> Result<ForwardedResponse, Refusal> {
        let version = self.version();
        let message = message_for_server(message, version);
        let headers = message_fields(&self.client_headers, version, Some(&message));
        let expected = expected_response(&message);
        let answer = self
            .forward(McpMethod::Post, headers, message.to_string(), expected)
            .send(&self.gateway)
            .await?;
        if self.session.is_lost(answer.response.status()) {
            Err(Failure::UnknownSession.into())
        } else {
            Ok(answer)
        }
    }

    /// Reads the reply to the request with this id, within the deadline of a request.
    pub(super) async fn read_reply(
        &self,
        response: Response<Body>,
        id: Option<&RawValue>,
    ) -> Result<Reply, Failure> {
        read_reply(response, id, self.gateway.config.deadlines.request).await
    }

    /// Ends the session with the server. A session that the server does not know or does not end
    /// counts as ended.
    pub(super) async fn end_session(&self) -> Result<(), Refusal> {
        let headers = message_fields(&self.client_headers, self.version(), None);
        let ended = self
            .forward(McpMethod::Delete, headers, String::new(), ExpectedResponse::SessionEnd)
            .send(&self.gateway)
            .await;
        match ended {
            Err(refusal) if !is_already_ended(refusal.failure) => Err(refusal),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Ends a session in the background.
    pub(super) fn end_in_background(self, session: Option<HeaderValue>) {
        let session = UpstreamSessionState::OpenedForRequest(session);
        drop(SessionGuard(Self { session, ..self }));
    }

    /// Opens the event stream of the server.
    pub(super) async fn listen(
        &self,
        last_event: Option<HeaderValue>,
    ) -> Result<Response<Body>, Refusal> {
        let headers = stream_fields(&self.client_headers, self.version(), last_event);
        let answer = self
            .forward(McpMethod::Get, headers, String::new(), ExpectedResponse::EventStream)
            .send(&self.gateway)
            .await?;
        Ok(answer.response)
    }

    fn forward(
        &self,
        method: McpMethod,
        headers: HeaderMap,
        body: String,
        expected: ExpectedResponse,
    ) -> Forward {
        Forward {
            context: self.context,
            upstream: self.upstream.clone(),
            method,
            headers,
            body: full_body(body),
            session: self.session.field_value(self.version()),
            expected,
        }
    }
}

/// Ends the session of a client when it is dropped. The result is not used, because the request has
/// been answered.
struct SessionGuard(UpstreamClient);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let client = self.0.clone();
        if client.session.id().is_some() {
            let background = client.gateway.background.clone();
            background.spawn(async move { drop(client.end_session().await) });
        }
    }
}
