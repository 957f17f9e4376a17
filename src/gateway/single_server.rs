//! Forwards a request for a single-server endpoint to its server, unchanged.

use std::sync::Arc;

use http::{HeaderMap, Response};

use super::{
    body::{Body, empty_body},
    commit::commit,
    forward::Forward,
    plan::{PlannedUpstream, RequestContext, SingleServerPlan},
    preflight::{Preflight, probe_single_server},
    request_body::RequestBody,
    session::{self, ClientSession},
    state::Gateway,
};
use crate::core::{
    access::ServerId,
    envelope::Envelope,
    exchange::{McpMethod, SESSION_ID, early_stream_id, expected_response},
    refusal::Refusal,
};

/// A request for one server, before it is sent.
pub(super) struct SingleServerRequest {
    gateway: Arc<Gateway>,
    context: RequestContext,
    method: McpMethod,
    headers: HeaderMap,
    body: Option<RequestBody>,
    upstream: PlannedUpstream,
    /// The session that the client names.
    session: Option<ClientSession>,
}

impl SingleServerRequest {
    /// Opens the session that the client names.
    pub(super) fn prepare(
        gateway: &Arc<Gateway>,
        plan: SingleServerPlan,
        headers: HeaderMap,
        body: Option<RequestBody>,
    ) -> Result<Self, Refusal> {
        let SingleServerPlan { caller, method, profile, upstream } = plan;
        let session = session::open_session(gateway, caller, upstream.server, &headers)?;
        Ok(Self {
            gateway: Arc::clone(gateway),
            context: RequestContext { caller, profile },
            method,
            headers,
            body,
            upstream,
            session,
        })
    }

    pub(super) const fn server(&self) -> ServerId {
        self.upstream.server
    }

    /// Probes the server, if the strategy says so.
    pub(super) async fn probe(self) -> Preflight<Self> {
        probe_single_server(&self.gateway, self.context, &self.upstream)
            .await
            .map(|()| self)
    }

    /// Sends the request, and relays the response of the server.
    pub(super) async fn send(self) -> Result<Response<Body>, Refusal> {
        let Self { gateway, context, method, headers, body, upstream, session } = self;
        let envelope = match &body {
            Some(body) => body.envelope.clone(),
            None => Envelope::default(),
        };
        let stream_id = early_stream_id(&envelope, &headers);
        let commit_deadline = gateway.config.deadlines.commit;
        let forward = Forward {
            context,
            upstream,
            method,
            headers,
            body: body.map_or_else(empty_body, RequestBody::into_body),
            session: session.as_ref().map(|session| session.upstream_id.clone()),
            expected: expected_response(method, &envelope),
        };
        let answer = async move {
            let server = forward.upstream.server;
            let mut answer = forward.send(&gateway).await?;
            let sealed = answer.session.and_then(|issued| {
                session::seal_session(&gateway, context.caller, server, session.as_ref(), &issued)
            });
            if let Some(sealed) = sealed {
                answer.response.headers_mut().insert(SESSION_ID, sealed);
            }
            Ok(answer.response)
        };
        commit(answer, commit_deadline, stream_id).await
    }
}
