//! Runs the matrix cases of a batch concurrently.
//!
//! Cases with a script all run concurrently. Cases that need a server exclusively run one after
//! another on each server. Most of the time of a case is waiting for responses that are late or
//! never come, so many cases run at once.

use std::sync::Arc;

use indexmap::IndexMap;
use tokio::{sync::Semaphore, task::JoinSet};

use super::driver::{CollectedCase, DrivenCase, Driver, PlannedCase};
use crate::{
    cases::{behaviour::Behaviours, matrix, matrix_case::MatrixCase},
    client::case::Case,
};

/// How the cases of a batch follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pacing {
    /// All cases with a script run concurrently.
    Concurrent,
    /// The cases of each server run one after another, and a healthy call follows each of them.
    ///
    /// Some gateways stop forwarding requests to a server after several failures in a row. A
    /// healthy call between two failures prevents that.
    HealthyCalls,
}

/// How the cases of a part follow one another, and whether that may change.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartPacing {
    pub(super) current: Pacing,
    /// Whether healthy calls have been tried.
    tried: bool,
    /// Whether the gateway did not work again by itself when the suite waited for it.
    pub(super) never_recovers: bool,
}

impl PartPacing {
    /// The pacing at the beginning of a part.
    pub(super) const fn new() -> Self {
        Self {
            current: Pacing::Concurrent,
            tried: false,
            never_recovers: false,
        }
    }

    /// Changes to healthy calls if they have not been tried. Returns whether it changed.
    pub(super) const fn try_healthy_calls(&mut self) -> bool {
        let is_new = !self.tried;
        if is_new {
            self.tried = true;
            self.current = Pacing::HealthyCalls;
        }
        is_new
    }

    /// Changes back, because healthy calls did not prevent damage.
    pub(super) const fn give_up_healthy_calls(&mut self) {
        self.current = Pacing::Concurrent;
    }
}

/// A planned case, its identity, and its index in the batch.
type IndexedCase = (usize, PlannedCase, Case);

/// Drives a batch with this number of concurrent cases. The result has the order of the batch.
pub(super) async fn drive(
    driver: &Arc<Driver>,
    batch: &[PlannedCase],
    jobs: usize,
    pacing: Pacing,
) -> Vec<DrivenCase> {
    let permits = Arc::new(Semaphore::new(jobs.max(1)));
    let mut by_server: IndexMap<&str, Vec<IndexedCase>> = IndexMap::new();
    let mut tasks = JoinSet::new();
    for (index, planned) in batch.iter().enumerate() {
        let indexed = (index, planned.clone(), driver.case_numbers.next_case());
        if planned.exclusive || pacing == Pacing::HealthyCalls {
            by_server.entry(planned.server).or_default().push(indexed);
        } else {
            let (driver, permits) = (Arc::clone(driver), Arc::clone(&permits));
            tasks.spawn(drive_in_sequence(driver, permits, vec![indexed], pacing));
        }
    }
    for (_, cases) in by_server {
        tasks.spawn(drive_in_sequence(Arc::clone(driver), Arc::clone(&permits), cases, pacing));
    }
    let mut driven: Vec<(usize, DrivenCase)> =
        tasks.join_all().await.into_iter().flatten().collect();
    driven.sort_by_key(|(index, _)| *index);
    driven.into_iter().map(|(_, driven)| driven).collect()
}

async fn drive_in_sequence(
    driver: Arc<Driver>,
    permits: Arc<Semaphore>,
    cases: Vec<IndexedCase>,
    pacing: Pacing,
) -> Vec<(usize, DrivenCase)> {
    let mut driven = Vec::with_capacity(cases.len());
    for (index, planned, case) in cases {
        // The semaphore is never closed, so this does not fail.
        let _permit = permits.acquire().await;
        let servers = failing_servers(&planned.case);
        driven.push((index, driver.drive(planned, case).await));
        if pacing == Pacing::HealthyCalls {
            driver.call_healthy_servers(servers).await;
        }
    }
    driven
}

/// The servers of a matrix case that fail, and can answer a healthy call.
fn failing_servers(matrix_case: &MatrixCase) -> Vec<&'static str> {
    matrix::behaviours_of(matrix_case)
        .into_iter()
        .filter(|(_, behaviour)| !behaviour.starts_with("200"))
        .filter(|(_, behaviour)| {
            Behaviours::embedded()
                .find(behaviour)
                .is_some_and(|found| found.server().is_none())
        })
        .map(|(server, _)| server)
        .collect()
}

/// Collects the traces of driven cases when the mock upstreams have settled.
pub(super) async fn collect(driver: &Arc<Driver>, driven: Vec<DrivenCase>) -> Vec<CollectedCase> {
    let mut tasks = JoinSet::new();
    for (index, driven) in driven.into_iter().enumerate() {
        let driver = Arc::clone(driver);
        tasks.spawn(async move { (index, driver.collect(driven).await) });
    }
    let mut collected = tasks.join_all().await;
    collected.sort_by_key(|(index, _)| *index);
    collected.into_iter().map(|(_, collected)| collected).collect()
}
