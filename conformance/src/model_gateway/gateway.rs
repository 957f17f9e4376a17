//! Holds the state of a model gateway, which all requests share.

use std::{collections::HashMap, sync::PoisonError};

use http::{HeaderMap, HeaderValue};
use tokio::{sync::Mutex, time::Instant};

use super::{
    aggregate_session::AggregateSession,
    caller::GatewayKey,
    client_request::ClientRequest,
    decisions::Decisions,
    http_client::{HttpClient, http_client},
    layout::Layout,
    observability::Observability,
    probe_result::ProbeMemory,
    protocol::SESSION,
};
use crate::{cases::deployment::Deployment, catalogue::Profile};

/// The state of one model gateway.
pub(super) struct Gateway {
    pub(super) decisions: Decisions,
    pub(super) layout: &'static Layout,
    pub(super) profile: Profile,
    pub(super) deployment: Deployment,
    /// Scheme, host and port under which clients reach the gateway.
    pub(super) base_url: String,
    pub(super) http: HttpClient,
    /// The tokens from the token endpoint and their expiry, by server. The lock is held while a
    /// token is fetched, so that it is fetched once.
    pub(super) client_credentials: Mutex<HashMap<String, (HeaderValue, Instant)>>,
    /// The key that opened each session, by session id.
    sessions: std::sync::Mutex<HashMap<HeaderValue, GatewayKey>>,
    /// The sessions of aggregate endpoints, by the session ids that clients were given.
    pub(super) aggregate_sessions: std::sync::Mutex<HashMap<HeaderValue, AggregateSession>>,
    /// What deviations remember of earlier probes.
    pub(super) probe_memory: ProbeMemory,
    pub(super) observability: Observability,
}

impl Gateway {
    pub(super) fn new(
        decisions: Decisions,
        profile: Profile,
        deployment: Deployment,
        base_url: String,
    ) -> Self {
        Self {
            layout: decisions.layout(),
            profile,
            deployment,
            base_url,
            http: http_client(&decisions),
            client_credentials: Mutex::default(),
            sessions: std::sync::Mutex::default(),
            aggregate_sessions: std::sync::Mutex::default(),
            probe_memory: ProbeMemory::default(),
            observability: Observability::default(),
            decisions,
        }
    }

    /// Whether the session that the request names, if any, was opened with this key (SEC-08).
    ///
    /// An unknown session may be one of the upstream's, unless the gateway requires its own.
    pub(super) fn may_use_session(&self, request: &ClientRequest, key: GatewayKey) -> bool {
        let Some(session) = request.headers.get(SESSION) else { return true };
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        match sessions.get(session) {
            Some(owner) => *owner == key || !self.decisions.checks_session_owner(),
            None => request.is_stateless() || !self.decisions.requires_session(),
        }
    }

    /// Whether the request needs a session and names none.
    pub(super) fn lacks_session(&self, request: &ClientRequest) -> bool {
        !request.is_stateless()
            && request.rpc_method.as_deref() != Some("initialize")
            && !request.headers.contains_key(SESSION)
            && self.decisions.requires_session()
    }

    /// Forgets the owner of a session, which has ended.
    pub(super) fn unbind_session(&self, session: &HeaderValue) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }

    /// Binds the session that a response opens to the caller's key.
    pub(super) fn bind_session(&self, response: &HeaderMap, key: GatewayKey) {
        if let Some(session) = response.get(SESSION) {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.insert(session.clone(), key);
        }
    }
}
