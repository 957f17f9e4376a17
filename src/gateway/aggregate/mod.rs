//! Serves the requests of aggregate endpoints.
//!
//! A request is prepared (which operation, on which servers), its servers are probed, and then the
//! operation is carried out. What is done and how the answers of several servers are combined is
//! decided in the core.

mod event_stream;
mod operation;
mod reply;
mod translate_response;
mod upstream_client;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde_json::value::RawValue;

use self::{operation::FanOutRequest, upstream_client::UpstreamClient};
use super::{
    body::Body,
    commit::commit,
    plan::{AggregatePlan, PlannedUpstream, RequestContext},
    preflight::{Preflight, UsableUpstreams, probe_several_servers, probe_single_server},
    request_body::RequestBody,
    session,
    state::Gateway,
};
use crate::core::{
    access::ServerId,
    aggregate::{
        answer::unsupported_version,
        operation::{
            ClientSessions, FanOut, FanOutOperation, Operation, SingleServerOperation,
            declared_version, operation,
        },
        upstream_session::UpstreamSessionState,
    },
    envelope::Envelope,
    exchange::early_stream_id,
    protocol_version::ProtocolVersion,
    refusal::Refusal,
    status::JsonAnswer,
};

/// Why an aggregate endpoint carries out no operation for a request.
pub(super) enum NotServed {
    /// The request is refused.
    Refused(Refusal),
    /// The message is answered with a JSON-RPC error.
    Answered(JsonAnswer),
}

impl From<Refusal> for NotServed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A request for an aggregate endpoint, before any server is sent anything.
pub(super) struct AggregateRequest<'r> {
    plan: AggregatePlan<'r>,
    operation: Operation,
    parts: RequestParts,
}

/// The parts of a request that every operation needs.
struct RequestParts {
    gateway: Arc<Gateway>,
    context: RequestContext,
    /// The version that the client declares.
    version: ProtocolVersion,
    headers: Arc<HeaderMap>,
    sessions: ClientSessions,
    /// The id of the request, if a stream may be opened before its answer is known.
    stream_id: Option<Box<RawValue>>,
}

impl<'r> AggregateRequest<'r> {
    /// Opens the client's sessions, and decides what is done for the request.
    pub(super) fn prepare(
        gateway: &Arc<Gateway>,
        plan: AggregatePlan<'r>,
        headers: HeaderMap,
        body: Option<RequestBody>,
    ) -> Result<Self, NotServed> {
        let (envelope, message) = match body {
            Some(body) => (body.envelope, body.prefix),
            None => (Envelope::default(), Bytes::new()),
        };
        let version = declared_version(&headers).map_err(|requested| {
            NotServed::Answered(unsupported_version(envelope.id.as_deref(), requested))
        })?;
        let context = RequestContext { caller: plan.caller(), profile: plan.profile };
        let binding = plan.session_binding();
        let sessions =
            session::open_aggregate_sessions(gateway, context.caller, &binding, &headers)
                .map_err(Refusal::from)?;
        let servers = plan.named_servers(&gateway.config);
        let scope = plan.scope(&gateway.config, &servers);
        let operation = operation(plan.method, &headers, &message, scope, &sessions)
            .map_err(NotServed::Answered)?;
        let parts = RequestParts {
            gateway: Arc::clone(gateway),
            context,
            version,
            stream_id: early_stream_id(&envelope, &headers),
            headers: Arc::new(headers),
            sessions,
        };
        Ok(Self { plan, operation, parts })
    }

    /// The servers that take part in the operation.
    pub(super) fn servers(&self) -> Vec<ServerId> {
        match &self.operation {
            Operation::SingleServer(server, _) => vec![*server],
            Operation::FanOut(fan_out) => fan_out.servers.clone(),
        }
    }

    /// Probes the servers of the operation, if they need to be.
    pub(super) async fn probe(self) -> Preflight<ProbedAggregateRequest> {
        let Self { plan, operation, parts } = self;
        match operation {
            Operation::SingleServer(server, operation) => {
                parts.probe_single_server(&plan, server, operation).await
            }
            Operation::FanOut(fan_out) => parts.probe_fan_out(&plan, fan_out).await,
        }
    }
}

impl RequestParts {
    async fn probe_single_server(
        self,
        plan: &AggregatePlan<'_>,
        server: ServerId,
        operation: SingleServerOperation,
    ) -> Preflight<ProbedAggregateRequest> {
        let config = &self.gateway.config;
        let upstream = match plan.upstream(config, &self.gateway.external, server) {
            Ok(upstream) => upstream,
            Err(refusal) => return Preflight::without_probes(Err(refusal)),
        };
        let preflight = probe_single_server(&self.gateway, self.context, &upstream).await;
        preflight.map(|()| {
            let client = self.client(upstream);
            self.probed(ProbedOperation::SingleServer(client, operation, self.version))
        })
    }

    async fn probe_fan_out(
        self,
        plan: &AggregatePlan<'_>,
        fan_out: FanOut,
    ) -> Preflight<ProbedAggregateRequest> {
        let FanOut { operation, servers, token_check } = fan_out;
        let config = &self.gateway.config;
        let planned = plan.upstreams(config, &self.gateway.external, &servers);
        let is_probed = token_check.needs_probe(config.strategy);
        let preflight =
            probe_several_servers(&self.gateway, self.context, planned, is_probed).await;
        preflight.map(|UsableUpstreams { upstreams, refusals }| {
            let request = FanOutRequest {
                gateway: Arc::clone(&self.gateway),
                context: self.context,
                session_binding: plan.session_binding(),
                server_count: servers.len(),
                clients: upstreams.into_iter().map(|upstream| self.client(upstream)).collect(),
                refusals,
                tools: plan.tools.cloned(),
                version: self.version,
            };
            self.probed(ProbedOperation::FanOut(request, operation))
        })
    }

    fn client(&self, upstream: PlannedUpstream) -> UpstreamClient {
        let name = self.gateway.server_name(upstream.server);
        let session = UpstreamSessionState::of_client(&self.sessions, name);
        let (gateway, headers) = (Arc::clone(&self.gateway), Arc::clone(&self.headers));
        UpstreamClient::new(gateway, self.context, upstream, headers, session)
    }

    fn probed(&self, operation: ProbedOperation) -> ProbedAggregateRequest {
        ProbedAggregateRequest {
            gateway: Arc::clone(&self.gateway),
            operation,
            stream_id: self.stream_id.clone(),
        }
    }
}

/// A request whose servers have been probed.
pub(super) struct ProbedAggregateRequest {
    gateway: Arc<Gateway>,
    operation: ProbedOperation,
    stream_id: Option<Box<RawValue>>,
}

enum ProbedOperation {
    /// The version is the client's.
    SingleServer(UpstreamClient, SingleServerOperation, ProtocolVersion),
    FanOut(FanOutRequest, FanOutOperation),
}

impl ProbedAggregateRequest {
    /// Carries out the operation.
    pub(super) async fn send(self) -> Result<Response<Body>, Refusal> {
        let deadline = self.gateway.config.deadlines.commit;
        let answer = async move {
            match self.operation {
                ProbedOperation::SingleServer(client, operation, version) => {
                    operation::run_on_single_server(client, operation, version).await
                }
                ProbedOperation::FanOut(request, operation) => request.run(operation).await,
            }
        };
        commit(answer, deadline, self.stream_id).await
    }
}
