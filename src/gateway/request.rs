//! Walks one request through the core's decisions, in their order.
//!
//! Nothing is decided here; each step either gives the next its input or ends in a refusal.

use std::{slice, sync::Arc};

use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;

use super::{
    Body, Gateway, aggregate,
    answer::{Refusal, empty, whole, word},
    audit::{Line, REQUEST_ID},
    commit::commit,
    forward::Forward,
    message::{IMPATIENCE, Message, PATIENCE},
    metadata,
    plan::{Plan, edge, plan},
    preflight::preflight,
    session,
};
use crate::core::{
    envelope::{Envelope, MAX_PREFIX_BYTES},
    mirror,
    preflight::Strategy,
    protocol_version::ProtocolVersion,
    relay::ExpectedResponse,
    route::{Endpoint, Route},
    status::Failure,
};

/// A client's request, as far as it was read, and what is known of it.
pub(super) struct Asked<'l> {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// What was sent with POST.
    pub(super) message: Option<Message>,
    pub(super) line: &'l mut Line,
}

/// Answers a request, whatever it is: first what is wrong with its bytes, then the page that it comes from, then all else (STA-19).
pub(super) async fn handle(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    ambiguous: bool,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let judged = edge(
        &gateway.config,
        &gateway.origins,
        &Route::parse(parts.uri.path()),
        &parts.headers,
    );
    let page = match judged {
        _ if ambiguous => return refuse(gateway, &parts.method, Failure::AmbiguousFraming),
        Err(failure) => return refuse(gateway, &parts.method, failure),
        Ok(page) => page,
    };
    let mut response =
        match page.cors_preflight(&parts.method, &parts.headers, &gateway.config.keyring.header) {
            Some(headers) => empty(headers),
            None => answer(gateway, parts, body).await,
        };
    page.add_response_fields(response.headers_mut());
    response
}

async fn answer(gateway: Arc<Gateway>, parts: Parts, body: Incoming) -> Response<Body> {
    match Route::parse(parts.uri.path()) {
        Route::Mcp(place) => serve(gateway, place, parts.method, parts.headers, body).await,
        Route::ProtectedResourceMetadata(place) => {
            metadata::protected_resource(&gateway, &place, parts.uri.query()).await
        }
        Route::AuthorizationServerMetadata(endpoint) => {
            metadata::authorization_server(&gateway, &endpoint).await
        }
        Route::Liveness => word(StatusCode::OK, "alive\n"),
        Route::Readiness if gateway.stopping.is_cancelled() => {
            word(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
        }
        Route::Readiness => word(StatusCode::OK, "ready\n"),
        Route::Unknown => Refusal::from(Failure::UnknownPath).response(None),
    }
}

/// Refuses a request that nobody has looked into.
fn refuse(gateway: Arc<Gateway>, method: &Method, failure: Failure) -> Response<Body> {
    let mut line = Line::begin(gateway, method);
    finish(&mut line, Err(failure.into()), &Envelope::default())
}

/// Serves an MCP endpoint.
async fn serve(
    gateway: Arc<Gateway>,
    place: Endpoint<'_>,
    method: Method,
    headers: HeaderMap,
    body: Incoming,
) -> Response<Body> {
    let mut line = Line::begin(Arc::clone(&gateway), &method);
    let mut envelope = Envelope::default();
    let answered = walk(&gateway, place, method, headers, body, &mut line, &mut envelope).await;
    finish(&mut line, answered, &envelope)
}

/// The answer with the request's name on it, and the line with what became of it.
fn finish(
    line: &mut Line,
    answered: Result<Response<Body>, Refusal>,
    envelope: &Envelope,
) -> Response<Body> {
    let mut response = answered.unwrap_or_else(|refusal| {
        line.failure = Some(refusal.failure);
        refusal.response(envelope.id.as_deref())
    });
    response.headers_mut().insert(REQUEST_ID, line.id());
    line.status = Some(response.status());
    response
}

/// The way of a request, one decision after the other, to the point where the ways of one server and of several part.
async fn walk(
    gateway: &Arc<Gateway>,
    place: Endpoint<'_>,
    method: Method,
    headers: HeaderMap,
    body: Incoming,
    line: &mut Line,
    envelope: &mut Envelope,
) -> Result<Response<Body>, Refusal> {
    let config = &gateway.config;
    let plan = plan(config, &gateway.external, place, &method, &headers, &mut line.subject);
    let patience = if plan.is_ok() { PATIENCE } else { IMPATIENCE };
    let admitted = line.subject.caller.is_some();
    // What the fields mirror can stand anywhere in a message, and whose it is, too.
    let mirrored = ProtocolVersion::V2026_07_28.is_declared_in(&headers)
        || matches!(place, Endpoint::Aggregate(_));
    let enough = if admitted && mirrored { usize::MAX } else { MAX_PREFIX_BYTES };
    let message = match method {
        Method::POST => {
            Message::read(body, config.max_message_bytes, enough, patience).await.map(Some)
        }
        _ => Ok(None),
    };
    if let Ok(Some(message)) = &message {
        *envelope = message.envelope.clone();
        if admitted {
            mirror::check_mirrored_fields(&headers, &message.prefix)
                .map_err(|_| Failure::HeaderMismatch)?;
        }
    }
    let plan = plan?;
    let asked = Asked { method, headers, message: message?, line };
    match place {
        Endpoint::SingleServer(_) => one(gateway, plan, asked).await,
        Endpoint::Aggregate(_) => aggregate::serve(gateway, plan, asked).await,
    }
}

/// Hands a request on to its one server, as it is.
async fn one(
    gateway: &Arc<Gateway>,
    plan: Plan<'_>,
    asked: Asked<'_>,
) -> Result<Response<Body>, Refusal> {
    let (config, profile, caller) =
        (&gateway.config, plan.profile(&gateway.config), plan.admitted.caller);
    let Asked { method, headers, message, line } = asked;
    let envelope = message.as_ref().map(|message| message.envelope.clone()).unwrap_or_default();
    let Some(party) = plan.party else {
        return Err(Failure::Internal.into());
    };
    let server = party.server;
    let session = session::held(gateway, caller, server, &headers)?;
    preflight(
        gateway,
        profile,
        caller,
        slice::from_ref(&party),
        config.strategy == Strategy::Probe,
        line,
    )
    .await?;
    let awaited = match (&method, &envelope.id) {
        (&Method::GET, _) => ExpectedResponse::EventStream,
        (&Method::DELETE, _) => ExpectedResponse::SessionEnd,
        (_, Some(_)) if envelope.method.is_some() => ExpectedResponse::Reply,
        _ => ExpectedResponse::Acknowledgement,
    };
    let streamable = streamable(&envelope, &headers).filter(|_| awaited == ExpectedResponse::Reply);
    let forward = Forward {
        caller,
        server,
        method,
        headers,
        body: message.map_or_else(|| whole(String::new()), Message::into_body),
        credential: party.credential.map_err(|_| Failure::Internal)?,
        session: session.as_ref().map(|held| held.id.clone()),
        awaited,
        profile,
        discovery: party.discovery,
    };
    let upstream = Arc::clone(gateway);
    let answer = async move {
        let mut answer = forward.send(&upstream).await?;
        let issued = answer
            .session
            .and_then(|id| session::sealed(&upstream, caller, server, session.as_ref(), &id));
        if let Some(sealed) = issued {
            answer.response.headers_mut().insert(session::SESSION, sealed);
        }
        Ok(answer.response)
    };
    commit(answer, config.deadlines.commit, streamable).await
}

/// The id of a request that may be answered in a stream. The head of the answer to `initialize` names the session, so it is always
/// waited for: a stream opened in its place would have none.
pub(super) fn streamable(
    envelope: &Envelope,
    headers: &HeaderMap,
) -> Option<Box<serde_json::value::RawValue>> {
    let may = envelope.method.as_deref().is_some_and(|method| method != "initialize")
        && takes_events(headers);
    envelope.id.clone().filter(|_| may)
}

/// Whether a client says that it takes an event stream.
fn takes_events(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|line| {
        line.to_str()
            .is_ok_and(|line| line.to_ascii_lowercase().contains("text/event-stream"))
    })
}
