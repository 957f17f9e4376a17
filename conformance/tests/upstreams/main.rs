//! Drives the mock upstreams over raw sockets, as no gateway would, and checks what arrives on the wire and in the record.

#![expect(clippy::unwrap_used, reason = "what a test can not unwrap has failed it")]

mod attribution;
mod behaviours;
mod framing;
mod pacing;
mod places;
mod raw;
mod sessions;

use std::time::Duration;

use mcp_preflight_conformance::{
    cases::token_script::{CaseId, TokenScript},
    trace::Arrival,
    upstreams::MockUpstreams,
};

/// Longer than anything here takes, so that passing it is a failure.
const PROMPT: Duration = Duration::from_secs(10);

fn case(name: &str) -> CaseId {
    CaseId(name.to_owned())
}

/// A token that orders the behaviour of every server.
fn token(name: &str, behaviour: &str) -> String {
    TokenScript::everywhere(case(name), behaviour, "canary".to_owned()).token()
}

/// Waits until the case's last arrival is answered so.
async fn answered(upstreams: &MockUpstreams, name: &str, word: &str) -> Vec<Arrival> {
    let seen = async {
        loop {
            let arrivals = upstreams.record().arrivals(&case(name));
            if arrivals.last().is_some_and(|arrival| arrival.answered == word) {
                return arrivals;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PROMPT, seen)
        .await
        .unwrap_or_else(|_| panic!("never {word}: {:?}", upstreams.record().arrivals(&case(name))))
}
