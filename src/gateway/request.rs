//! Handles one request: calls the decisions of the core in their order (STA-19).
//!
//! Each step returns the input of the next one, or the refusal that ends the request.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, request::Parts};
use hyper::body::Incoming;

use super::{
    aggregate::{AggregateRequest, NotServed},
    audit::{AuditRecord, REQUEST_ID},
    body::Body,
    metadata,
    plan::{Plan, Planned, check_page_access, plan},
    request_body::{BODY_TIMEOUT, REFUSED_BODY_TIMEOUT, RequestBody},
    response::{cors_preflight_response, json_response, refusal_response, text_response},
    single_server::SingleServerRequest,
    state::Gateway,
};
use crate::core::{
    answer_status::TextAnswer,
    envelope::Envelope,
    exchange::{McpMethod, bytes_to_read},
    mirror,
    refusal::Refusal,
    route::{Endpoint, Route},
    status::Failure,
};

/// Answers a request: first its framing is checked, then the web page that sends it, then
/// everything else (STA-19).
pub(super) async fn handle(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    is_framing_ambiguous: bool,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if is_framing_ambiguous {
        return refuse(gateway, &parts.method, Failure::AmbiguousFraming);
    }
    let route = Route::parse(parts.uri.path());
    let access = match check_page_access(&gateway.config, &gateway.origins, &route, &parts.headers)
    {
        Ok(access) => access,
        Err(failure) => return refuse(gateway, &parts.method, failure),
    };
    let key_header = &gateway.config.keyring.header;
    let mut response = match access.cors_preflight(&parts.method, &parts.headers, key_header) {
        Some(headers) => cors_preflight_response(headers),
        None => serve_route(gateway, parts, body).await,
    };
    access.add_response_fields(response.headers_mut());
    response
}

async fn serve_route(gateway: Arc<Gateway>, parts: Parts, body: Incoming) -> Response<Body> {
    match Route::parse(parts.uri.path()) {
        Route::Mcp(endpoint) => {
            serve_mcp(gateway, endpoint, parts.method, parts.headers, body).await
        }
        Route::ProtectedResourceMetadata(endpoint) => {
            metadata::protected_resource(&gateway, endpoint, parts.uri.query()).await
        }
        Route::AuthorizationServerMetadata(endpoint) => {
            metadata::authorization_server(&gateway, &endpoint).await
        }
        Route::Liveness => text_response(TextAnswer::Alive),
        Route::Readiness if gateway.stopping.is_cancelled() => text_response(TextAnswer::Stopping),
        Route::Readiness => text_response(TextAnswer::Ready),
        Route::Unknown => refusal_response(&Failure::UnknownPath.into(), None),
    }
}

/// Refuses a request whose body has not been read.
fn refuse(gateway: Arc<Gateway>, method: &Method, failure: Failure) -> Response<Body> {
    let record = AuditRecord::start(gateway, method);
    finish(record, Err(failure.into()), &Envelope::default())
}

/// Serves a request to an MCP endpoint.
async fn serve_mcp(
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
    let envelope = match &body {
        Ok(Some(body)) => body.envelope.clone(),
        Ok(None) | Err(_) => Envelope::default(),
    };
    let answered = match check_body(planned, &headers, body) {
        Ok((plan, body)) => respond(&gateway, plan, headers, body, &mut record).await,
        Err(refusal) => Err(refusal),
    };
    finish(record, answered, &envelope)
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
/// could be read.
fn check_body<'r>(
    planned: Planned<'r>,
    headers: &HeaderMap,
    body: Result<Option<RequestBody>, Failure>,
) -> Result<(Plan<'r>, Option<RequestBody>), Refusal> {
    let is_admitted = planned.subject.caller.is_some();
    if let (true, Ok(Some(body))) = (is_admitted, &body) {
        mirror::check_mirrored_fields(headers, &body.prefix)
            .map_err(|_| Failure::HeaderMismatch)?;
    }
    Ok((planned.plan?, body?))
}

/// Serves a planned request. The record is filled as the request proceeds, because the client can
/// disconnect at any time.
async fn respond(
    gateway: &Arc<Gateway>,
    plan: Plan<'_>,
    headers: HeaderMap,
    body: Option<RequestBody>,
    record: &mut AuditRecord,
) -> Result<Response<Body>, Refusal> {
    match plan {
        Plan::SingleServer(plan) => {
            let request = SingleServerRequest::prepare(gateway, plan, headers, body)?;
            let preflight = request.probe().await;
            record.add_probes(preflight.report);
            preflight.result?;
            request.send().await
        }
        Plan::Aggregate(plan) => {
            let request = match AggregateRequest::prepare(gateway, plan, headers, body) {
                Ok(request) => request,
                Err(NotServed::Refused(refusal)) => return Err(refusal),
                Err(NotServed::Answered(answer)) => return Ok(json_response(answer)),
            };
            record.subject.servers = request.servers();
            let preflight = request.probe().await;
            record.add_probes(preflight.report);
            preflight.result?.send().await
        }
    }
}

/// Builds the response, adds the request id, and completes the record.
fn finish(
    mut record: AuditRecord,
    answered: Result<Response<Body>, Refusal>,
    envelope: &Envelope,
) -> Response<Body> {
    let mut response = answered.unwrap_or_else(|refusal| {
        record.failure = Some(refusal.failure);
        refusal_response(&refusal, envelope.id.as_deref())
    });
    response.headers_mut().insert(REQUEST_ID, record.request_id());
    record.status = Some(response.status());
    response
}
