//! Runs the matrix cases of a batch concurrently.
//!
//! Cases with a script all run concurrently. Cases that need a server exclusively run one after
//! another on each server. Most of the time of a case is waiting for responses that are late or
//! never come, so many cases run at once.

use std::sync::Arc;

use indexmap::IndexMap;
use tokio::{sync::Semaphore, task::JoinSet};

use super::driver::{CollectedCase, DrivenCase, Driver, PlannedCase};
use crate::client::case::Case;

/// A planned case, its identity, and its index in the batch.
type IndexedCase = (usize, PlannedCase, Case);

/// Drives a batch with this number of concurrent cases. The result has the order of the batch.
pub(super) async fn drive(
    driver: &Arc<Driver>,
    batch: &[PlannedCase],
    jobs: usize,
) -> Vec<DrivenCase> {
    let permits = Arc::new(Semaphore::new(jobs.max(1)));
    let mut by_server: IndexMap<&str, Vec<IndexedCase>> = IndexMap::new();
    let mut tasks = JoinSet::new();
    for (index, planned) in batch.iter().enumerate() {
        let indexed = (index, planned.clone(), driver.case_numbers.next_case());
        if planned.exclusive {
            by_server.entry(planned.server).or_default().push(indexed);
        } else {
            tasks.spawn(drive_in_sequence(Arc::clone(driver), Arc::clone(&permits), vec![indexed]));
        }
    }
    for (_, cases) in by_server {
        tasks.spawn(drive_in_sequence(Arc::clone(driver), Arc::clone(&permits), cases));
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
) -> Vec<(usize, DrivenCase)> {
    let mut driven = Vec::with_capacity(cases.len());
    for (index, planned, case) in cases {
        // The semaphore is never closed, so this does not fail.
        let _permit = permits.acquire().await;
        driven.push((index, driver.drive(planned, case).await));
    }
    driven
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
