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

use crate::cases::token_script::CaseId;

/// How long a barrier waits for the last request.
const BARRIER_PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer waits for its turn. Shorter than anyone waits for an upstream: order that nobody keeps to must not cost an answer.
const TURN_PATIENCE: Duration = Duration::from_millis(100);

/// Barriers and releases, by case.
#[derive(Debug, Default)]
pub(super) struct Gates {
    barriers: Mutex<HashMap<CaseId, watch::Sender<Barrier>>>,
    releases: Mutex<HashMap<CaseId, Arc<Semaphore>>>,
    turns: Mutex<HashMap<CaseId, watch::Sender<Vec<String>>>>,
}

/// A server's turn to answer. The next one's begins when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(watch::Sender<Vec<String>>, String);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.send_modify(|left| left.retain(|server| *server != self.1));
    }
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
        self.0
            .send_modify(|barrier| barrier.waiting = barrier.waiting.saturating_sub(1));
    }
}

impl Gates {
    /// Waits until `n` requests of the case wait here at once. False when they did not come together in time.
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
        if timeout(BARRIER_PATIENCE, changes.wait_for(|barrier| barrier.opened.is_some()))
            .await
            .is_err()
        {
            barrier.send_modify(|barrier| barrier.opened = barrier.opened.or(Some(false)));
        }
        barrier.borrow().opened == Some(true)
    }

    /// From now on the servers answer the case in this order, each once.
    pub(super) fn take_turns(&self, case: &CaseId, order: Vec<String>) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever still waits for a turn of an earlier order gets it: the old sender has nobody left in it once it is replaced.
        if let Some(old) = turns.insert(case.clone(), watch::Sender::new(order)) {
            old.send_modify(Vec::clear);
        }
    }

    /// Waits for a server's turn. Nothing where it has none, or has had it. Where nobody's comes, because one server is asked only after
    /// another, order is given up.
    pub(super) async fn turn(&self, case: &CaseId, server: &str) -> Option<Turn> {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner).get(case)?.clone();
        let mut changes = turns.subscribe();
        let mine = |left: &Vec<String>| {
            left.first().is_none_or(|first| first == server)
                || left.iter().all(|other| other != server)
        };
        if timeout(TURN_PATIENCE, changes.wait_for(mine)).await.is_err() {
            turns.send_modify(Vec::clear);
        }
        turns.borrow().first().filter(|first| *first == server)?;
        Some(Turn(turns, server.to_owned()))
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
        let (a, b, c) =
            tokio::join!(gates.meet(&case, 3), gates.meet(&case, 3), gates.meet(&case, 3));
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
    async fn turns_are_taken_in_the_order_given() {
        let (gates, case) = (Gates::default(), CaseId("c".to_owned()));
        gates.take_turns(&case, ["b", "a"].map(str::to_owned).to_vec());
        let answered = Mutex::new(Vec::new());
        let answer = async |server| {
            let turn = gates.turn(&case, server).await;
            answered.lock().unwrap().push((server, turn.is_some()));
        };
        tokio::join!(answer("a"), answer("b"), answer("c"));
        answer("a").await;
        assert_eq!(
            *answered.lock().unwrap(),
            [("b", true), ("c", false), ("a", true), ("a", false)]
        );
        gates.take_turns(&case, ["b", "a"].map(str::to_owned).to_vec());
        assert!(gates.turn(&case, "a").await.is_none(), "b is never asked: order is given up");
    }

    #[tokio::test(start_paused = true)]
    async fn one_after_another_never_meets() {
        let (gates, case) = (Gates::default(), CaseId("c".to_owned()));
        for _ in 0..3 {
            assert!(!gates.meet(&case, 2).await);
        }
    }
}
