//! The state that all hosts of the mock upstreams share.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::Instant;

use super::{
    assigned_behaviour::Assignments, healthy_phase::HealthyPhases, record::Record,
    synchronisation::Synchronisation,
};
use crate::cases::deployment::Deployment;

/// The shared state of the mock upstreams.
#[derive(Debug)]
pub(super) struct State {
    pub(super) deployment: Deployment,
    pub(super) record: Record,
    pub(super) assignments: Assignments,
    pub(super) healthy_phases: HealthyPhases,
    pub(super) synchronisation: Synchronisation,
    /// The origin that redirects to another origin point at.
    pub(super) elsewhere: String,
    started: Instant,
    next_connection: AtomicU64,
    rng: Mutex<fastrand::Rng>,
}

impl State {
    pub(super) fn new(deployment: Deployment, elsewhere: String, rng: fastrand::Rng) -> Self {
        let servers = deployment.servers.iter().map(|server| server.name.as_str());
        Self {
            assignments: Assignments::new(servers),
            healthy_phases: HealthyPhases::default(),
            deployment,
            record: Record::default(),
            synchronisation: Synchronisation::default(),
            elsewhere,
            started: Instant::now(),
            next_connection: AtomicU64::new(1),
            rng: Mutex::new(rng),
        }
    }

    /// The number of a new connection.
    pub(super) fn new_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// The id of a new session.
    pub(super) fn new_session(&self) -> String {
        random_secret("", &mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The time since the start of the mock upstreams, in milliseconds.
    pub(super) fn elapsed_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }
}

/// A secret: a prefix and 32 random letters and digits.
pub(super) fn random_secret(prefix: &str, rng: &mut fastrand::Rng) -> String {
    let tail: String = (0..32).map(|_| rng.alphanumeric()).collect();
    format!("{prefix}{tail}")
}
