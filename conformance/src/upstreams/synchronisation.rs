//! What responses wait for: other requests of their case, the turn of their server, or the release
//! of an event.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::cases::token_script::CaseId;

/// How long a barrier waits for the last request.
const BARRIER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a response waits for the turn of its server.
///
/// It is shorter than every deadline of a gateway: if the servers are asked one after another, the
/// requested order is impossible and must not cause a timeout.
const TURN_TIMEOUT: Duration = Duration::from_millis(100);

/// Barriers, turns and released events, by case.
#[derive(Debug, Default)]
pub(super) struct Synchronisation {
    barriers: Mutex<HashMap<CaseId, watch::Sender<Barrier>>>,
    /// The servers that have not responded yet, in the requested order.
    turns: Mutex<HashMap<CaseId, watch::Sender<Vec<String>>>>,
    released_events: Mutex<HashMap<CaseId, Arc<Semaphore>>>,
}

/// The turn of a server to respond. When it is dropped, the turn of the next server begins.
#[derive(Debug)]
pub(super) struct Turn {
    remaining: watch::Sender<Vec<String>>,
    server: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.remaining
            .send_modify(|servers| servers.retain(|server| *server != self.server));
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Barrier {
    waiting: usize,
    /// Whether enough requests met. The first decision is final; later requests do not wait.
    opened: Option<bool>,
}

/// One request that waits at a barrier. It is counted until it is dropped.
struct Waiting(watch::Sender<Barrier>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0
            .send_modify(|barrier| barrier.waiting = barrier.waiting.saturating_sub(1));
    }
}

impl Synchronisation {
    /// Waits until `n` requests of the case wait at once. Returns false if that took too long.
    pub(super) async fn meet(&self, case: &CaseId, n: usize) -> bool {
        let barrier = self
            .barriers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(case.clone())
            .or_default()
            .clone();
        barrier.send_modify(|barrier| {
            barrier.waiting += 1;
            if barrier.waiting >= n && barrier.opened.is_none() {
                barrier.opened = Some(true);
            }
        });
        let _waiting = Waiting(barrier.clone());
        let mut changes = barrier.subscribe();
        let opened = changes.wait_for(|barrier| barrier.opened.is_some());
        if timeout(BARRIER_TIMEOUT, opened).await.is_err() {
            barrier.send_modify(|barrier| barrier.opened = barrier.opened.or(Some(false)));
        }
        barrier.borrow().opened == Some(true)
    }

    /// Makes the servers send the next responses of the case in this order, one from each server.
    pub(super) fn respond_in_order(&self, case: &CaseId, order: Vec<String>) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Responses that wait for a turn of the earlier order are released by emptying it.
        if let Some(earlier) = turns.insert(case.clone(), watch::Sender::new(order)) {
            earlier.send_modify(Vec::clear);
        }
    }

    /// Waits for the turn of a server. `None` if the server has no turn, or has had it.
    ///
    /// If that takes too long, the order is dropped: a server with an earlier turn gets no request.
    pub(super) async fn turn(&self, case: &CaseId, server: &str) -> Option<Turn> {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner).get(case)?.clone();
        let mut changes = turns.subscribe();
        let need_not_wait = |remaining: &Vec<String>| {
            remaining.first().is_none_or(|first| first == server)
                || remaining.iter().all(|other| other != server)
        };
        if timeout(TURN_TIMEOUT, changes.wait_for(need_not_wait)).await.is_err() {
            turns.send_modify(Vec::clear);
        }
        turns.borrow().first().filter(|first| *first == server)?;
        Some(Turn { remaining: turns, server: server.to_owned() })
    }

    /// Releases one more event of the case's stream.
    pub(super) fn release_event(&self, case: &CaseId) {
        self.released_events(case).add_permits(1);
    }

    /// A permit for each event of the case's stream that may be sent.
    pub(super) fn released_events(&self, case: &CaseId) -> Arc<Semaphore> {
        let mut released = self.released_events.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(released.entry(case.clone()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> CaseId {
        CaseId("c".to_owned())
    }

    fn order(servers: [&str; 2]) -> Vec<String> {
        servers.map(str::to_owned).to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn a_barrier_opens_when_all_requests_have_arrived() {
        let (synchronisation, case) = (Synchronisation::default(), case());
        let meet = || synchronisation.meet(&case, 3);
        let (a, b, c) = tokio::join!(meet(), meet(), meet());
        assert!(a && b && c);
        assert!(meet().await, "later requests pass");
    }

    #[tokio::test(start_paused = true)]
    async fn a_barrier_fails_for_all_if_one_request_is_missing() {
        let (synchronisation, case) = (Synchronisation::default(), case());
        let meet = || synchronisation.meet(&case, 3);
        let (a, b) = tokio::join!(meet(), meet());
        assert!(!a && !b);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_one_after_another_do_not_open_a_barrier() {
        let (synchronisation, case) = (Synchronisation::default(), case());
        for _ in 0..3 {
            assert!(!synchronisation.meet(&case, 2).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn servers_respond_in_the_requested_order() {
        let (synchronisation, case) = (Synchronisation::default(), case());
        synchronisation.respond_in_order(&case, order(["b", "a"]));
        let responses = Mutex::new(Vec::new());
        let respond = async |server| {
            let turn = synchronisation.turn(&case, server).await;
            responses.lock().unwrap().push((server, turn.is_some()));
        };
        tokio::join!(respond("a"), respond("b"), respond("c"));
        respond("a").await;
        assert_eq!(
            *responses.lock().unwrap(),
            [("b", true), ("c", false), ("a", true), ("a", false)]
        );
        synchronisation.respond_in_order(&case, order(["b", "a"]));
        let turn = synchronisation.turn(&case, "a").await;
        assert!(turn.is_none(), "b gets no request, so the order is dropped");
    }
}
