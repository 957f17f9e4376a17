//! Probes whether a server accepts a token, with a request of the gateway's own whose session is
//! ended at once.

use std::{sync::Arc, time::Duration};

use http::{
    Method, Response,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::{
    deadlines::{PROBE_DEADLINE, REQUEST_DEADLINE, SESSION_END_DEADLINE},
    gateway::Gateway,
    probe_result::{ProbeOutcome, ProbeResult},
    protocol::SESSION,
    upstream_request::{UpstreamError, own_request},
};
use crate::cases::deployment::ConfiguredServer;

/// The size limit of the body of a refusal, in bytes, where the body is read at all.
const REFUSAL_LIMIT: usize = 16 * 1024 * 1024;

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
    pub(super) async fn end_session(
        self: Arc<Self>,
        url: String,
        token: HeaderValue,
        session: HeaderValue,
    ) {
        let mut request = own_request(&url, Method::DELETE, &token, None);
        request.headers_mut().insert(SESSION, session);
        if !self.decisions.ends_session_with_token() {
            request.headers_mut().remove(AUTHORIZATION);
        }
        let _ = self.send(request, SESSION_END_DEADLINE).await;
    }
}
