//! Asks upstreams what they make of a token: all at once, under one deadline, leaving nothing behind.
//!
//! Whom to ask and with which message was decided in the core, and so is what the answers mean.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::{task::JoinSet, time::timeout};

use super::{Gateway, answer::whole, upstream::Unanswered};
use crate::core::{
    access::ServerId,
    challenge::{self, Challenge},
    outcome::{Cause, Outcome},
    preflight::{self, Target, USER_AGENT},
    status::Failure,
};

/// How long, and how far, the body of an answer is read so that its connection can be used again; then it is closed (PRB-14, PRB-15).
const DRAIN_PATIENCE: Duration = Duration::from_millis(250);
const DRAIN_LIMIT: usize = 64 * 1024;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// What one upstream answered.
pub(super) struct Answered {
    pub(super) server: ServerId,
    pub(super) outcome: Outcome,
    /// The challenges of a refusal.
    pub(super) challenges: Vec<Challenge>,
}

/// Asks every target concurrently (PRB-01). No later than the deadline each has an outcome. Dropping the future closes the
/// connections of the probes that still run.
pub(super) async fn ask(gateway: &Arc<Gateway>, targets: Vec<Target>) -> Result<Vec<Answered>, Failure> {
    let mut asking = JoinSet::new();
    for target in targets {
        asking.spawn(one(Arc::clone(gateway), target));
    }
    let mut answers = Vec::with_capacity(asking.len());
    while let Some(answered) = asking.join_next().await {
        // A probe that panicked is a defect of the gateway, and not a reason to fail open (OPN-18).
        answers.push(answered.map_err(|_| Failure::Internal)?);
    }
    Ok(answers)
}

async fn one(gateway: Arc<Gateway>, Target { server, authorization }: Target) -> Answered {
    let (headers, body) = preflight::message(gateway.config.server(server).era);
    let request = request(&gateway, server, Method::POST, headers, authorization.clone(), body);
    let (outcome, challenges) = match gateway.upstream.send(request, gateway.config.deadlines.probe).await {
        Ok(response) => {
            let outcome = Outcome::from(response.status());
            let challenges = challenges(response.headers());
            gateway.tasks.spawn(clean_up(Arc::clone(&gateway), server, authorization, response));
            (outcome, challenges)
        }
        Err(Unanswered::Upstream(cause)) => (Outcome::Inconclusive(cause), Vec::new()),
        Err(Unanswered::Client(_)) => (Outcome::Inconclusive(Cause::Broken), Vec::new()),
    };
    Answered { server, outcome, challenges }
}

/// Every challenge of a response, over all its lines.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().flat_map(|line| challenge::parse(line.as_bytes())).collect()
}

/// Ends the session that a probe has opened, after the client has its answer (PRB-08, PRB-09).
async fn clean_up(gateway: Arc<Gateway>, server: ServerId, authorization: HeaderValue, response: Response<Incoming>) {
    let session = response.headers().get(SESSION).cloned();
    drain(response.into_body()).await;
    let Some(session) = session else { return };
    let era = gateway.config.server(server).era;
    let headers = HeaderMap::from_iter([
        (SESSION, session),
        (HeaderName::from_static("mcp-protocol-version"), HeaderValue::from_static(era.as_str())),
        (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
    ]);
    let request = request(&gateway, server, Method::DELETE, headers, authorization, String::new());
    // A server may refuse to end sessions with 405, and nobody waits for this answer.
    if let Ok(response) = gateway.upstream.send(request, gateway.config.deadlines.probe).await {
        drain(response.into_body()).await;
    }
}

async fn drain(body: Incoming) {
    let whole = Limited::new(body, DRAIN_LIMIT).collect();
    // Read to its end, too long or too slow: in each case all that can be done for the connection has been.
    let _connection_reused_or_closed = timeout(DRAIN_PATIENCE, whole).await;
}

fn request(
    gateway: &Gateway,
    server: ServerId,
    method: Method,
    mut headers: HeaderMap,
    authorization: HeaderValue,
    body: String,
) -> Request<super::Body> {
    headers.insert(header::AUTHORIZATION, authorization);
    let mut request = Request::new(whole(body));
    *request.method_mut() = method;
    *request.uri_mut() = gateway.config.server(server).url.clone();
    *request.headers_mut() = headers;
    request
}
