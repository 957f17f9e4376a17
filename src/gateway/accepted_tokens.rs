//! Remembers for a short time which tokens servers have accepted, so that not every request is
//! probed (PRB-16). Off by default.
//!
//! An entry holds for one caller, one server and one token, of which only a hash is kept. A refusal
//! removes it.

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

/// The largest number of entries. When it is reached, expired entries are removed; if none has
/// expired, the new one is not added.
const MAX_ENTRIES: usize = 65_536;

type Key = (CallerId, ServerId, [u8; 32]);

/// Tokens that servers have accepted recently.
pub(super) struct AcceptedTokens {
    lifetime: Option<Duration>,
    expiry: Mutex<HashMap<Key, Instant>>,
}

impl AcceptedTokens {
    pub(super) fn new(lifetime: Option<Duration>) -> Self {
        Self { lifetime, expiry: Mutex::default() }
    }

    /// Whether the server has accepted this value of `Authorization` recently.
    pub(super) fn contains(
        &self,
        caller: CallerId,
        server: ServerId,
        authorization: &HeaderValue,
    ) -> bool {
        if self.lifetime.is_none() {
            return false;
        }
        let expiry = self.expiry.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = expiry.get(&key(caller, server, authorization));
        entry.is_some_and(|expires| Instant::now() < *expires)
    }

    /// Records how a server has responded to a value of `Authorization`.
    pub(super) fn record(
        &self,
        caller: CallerId,
        server: ServerId,
        authorization: &HeaderValue,
        outcome: Outcome,
    ) {
        let Some(lifetime) = self.lifetime else { return };
        let (key, now) = (key(caller, server, authorization), Instant::now());
        let mut expiry = self.expiry.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Accepted => {
                if expiry.len() >= MAX_ENTRIES {
                    expiry.retain(|_, expires| now < *expires);
                }
                if expiry.len() < MAX_ENTRIES {
                    expiry.insert(key, now + lifetime);
                }
            }
            Outcome::Unauthorized | Outcome::Forbidden => drop(expiry.remove(&key)),
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
    const LIFETIME: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn an_entry_holds_for_its_caller_server_token_and_lifetime() {
        let tokens = AcceptedTokens::new(Some(LIFETIME));
        tokens.record(ALICE, ALPHA, &TOKEN, Outcome::Accepted);
        assert!(tokens.contains(ALICE, ALPHA, &TOKEN));
        assert!(!tokens.contains(CallerId(1), ALPHA, &TOKEN));
        assert!(!tokens.contains(ALICE, ServerId(1), &TOKEN));
        assert!(!tokens.contains(ALICE, ALPHA, &HeaderValue::from_static("Bearer two")));
        tokio::time::advance(LIFETIME).await;
        assert!(!tokens.contains(ALICE, ALPHA, &TOKEN));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_removes_the_entry_and_is_not_remembered() {
        let tokens = AcceptedTokens::new(Some(LIFETIME));
        for refusal in [Outcome::Unauthorized, Outcome::Forbidden] {
            tokens.record(ALICE, ALPHA, &TOKEN, Outcome::Accepted);
            tokens.record(ALICE, ALPHA, &TOKEN, Outcome::Inconclusive(Cause::TimedOut));
            assert!(tokens.contains(ALICE, ALPHA, &TOKEN), "an inconclusive outcome keeps it");
            tokens.record(ALICE, ALPHA, &TOKEN, refusal);
            assert!(!tokens.contains(ALICE, ALPHA, &TOKEN));
        }
    }

    #[tokio::test]
    async fn nothing_is_remembered_by_default() {
        let tokens = AcceptedTokens::new(None);
        tokens.record(ALICE, ALPHA, &TOKEN, Outcome::Accepted);
        assert!(!tokens.contains(ALICE, ALPHA, &TOKEN));
    }
}
