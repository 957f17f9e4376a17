//! Tests the mock upstreams over raw sockets: their responses, byte by byte, and their record.

#![expect(clippy::unwrap_used, reason = "a test fails if it cannot unwrap")]

mod attribution;
mod behaviours;
mod framing;
mod other_hosts;
mod pacing;
mod raw;
mod sessions;

use std::time::Duration;

use mcp_preflight_conformance::{
    cases::token_script::{CaseId, TokenScript},
    trace::Arrival,
    upstreams::MockUpstreams,
};

/// Longer than every wait here, so that reaching it is a failure.
const PROMPT: Duration = Duration::from_secs(10);

fn case(name: &str) -> CaseId {
    CaseId(name.to_owned())
}

/// A token whose script sets the behaviour of every server.
fn token(name: &str, behaviour: &str) -> String {
    TokenScript::for_every_server(case(name), behaviour, "canary".to_owned()).token()
}

/// Waits until the recorded response to the last request of the case is this one.
async fn answered(upstreams: &MockUpstreams, name: &str, response: &str) -> Vec<Arrival> {
    let seen = async {
        loop {
            let arrivals = upstreams.record().arrivals(&case(name));
            if arrivals.last().is_some_and(|arrival| arrival.answered == response) {
                return arrivals;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PROMPT, seen).await.unwrap_or_else(|_| {
        panic!(
            "the response was never {response}: {:?}",
            upstreams.record().arrivals(&case(name))
        )
    })
}
