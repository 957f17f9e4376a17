//! Walks one request through the core's decisions, in their order.
//!
//! Nothing is decided here; each step either gives the next its input or ends in a refusal.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    Body, Gateway,
    answer::{Refusal, empty, word},
    audit::{Line, REQUEST_ID},
    commit::{self, commit},
    forward::Forward,
    message::{IMPATIENCE, Message, PATIENCE},
    metadata,
    plan::{Plan, edge, plan},
    probe, session,
};
use crate::core::{
    challenge::Discovery,
    envelope::{Envelope, PREFIX},
    mirror,
    preflight::{Era, Target},
    relay::Awaited,
    route::{Endpoint, Route},
    status::Failure,
    verdict::{Verdict, verdict},
};

/// Answers a request, whatever it is: first what is wrong with its bytes, then the page that it comes from, then all else (STA-19).
pub(super) async fn handle(gateway: Arc<Gateway>, request: Request<Incoming>, ambiguous: bool) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let judged = edge(&gateway.config, &gateway.origins, &Route::of(parts.uri.path()), &parts.headers);
    let page = match judged {
        _ if ambiguous => return refuse(gateway, &parts.method, Failure::Ambiguous),
        Err(failure) => return refuse(gateway, &parts.method, failure),
        Ok(page) => page,
    };
    let mut response = match page.preflight(&parts.method, &parts.headers, &gateway.config.keyring.header) {
        Some(headers) => empty(headers),
        None => answer(gateway, parts, body).await,
    };
    page.share(response.headers_mut());
    response
}

async fn answer(gateway: Arc<Gateway>, parts: Parts, body: Incoming) -> Response<Body> {
    match Route::of(parts.uri.path()) {
        Route::Server(endpoint) => serve(gateway, &endpoint, parts.method, parts.headers, body).await,
        Route::ProtectedResource(endpoint) => metadata::protected_resource(&gateway, &endpoint).await,
        Route::AuthorizationServer(endpoint) => metadata::authorization_server(&gateway, &endpoint).await,
        Route::Health => word(StatusCode::OK, "alive\n"),
        Route::Ready if gateway.stopping.is_cancelled() => word(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        Route::Ready => word(StatusCode::OK, "ready\n"),
        Route::Unknown => Refusal::from(Failure::NoSuchPath).response(None, None),
    }
}

/// Refuses a request that nobody has looked into.
fn refuse(gateway: Arc<Gateway>, method: &Method, failure: Failure) -> Response<Body> {
    let mut line = Line::begin(gateway, method);
    finish(&mut line, Err(failure.into()), &Envelope::default())
}

/// Serves one server's endpoint.
async fn serve(gateway: Arc<Gateway>, endpoint: &Endpoint<'_>, method: Method, headers: HeaderMap, body: Incoming) -> Response<Body> {
    let mut line = Line::begin(Arc::clone(&gateway), &method);
    let mut envelope = Envelope::default();
    let answered = walk(&gateway, endpoint, method, headers, body, &mut line, &mut envelope).await;
    finish(&mut line, answered, &envelope)
}

/// The answer with the request's name on it, and the line with what became of it.
fn finish(line: &mut Line, answered: Result<Response<Body>, Refusal>, envelope: &Envelope) -> Response<Body> {
    let mut response = answered.unwrap_or_else(|refusal| {
        line.failure = Some(refusal.failure);
        refusal.response(line.server(), envelope.id.as_deref())
    });
    response.headers_mut().insert(REQUEST_ID, line.id());
    line.status = Some(response.status());
    response
}

/// The way of a request, one decision after the other.
async fn walk(
    gateway: &Arc<Gateway>,
    endpoint: &Endpoint<'_>,
    method: Method,
    headers: HeaderMap,
    body: Incoming,
    line: &mut Line,
    envelope: &mut Envelope,
) -> Result<Response<Body>, Refusal> {
    let config = &gateway.config;
    let plan = plan(config, &gateway.external, endpoint, &method, &headers, &mut line.subject);
    let patience = if plan.is_ok() { PATIENCE } else { IMPATIENCE };
    let admitted = line.subject.caller.is_some();
    // What the fields mirror can stand anywhere in a message.
    let enough = if admitted && Era::July2026.is_named(&headers) { usize::MAX } else { PREFIX };
    let message = match method {
        Method::POST => Message::read(body, config.max_message_bytes, enough, patience).await.map(Some),
        _ => Ok(None),
    };
    if let Ok(Some(message)) = &message {
        *envelope = message.envelope.clone();
        if admitted {
            mirror::check(&headers, &message.prefix).map_err(|_| Failure::HeaderMismatch)?;
        }
    }
    let Plan { caller, server, credential, discovery, targets } = plan?;
    let message = message?;
    let session = session::held(gateway, caller, server, &headers)?;
    let awaited = match (&method, &envelope.id) {
        (&Method::GET, _) => Awaited::Stream,
        (&Method::DELETE, _) => Awaited::End,
        (_, Some(_)) if envelope.method.is_some() => Awaited::Answer,
        _ => Awaited::Acknowledgement,
    };
    preflight(gateway, targets, &discovery, line).await?;

    // The head of the answer to `initialize` names the session, so it is always waited for: a stream opened in its place would have none.
    let opens_session = envelope.method.as_deref() == Some("initialize");
    let streamable = envelope.id.clone().filter(|_| awaited == Awaited::Answer && !opens_session && takes_events(&headers));
    let streamable = streamable.map(|id| commit::Request { id, server: config.server(server).name.clone() });
    let body = message.map_or_else(|| super::answer::whole(String::new()), Message::into_body);
    let forward = Forward { caller, server, method, headers, body, credential, session, awaited, discovery };
    let upstream = Arc::clone(gateway);
    commit(async move { forward.send(&upstream).await }, config.deadlines.commit, streamable).await
}

/// Asks what the upstream makes of the token, and ends the request where that is a refusal.
async fn preflight(gateway: &Arc<Gateway>, targets: Vec<Target>, discovery: &Discovery, line: &mut Line) -> Result<(), Refusal> {
    if targets.is_empty() {
        return Ok(());
    }
    let began = Instant::now();
    let answers = probe::ask(gateway, targets).await?;
    line.probing = began.elapsed();
    line.outcome = answers.first().map(|answered| answered.outcome.to_string());
    let verdict = verdict(answers.iter().map(|answered| (answered.server, answered.outcome)));
    for answered in &answers {
        let name = &gateway.config.server(answered.server).name;
        gateway.metrics.probe(name, answered.outcome, answered.took, verdict == Verdict::Proceed);
    }
    let (failure, server) = match verdict {
        Verdict::Proceed => return Ok(()),
        Verdict::Challenge(server) => (Failure::Unauthorized, server),
        Verdict::Forbid(server) => (Failure::Forbidden, server),
    };
    let challenges = answers.iter().find(|answered| answered.server == server).map_or(&[][..], |answered| &answered.challenges);
    Err(Refusal::challenging(failure, gateway.config.profile, discovery, challenges))
}

/// Whether a client says that it takes an event stream.
fn takes_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|line| line.to_str().is_ok_and(|line| line.to_ascii_lowercase().contains("text/event-stream")))
}
