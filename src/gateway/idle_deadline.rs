//! Decides when a client's connection has waited too long for a request.
//!
//! The deadline also ends connections that never send a complete request head, in either HTTP
//! version: silent ones, ones that stop within the connection preface of HTTP/2, and ones that
//! never end their header block.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// How long a connection may wait between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// The requests of one connection.
#[derive(Clone)]
pub(super) struct ConnectionRequests(Arc<Mutex<Requests>>);

struct Requests {
    /// Requests whose response has not ended.
    running: usize,
    /// How long the connection may wait for the next request.
    limit: Duration,
    /// When the connection was accepted, or the last response ended.
    quiet_since: Instant,
}

/// One request, until it is dropped.
pub(super) struct RunningRequest(ConnectionRequests);

impl ConnectionRequests {
    /// A connection that was accepted now. `first` is the deadline of its first request.
    pub(super) fn new(first: Duration) -> Self {
        let requests = Requests { running: 0, limit: first, quiet_since: Instant::now() };
        Self(Arc::new(Mutex::new(requests)))
    }

    /// Counts a request whose head is complete.
    pub(super) fn begin(&self) -> RunningRequest {
        let mut requests = self.requests();
        requests.running += 1;
        requests.limit = IDLE_TIMEOUT;
        RunningRequest(self.clone())
    }

    /// Waits until no request is running and none has begun for too long.
    ///
    /// Requests do not wake this: it looks again when the connection could be idle at the earliest.
    pub(super) async fn idle(self) {
        let mut earliest = self.earliest_idle();
        while earliest > Instant::now() {
            sleep_until(earliest).await;
            earliest = self.earliest_idle();
        }
    }

    fn earliest_idle(&self) -> Instant {
        let requests = self.requests();
        if requests.running == 0 {
            requests.quiet_since + requests.limit
        } else {
            Instant::now() + requests.limit
        }
    }

    /// No code panics while it holds the lock.
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        let mut requests = self.0.requests();
        requests.running -= 1;
        requests.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const FIRST: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_idle_after_the_first_deadline() {
        let start = Instant::now();
        ConnectionRequests::new(FIRST).idle().await;
        assert_eq!(start.elapsed(), FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_request_keeps_a_connection_and_each_request_starts_the_deadline_again() {
        let start = Instant::now();
        let requests = ConnectionRequests::new(FIRST);
        let idle = tokio::spawn(requests.clone().idle());
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
