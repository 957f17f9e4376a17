//! What answers can wait for: enough requests of their case at once, or a word from the suite.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::script::CaseId;

/// How long a barrier waits for the last request.
const BARRIER_PATIENCE: Duration = Duration::from_secs(2);

/// Barriers and releases, by case.
#[derive(Debug, Default)]
pub(super) struct Gates {
    barriers: Mutex<HashMap<CaseId, watch::Sender<Barrier>>>,
    releases: Mutex<HashMap<CaseId, Arc<Semaphore>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Barrier {
    waiting: usize,
    /// Once decided it stays so: what comes later neither waits nor is judged otherwise.
    opened: Option<bool>,
}

/// Takes one off the number of those who wait, also when the request is given up.
struct Waiting(watch::Sender<Barrier>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|barrier| barrier.waiting = barrier.waiting.saturating_sub(1));
    }
}

impl Gates {
    /// Waits until `n` requests of the case wait here at once. False when they did not come together in time.
    pub(super) async fn meet(&self, case: &CaseId, n: usize) -> bool {
        let barrier = self.barriers.lock().unwrap_or_else(PoisonError::into_inner).entry(case.clone()).or_default().clone();
        barrier.send_modify(|barrier| {
            barrier.waiting += 1;
            if barrier.waiting >= n && barrier.opened.is_none() {
                barrier.opened = Some(true);
            }
        });
        let _waiting = Waiting(barrier.clone());
        let mut changes = barrier.subscribe();
        if timeout(BARRIER_PATIENCE, changes.wait_for(|barrier| barrier.opened.is_some())).await.is_err() {
            barrier.send_modify(|barrier| barrier.opened = barrier.opened.or(Some(false)));
        }
        barrier.borrow().opened == Some(true)
    }

    /// Lets one more event of the case's stream go, now or when it comes to it.
    pub(super) fn release(&self, case: &CaseId) {
        self.pace(case).add_permits(1);
    }

    /// The permits for the events of the case's stream.
    pub(super) fn pace(&self, case: &CaseId) -> Arc<Semaphore> {
        let mut releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(releases.entry(case.clone()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_barrier_opens_when_all_are_there() {
        let (gates, case) = (Gates::default(), CaseId("c".to_owned()));
        let (a, b, c) = tokio::join!(gates.meet(&case, 3), gates.meet(&case, 3), gates.meet(&case, 3));
        assert!(a && b && c);
        assert!(gates.meet(&case, 3).await, "what comes later passes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_barrier_fails_for_all_when_one_is_missing() {
        let (gates, case) = (Gates::default(), CaseId("c".to_owned()));
        let (a, b) = tokio::join!(gates.meet(&case, 3), gates.meet(&case, 3));
        assert!(!a && !b);
    }

    #[tokio::test(start_paused = true)]
    async fn one_after_another_never_meets() {
        let (gates, case) = (Gates::default(), CaseId("c".to_owned()));
        for _ in 0..3 {
            assert!(!gates.meet(&case, 2).await);
        }
    }
}
