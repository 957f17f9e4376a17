//! Remembers for a short time which tokens servers have accepted, so that not every request asks again (PRB-16). Off unless configured.
//!
//! Only acceptance is remembered, for one caller, one server and one token, of which only a hash is kept; any refusal ends it. What an
//! outcome is, is not decided here.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::core::{
    access::{CallerId, ServerId},
    outcome::Outcome,
};

/// How many acceptances are remembered; when there are more, all that have passed are forgotten, and if none has, the new one is.
const LIMIT: usize = 65_536;

type Key = (CallerId, ServerId, [u8; 32]);

/// What servers have accepted.
pub(super) struct Reuse {
    lasts: Option<Duration>,
    accepted: Mutex<HashMap<Key, Instant>>,
}

impl Reuse {
    pub(super) fn new(lasts: Option<Duration>) -> Self {
        Self { lasts, accepted: Mutex::default() }
    }

    /// Whether the server has accepted this a short time ago.
    pub(super) fn stands(
        &self,
        caller: CallerId,
        server: ServerId,
        authorization: &HeaderValue,
    ) -> bool {
        self.lasts.is_some() && {
            let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted
                .get(&key(caller, server, authorization))
                .is_some_and(|until| Instant::now() < *until)
        }
    }

    /// Takes in what a server has just made of a token.
    pub(super) fn learn(
        &self,
        caller: CallerId,
        server: ServerId,
        authorization: &HeaderValue,
        outcome: Outcome,
    ) {
        let Some(lasts) = self.lasts else { return };
        let (key, now) = (key(caller, server, authorization), Instant::now());
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Accepted => {
                if accepted.len() >= LIMIT {
                    accepted.retain(|_, until| now < *until);
                }
                if accepted.len() < LIMIT {
                    accepted.insert(key, now + lasts);
                }
            }
            Outcome::Unauthorized | Outcome::Forbidden => drop(accepted.remove(&key)),
            Outcome::Inconclusive(_) => {}
        }
    }
}

fn key(caller: CallerId, server: ServerId, authorization: &HeaderValue) -> Key {
    (caller, server, Sha256::digest(authorization.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::outcome::Cause;

    const TOKEN: HeaderValue = HeaderValue::from_static("Bearer one");
    const ALICE: CallerId = CallerId(0);
    const ALPHA: ServerId = ServerId(0);

    #[tokio::test(start_paused = true)]
    async fn an_acceptance_stands_for_its_caller_its_server_its_token_and_its_time() {
        let reuse = Reuse::new(Some(Duration::from_secs(30)));
        reuse.learn(ALICE, ALPHA, &TOKEN, Outcome::Accepted);
        assert!(reuse.stands(ALICE, ALPHA, &TOKEN));
        assert!(!reuse.stands(CallerId(1), ALPHA, &TOKEN));
        assert!(!reuse.stands(ALICE, ServerId(1), &TOKEN));
        assert!(!reuse.stands(ALICE, ALPHA, &HeaderValue::from_static("Bearer two")));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(!reuse.stands(ALICE, ALPHA, &TOKEN));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_it_and_is_not_remembered() {
        let reuse = Reuse::new(Some(Duration::from_secs(30)));
        for refusal in [Outcome::Unauthorized, Outcome::Forbidden] {
            reuse.learn(ALICE, ALPHA, &TOKEN, Outcome::Accepted);
            reuse.learn(ALICE, ALPHA, &TOKEN, Outcome::Inconclusive(Cause::TimedOut));
            assert!(reuse.stands(ALICE, ALPHA, &TOKEN), "nothing was said about the token");
            reuse.learn(ALICE, ALPHA, &TOKEN, refusal);
            assert!(!reuse.stands(ALICE, ALPHA, &TOKEN));
        }
    }

    #[tokio::test]
    async fn nothing_is_remembered_unless_it_is_asked_for() {
        let reuse = Reuse::new(None);
        reuse.learn(ALICE, ALPHA, &TOKEN, Outcome::Accepted);
        assert!(!reuse.stands(ALICE, ALPHA, &TOKEN));
    }
}
