//! Drives the matrix cases of one batch: those with a script all at once, those without one after another on each server.
//!
//! Most of a matrix case's time is waiting, for answers that come late or never; so many run at once.

use std::sync::Arc;

use indexmap::IndexMap;
use tokio::{sync::Semaphore, task::JoinSet};

use super::stage::{Collected, Driven, Planned, Stage};
use crate::client::case_request::Case;

/// Drives a batch. The order of what comes back is that of the batch.
pub(super) async fn drive(stage: &Arc<Stage>, batch: &[Planned], jobs: usize) -> Vec<Driven> {
    let slots = Arc::new(Semaphore::new(jobs.max(1)));
    let mut lanes: IndexMap<&str, Vec<(usize, Planned, Case)>> = IndexMap::new();
    let mut running = JoinSet::new();
    for (index, planned) in batch.iter().enumerate() {
        let (planned, case) = (planned.clone(), stage.numbers.case());
        if planned.alone {
            lanes.entry(batch[index].server).or_default().push((index, planned, case));
        } else {
            spawn(&mut running, stage, &slots, vec![(index, planned, case)]);
        }
    }
    for (_, lane) in lanes {
        spawn(&mut running, stage, &slots, lane);
    }
    let mut driven: Vec<(usize, Driven)> = running.join_all().await.into_iter().flatten().collect();
    driven.sort_by_key(|(index, _)| *index);
    driven.into_iter().map(|(_, driven)| driven).collect()
}

/// One task: its matrix cases run one after another, each when there is a slot.
fn spawn(
    running: &mut JoinSet<Vec<(usize, Driven)>>,
    stage: &Arc<Stage>,
    slots: &Arc<Semaphore>,
    matrix_cases: Vec<(usize, Planned, Case)>,
) {
    let (stage, slots) = (Arc::clone(stage), Arc::clone(slots));
    running.spawn(async move {
        let mut driven = Vec::with_capacity(matrix_cases.len());
        for (index, planned, case) in matrix_cases {
            // The semaphore is never closed; without a permit there would only be more at once.
            let _slot = slots.acquire().await;
            driven.push((index, stage.drive(planned, case).await));
        }
        driven
    });
}

/// Collects what the upstreams saw of each matrix case, once they are at rest.
pub(super) async fn collect(stage: &Arc<Stage>, driven: Vec<Driven>) -> Vec<Collected> {
    let mut running = JoinSet::new();
    for (index, driven) in driven.into_iter().enumerate() {
        let stage = Arc::clone(stage);
        running.spawn(async move { (index, stage.collect(driven).await) });
    }
    let mut collected = running.join_all().await;
    collected.sort_by_key(|(index, _)| *index);
    collected.into_iter().map(|(_, collected)| collected).collect()
}
