//! What all hosts of one mock upstreams share: the plan, the record, the orders, and where each host is.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::Instant;

use super::{assigned_behaviour::Orders, record::Record, synchronisation::Gates};
use crate::cases::deployment::Deployment;

/// Shared by every connection of a mock upstreams.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) deployment: Deployment,
    pub(super) record: Record,
    pub(super) orders: Orders,
    pub(super) gates: Gates,
    /// The origin that redirects point at.
    pub(super) elsewhere: String,
    started: Instant,
    connections: AtomicU64,
    secrets: Mutex<fastrand::Rng>,
}

impl Site {
    pub(super) fn new(deployment: Deployment, elsewhere: String, secrets: fastrand::Rng) -> Self {
        let orders = Orders::new(deployment.servers.iter().map(|server| server.name.as_str()));
        let (record, gates) = (Record::default(), Gates::default());
        let connections = AtomicU64::new(1);
        Self {
            deployment,
            record,
            orders,
            gates,
            elsewhere,
            started: Instant::now(),
            connections,
            secrets: Mutex::new(secrets),
        }
    }

    pub(super) fn new_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn new_session(&self) -> String {
        random("", &mut self.secrets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn elapsed_ms(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }
}

/// A secret that occurs nowhere else, behind what has to stand in front of it.
pub(super) fn random(prefix: &str, rng: &mut fastrand::Rng) -> String {
    let tail: String = (0..32).map(|_| rng.alphanumeric()).collect();
    format!("{prefix}{tail}")
}
