//! Decides when a client's connection has waited too long for a request.
//!
//! The deadline also ends connections that never send a complete request head, in either HTTP
//! version: silent ones, ones that stop within the connection preface of HTTP/2, and ones that
//! never end their header block.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// How long a connection may wait between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// The requests of one connection.
#[derive(Clone)]
pub(super) struct ConnectionRequests(Arc<watch::Sender<Counts>>);

#[derive(Clone, Copy, Default)]
struct Counts {
    /// Requests whose response has not ended.
    running: usize,
    begun: u64,
}

/// One request, until it is dropped.
pub(super) struct RunningRequest(ConnectionRequests);

impl ConnectionRequests {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Counts::default())))
    }

    /// Counts a request whose head is complete.
    pub(super) fn begin(&self) -> RunningRequest {
        self.0.send_modify(|counts| {
            counts.running += 1;
            counts.begun += 1;
        });
        RunningRequest(self.clone())
    }

    /// Waits until no request is running and none has begun for too long: `first` is the deadline
    /// of the first request.
    pub(super) async fn idle(self, first: Duration) {
        let mut counts = self.0.subscribe();
        let mut limit = first;
        // The channel stays open, because `self` has the sender.
        while let Ok(begun) = counts.wait_for(|now| now.running == 0).await.map(|now| now.begun) {
            if timeout(limit, counts.wait_for(|now| now.begun > begun)).await.is_err() {
                break;
            }
            limit = IDLE_TIMEOUT;
        }
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.0.0.send_modify(|counts| counts.running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const FIRST: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_idle_after_the_first_deadline() {
        let start = Instant::now();
        ConnectionRequests::new().idle(FIRST).await;
        assert_eq!(start.elapsed(), FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_request_keeps_a_connection_and_each_request_starts_the_deadline_again() {
        let start = Instant::now();
        let requests = ConnectionRequests::new();
        let idle = tokio::spawn(requests.clone().idle(FIRST));
        sleep(Duration::from_secs(5)).await;
        let first = requests.begin();
        let second = requests.begin();
        sleep(Duration::from_secs(500)).await;
        drop(first);
        sleep(Duration::from_secs(500)).await;
        drop(second);
        sleep(Duration::from_secs(70)).await;
        // A request that ends before anything else runs.
        drop(requests.begin());
        idle.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(5 + 500 + 500 + 70) + IDLE_TIMEOUT);
    }
}
