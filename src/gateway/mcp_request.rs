//! Serves a request to an MCP endpoint: calls the decisions of the core in their order (STA-19).
//!
//! Each step returns the input of the next one, or the refusal that ends the request.

use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;

use super::{
    aggregate::{AggregateRequest, NotServed, ProbedAggregateRequest},
    audit::AuditRecord,
    body::Body,
    plan::{Plan, Planned, plan},
    preflight::Preflight,
    request_body::{BODY_TIMEOUT, REFUSED_BODY_TIMEOUT, RequestBody},
    response::json_response,
    single_server::SingleServerRequest,
    state::Gateway,
};
use crate::core::{
    access::ServerId,
    exchange::{McpMethod, bytes_to_read},
    mirror,
    refusal::Refusal,
    route::Endpoint,
    status::Failure,
};

/// Serves a request to an MCP endpoint.
///
/// The audit record is filled step by step, because the client can disconnect at any time.
pub(super) async fn serve(
    gateway: Arc<Gateway>,
    endpoint: Endpoint<'_>,
    method: Method,
    headers: HeaderMap,
    body: Incoming,
) -> Response<Body> {
    let mut record = AuditRecord::start(Arc::clone(&gateway), &method);
    let planned = plan(&gateway.config, &gateway.external, endpoint, &method, &headers);
    record.subject = planned.subject.clone();
    let body = read_body(&gateway, &planned, endpoint, &method, &headers, body).await;
    let id = match &body {
        Ok(Some(body)) => body.envelope.id.clone(),
        Ok(None) | Err(_) => None,
    };
    let answered = match prepare(&gateway, planned, headers, body) {
        Ok(request) => {
            record.subject.servers = request.servers();
            let Preflight { report, result } = request.probe().await;
            record.add_probes(report);
            match result {
                Ok(probed) => probed.send().await,
                Err(refusal) => Err(refusal),
            }
        }
        Err(NotServed::Refused(refusal)) => Err(refusal),
        Err(NotServed::Answered(answer)) => Ok(json_response(answer)),
    };
    record.finish(answered, id.as_deref())
}

/// Reads the body of a POST request, or enough of it to find the id. Other methods have no message.
async fn read_body(
    gateway: &Gateway,
    planned: &Planned<'_>,
    endpoint: Endpoint<'_>,
    method: &Method,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Option<RequestBody>, Failure> {
    if McpMethod::parse(method) != Some(McpMethod::Post) {
        return Ok(None);
    }
    let is_admitted = planned.subject.caller.is_some();
    let needed = bytes_to_read(is_admitted, headers, &endpoint);
    let timeout = if planned.plan.is_ok() { BODY_TIMEOUT } else { REFUSED_BODY_TIMEOUT };
    RequestBody::read(body, gateway.config.max_message_bytes, needed, timeout)
        .await
        .map(Some)
}

/// Checks that body and header fields agree, then that the request was planned, then that its body
/// could be read; and opens the client's sessions.
fn prepare<'r>(
    gateway: &Arc<Gateway>,
    planned: Planned<'r>,
    headers: HeaderMap,
    body: Result<Option<RequestBody>, Failure>,
) -> Result<McpRequest<'r>, NotServed> {
    let is_admitted = planned.subject.caller.is_some();
    if let (true, Ok(Some(body))) = (is_admitted, &body) {
        mirror::check_mirrored_fields(&headers, &body.prefix)
            .map_err(|_| Refusal::from(Failure::HeaderMismatch))?;
    }
    let plan = planned.plan?;
    let body = body.map_err(Refusal::from)?;
    Ok(match plan {
        Plan::SingleServer(plan) => {
            McpRequest::SingleServer(SingleServerRequest::prepare(gateway, plan, headers, body)?)
        }
        Plan::Aggregate(plan) => {
            McpRequest::Aggregate(AggregateRequest::prepare(gateway, plan, headers, body)?)
        }
    })
}

/// A request before any server is sent anything.
enum McpRequest<'r> {
    SingleServer(SingleServerRequest),
    Aggregate(AggregateRequest<'r>),
}

/// A request whose servers have been probed, if they need to be.
enum ProbedRequest {
    SingleServer(SingleServerRequest),
    Aggregate(ProbedAggregateRequest),
}

impl McpRequest<'_> {
    /// The servers that the request is for.
    fn servers(&self) -> Vec<ServerId> {
        match self {
            Self::SingleServer(request) => vec![request.server()],
            Self::Aggregate(request) => request.servers(),
        }
    }

    async fn probe(self) -> Preflight<ProbedRequest> {
        match self {
            Self::SingleServer(request) => request.probe().await.map(ProbedRequest::SingleServer),
            Self::Aggregate(request) => request.probe().await.map(ProbedRequest::Aggregate),
        }
    }
}

impl ProbedRequest {
    async fn send(self) -> Result<Response<Body>, Refusal> {
        match self {
            Self::SingleServer(request) => request.send().await,
            Self::Aggregate(request) => request.send().await,
        }
    }
}
