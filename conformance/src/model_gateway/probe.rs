//! Probes whether a server accepts a token, with a request of the gateway's own whose session is
//! ended at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{
    PROBE_DEADLINE, REQUEST_DEADLINE, SESSION_END_DEADLINE,
    gateway::Gateway,
    stateless,
    upstream_client::{
        PROTOCOL_VERSION, SESSION, SESSION_BASED_VERSION, UpstreamError, own_request,
    },
};
use crate::{cases::deployment::ConfiguredServer, catalogue::ProtocolVersion};

/// The size limit of the body of a refusal, in bytes, where the body is read at all.
const REFUSAL_LIMIT: usize = 16 * 1024 * 1024;

/// The result of a probe.
#[derive(Clone, Debug, Default)]
pub(super) struct ProbeResult {
    pub(super) outcome: ProbeOutcome,
    /// The fields of the response: its challenges, and the session that the probe opened.
    pub(super) head: HeaderMap,
}

/// What a probe says about the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ProbeOutcome {
    /// The server refuses the token with 401.
    Unauthorized,
    /// The server refuses the token's owner with 403.
    Forbidden,
    /// The server accepts the token, or the probe is inconclusive: the request is forwarded.
    #[default]
    Proceed,
    /// There was no response in time: inconclusive.
    TimedOut,
}

/// What the status of a probe's response means.
pub(super) fn outcome_of(status: StatusCode) -> ProbeOutcome {
    match status {
        StatusCode::UNAUTHORIZED => ProbeOutcome::Unauthorized,
        StatusCode::FORBIDDEN => ProbeOutcome::Forbidden,
        _ => ProbeOutcome::Proceed,
    }
}

/// A server and a token.
type ProbeTarget = (String, HeaderValue);

/// What deviations remember of earlier probes.
#[derive(Default)]
pub(super) struct ProbeMemory {
    accepted: std::sync::Mutex<HashMap<ProbeTarget, Instant>>,
    rejected: std::sync::Mutex<HashSet<ProbeTarget>>,
    /// A lock for the probes of each token.
    queues: std::sync::Mutex<HashMap<HeaderValue, Arc<Mutex<()>>>>,
}

impl ProbeMemory {
    fn was_accepted(&self, target: &ProbeTarget, lifetime: Duration) -> bool {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.get(target).is_some_and(|since| since.elapsed() < lifetime)
    }

    fn was_rejected(&self, target: &ProbeTarget) -> bool {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).contains(target)
    }

    fn remember_acceptance(&self, target: ProbeTarget) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(target, Instant::now());
    }

    fn remember_rejection(&self, target: ProbeTarget) {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
    }

    fn queue(&self, token: &HeaderValue) -> Arc<Mutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(token.clone()).or_default())
    }
}

impl Gateway {
    /// Probes whether a server accepts a token.
    pub(super) async fn probe(
        self: &Arc<Self>,
        server: &ConfiguredServer,
        token: &HeaderValue,
    ) -> ProbeResult {
        let target = (server.name.clone(), token.clone());
        if !self.decisions.probes_tokens() {
            return ProbeResult::default();
        }
        if let Some(lifetime) = self.decisions.acceptance_lifetime()
            && self.probe_memory.was_accepted(&target, lifetime)
        {
            return ProbeResult::default();
        }
        let queue = self.decisions.serializes_probes().then(|| self.probe_memory.queue(token));
        let _turn = match &queue {
            Some(queue) => Some(queue.lock().await),
            None => None,
        };
        if self.probe_memory.was_rejected(&target) {
            return ProbeResult { outcome: ProbeOutcome::Unauthorized, head: HeaderMap::new() };
        }
        let mut response = match self.send_probe(server, token).await {
            Ok(response) => response,
            Err(UpstreamError::TimedOut) => {
                return ProbeResult { outcome: ProbeOutcome::TimedOut, head: HeaderMap::new() };
            }
            Err(UpstreamError::Unreachable) => return ProbeResult::default(),
        };
        let outcome = self.decisions.probe_outcome()(response.status());
        if response.status().is_success() && self.decisions.acceptance_lifetime().is_some() {
            self.probe_memory.remember_acceptance(target);
        } else if outcome == ProbeOutcome::Unauthorized && self.decisions.remembers_rejection() {
            self.probe_memory.remember_rejection(target);
        }
        if outcome != ProbeOutcome::Proceed && !self.refusal_counts(&mut response).await {
            return ProbeResult::default();
        }
        if let Some(session) = response.headers().get(SESSION)
            && self.decisions.ends_probe_session()
        {
            let end =
                Arc::clone(self).end_session(server.url.clone(), token.clone(), session.clone());
            if self.decisions.waits_for_session_end() {
                end.await;
            } else {
                tokio::spawn(end);
            }
        }
        let (head, body) = response.into_parts();
        if outcome == ProbeOutcome::Proceed && self.decisions.reads_probe_body() {
            tokio::spawn(timeout(Duration::from_secs(60), body.collect()));
        }
        ProbeResult { outcome, head: head.headers }
    }

    /// Sends a probe and records it.
    async fn send_probe(
        &self,
        server: &ConfiguredServer,
        token: &HeaderValue,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let since = Instant::now();
        let request = || self.decisions.probe_request()(server, token);
        let mut response = self.send(request(), PROBE_DEADLINE).await;
        if matches!(response, Err(UpstreamError::Unreachable))
            && self.decisions.retries_failed_probe()
        {
            response = self.send(request(), PROBE_DEADLINE).await;
        }
        let inconclusive = match &response {
            Err(UpstreamError::TimedOut) => Some("too-slow"),
            Err(UpstreamError::Unreachable) => Some("unreachable"),
            Ok(response) if response.status().is_server_error() => Some("5xx"),
            Ok(_) => None,
        };
        if let Ok(response) = &response {
            self.count_upstream_response(server, response.status());
        }
        self.record_probe(server, since.elapsed(), inconclusive);
        response
    }

    /// Whether a refusal counts: its head is sufficient (PRB-14).
    pub(super) async fn refusal_counts(&self, refusal: &mut Response<Incoming>) -> bool {
        if !self.decisions.waits_for_refusal_body() {
            return true;
        }
        let body = Limited::new(refusal.body_mut(), REFUSAL_LIMIT).collect();
        timeout(REQUEST_DEADLINE, body).await.is_ok_and(|body| body.is_ok())
    }

    /// Ends the session of a probe with the same token, and ignores the response (PRB-08).
    async fn end_session(self: Arc<Self>, url: String, token: HeaderValue, session: HeaderValue) {
        let mut request = own_request(&url, Method::DELETE, &token, None);
        request.headers_mut().insert(SESSION, session);
        let _ = self.send(request, SESSION_END_DEADLINE).await;
    }
}

/// The probe of a server: the first request of its protocol version.
pub(super) fn probe_request(
    server: &ConfiguredServer,
    token: &HeaderValue,
) -> Request<Full<Bytes>> {
    if is_stateless(server) {
        discover_request(
            server,
            token,
            &json!({
                "io.modelcontextprotocol/protocolVersion": stateless::VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
            }),
        )
    } else {
        initialize_request(server, token, "preflight-model")
    }
}

/// Whether the server speaks protocol version 2026-07-28.
pub(super) fn is_stateless(server: &ConfiguredServer) -> bool {
    server.protocol_version == ProtocolVersion::V2026_07_28
}

/// A probe with `initialize`.
pub(super) fn initialize_request(
    server: &ConfiguredServer,
    token: &HeaderValue,
    client_name: &str,
) -> Request<Full<Bytes>> {
    let params = json!({
        "protocolVersion": SESSION_BASED_VERSION,
        "capabilities": {},
        "clientInfo": { "name": client_name, "version": "0.1" },
    });
    post_probe(server, token, "initialize", &params)
}

/// A probe with `server/discover`.
pub(super) fn discover_request(
    server: &ConfiguredServer,
    token: &HeaderValue,
    meta: &Value,
) -> Request<Full<Bytes>> {
    let mut request = post_probe(server, token, "server/discover", &json!({ "_meta": meta }));
    let headers = request.headers_mut();
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(stateless::VERSION));
    headers.insert(
        HeaderName::from_static("mcp-method"),
        HeaderValue::from_static("server/discover"),
    );
    request
}

/// A probe with a JSON-RPC request.
pub(super) fn post_probe(
    server: &ConfiguredServer,
    token: &HeaderValue,
    method: &str,
    params: &Value,
) -> Request<Full<Bytes>> {
    let message = json!({ "jsonrpc": "2.0", "id": "probe", "method": method, "params": params });
    own_request(&server.url, Method::POST, token, Some(message))
}
