//! Holds what a probe says about a request, and what deviations remember of earlier probes.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use http::{
    StatusCode,
    header::{HeaderMap, HeaderValue},
};
use tokio::{sync::Mutex, time::Instant};

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
pub(super) type ProbeTarget = (String, HeaderValue);

/// What deviations remember of earlier probes.
#[derive(Default)]
pub(super) struct ProbeMemory {
    accepted: std::sync::Mutex<HashMap<ProbeTarget, Instant>>,
    rejected: std::sync::Mutex<HashSet<ProbeTarget>>,
    /// A lock for the probes of each token.
    queues: std::sync::Mutex<HashMap<HeaderValue, Arc<Mutex<()>>>>,
}

impl ProbeMemory {
    pub(super) fn was_accepted(&self, target: &ProbeTarget, lifetime: Duration) -> bool {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.get(target).is_some_and(|since| since.elapsed() < lifetime)
    }

    pub(super) fn was_rejected(&self, target: &ProbeTarget) -> bool {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).contains(target)
    }

    pub(super) fn remember_acceptance(&self, target: ProbeTarget) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(target, Instant::now());
    }

    pub(super) fn remember_rejection(&self, target: ProbeTarget) {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).insert(target);
    }

    pub(super) fn queue(&self, token: &HeaderValue) -> Arc<Mutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(token.clone()).or_default())
    }
}
