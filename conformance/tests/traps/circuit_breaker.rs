//! A gateway that stops forwarding requests to a server after several failures in a row, and starts
//! again after some time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mcp_preflight_conformance::judge::{Verdict::Pass, run_file::NotedEvent};
use tokio::time::Instant;

use crate::{
    gateway::{Answer, ClientRequest, UpstreamClient, relay},
    judged::{Judge, Judged, KEY_FIELD},
};

/// After how many failures in a row the gateway stops forwarding requests.
const FAILURES: usize = 3;

/// The failures of each server: their number, and the time of the last one.
#[derive(Clone, Debug)]
struct CircuitBreaker {
    stays_open: Duration,
    failures: Arc<Mutex<HashMap<String, (usize, Instant)>>>,
}

impl CircuitBreaker {
    fn new(stays_open: Duration) -> Self {
        Self { stays_open, failures: Arc::default() }
    }

    async fn relay(&self, request: &ClientRequest, upstreams: &UpstreamClient) -> Answer {
        if self.is_open(request.server()) {
            return Answer::empty(503);
        }
        let answer = relay(request, upstreams).await;
        self.count(request.server(), answer.status < 400);
        answer
    }

    fn is_open(&self, server: &str) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(server)
            .is_some_and(|(number, last)| *number >= FAILURES && last.elapsed() < self.stays_open)
    }

    fn count(&self, server: &str, succeeded: bool) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, last) = failures.entry(server.to_owned()).or_insert((0, Instant::now()));
        *number = if succeeded { 0 } else { *number + 1 };
        *last = Instant::now();
    }
}

async fn judged(stays_open: Duration) -> Judged {
    let breaker = CircuitBreaker::new(stays_open);
    let judge = Judge::start(KEY_FIELD, move |request, upstreams| {
        let breaker = breaker.clone();
        async move { breaker.relay(&request, &upstreams).await }
    })
    .await;
    judge
        .judge(&["STA-01", "STA-05"], &["method=tools-*", "upstream=40*-bare*"])
        .await
}

#[tokio::test]
async fn a_circuit_breaker_is_no_damage() {
    let judged = judged(Duration::from_secs(2)).await;
    assert!(judged.damages().is_empty(), "{judged:?}");
    assert_eq!(judged.failed(), [].into(), "{judged:?}");
    assert_eq!(judged.verdict("*", "STA-01"), Pass, "{judged:?}");
    let events: Vec<&NotedEvent> = judged.notes().iter().map(|note| &note.event).collect();
    assert!(
        matches!(events[..], [NotedEvent::Recovered { .. }, NotedEvent::HealthyCalls]),
        "{events:?}"
    );
}
