//! Decides which session ids a client gets: the upstreams' session ids, sealed with a secret
//! (SEC-08).
//!
//! There is no session table. A process that has the secret can open a sealed id, so every replica
//! serves every session, and a restart ends none. A session id does not authenticate: key and token
//! of each request are checked independently of it (SEC-09).

use alloc::{string::String, vec::Vec};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use serde::{Deserialize, Serialize};

use super::admission::KeyDigest;

/// A session at an upstream.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamSession {
    /// The server's name. A position in the configuration may differ between replicas.
    pub server: String,
    /// The session id that the server issued. It is empty if the server keeps no session.
    pub id: String,
}

/// The caller and the endpoint to which a sealed id is bound. It cannot be opened for another
/// caller or endpoint.
#[derive(Clone, Copy, Debug)]
pub struct SessionBinding<'b> {
    /// The gateway key of the caller.
    pub caller: &'b KeyDigest,
    /// The endpoint: a server's name, or the path of an aggregate endpoint, which is never a
    /// server's name.
    pub route: &'b str,
}

/// Random bytes for one sealed id. One half selects the key and the other half is the nonce, so
/// that a pair of key and nonce does not repeat, even with very many sessions.
pub type SealRandom = [u8; 2 * NONCE_LEN];

/// Seals and opens session ids with a secret.
#[derive(Clone, Debug)]
pub struct Sealer(hmac::Key);

impl Sealer {
    /// Creates a sealer with this secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Seals sessions into one id, which consists of letters, digits, `-` and `_`.
    #[must_use]
    pub fn seal(
        &self,
        random: SealRandom,
        binding: SessionBinding<'_>,
        sessions: &[UpstreamSession],
    ) -> String {
        let mut sealed = serde_json::to_vec(sessions).expect("a list of pairs of strings is JSON");
        let (key, nonce) = self.key(random);
        key.seal_in_place_append_tag(nonce, binding.associated_data(), &mut sealed)
            .expect("session ids are far shorter than the limit of the cipher");
        sealed.splice(..0, random);
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens a sealed id. `None` if the id is malformed, or was sealed for another caller or
    /// endpoint, or with another secret.
    #[must_use]
    pub fn open(&self, binding: SessionBinding<'_>, id: &str) -> Option<Vec<UpstreamSession>> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(id).ok()?;
        let (random, sealed) = bytes.split_first_chunk()?;
        let (key, nonce) = self.key(*random);
        let mut sealed = sealed.to_vec();
        let opened = key.open_in_place(nonce, binding.associated_data(), &mut sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }

    /// The key and the nonce for one id.
    fn key(&self, random: SealRandom) -> (LessSafeKey, Nonce) {
        let (for_key, for_nonce) = random.split_at(NONCE_LEN);
        let key = hmac::sign(&self.0, for_key);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref())
            .expect("HMAC-SHA-256 and ChaCha20 keys are both 256 bits long");
        let nonce = Nonce::try_assume_unique_for_key(for_nonce)
            .expect("the second half is NONCE_LEN bytes long");
        (LessSafeKey::new(key), nonce)
    }
}

impl SessionBinding<'_> {
    /// The data that the seal authenticates without containing it. The digest has a fixed length,
    /// so different bindings give different bytes.
    fn associated_data(self) -> Aad<Vec<u8>> {
        Aad::from([&self.caller.0, self.route.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Servers and session ids. They are tuples because `UpstreamSession` has no `Debug` form,
    /// which would show the ids.
    fn sessions() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec(("[a-z0-9.-]{1,12}", "[!-~]{0,40}"), 0..4)
    }

    fn session(id: &str) -> [UpstreamSession; 1] {
        [UpstreamSession { server: "alpha".into(), id: id.into() }]
    }

    proptest! {
        #[test]
        fn a_sealed_id_opens_only_for_its_caller_endpoint_and_secret(
            sessions in sessions(),
            random: SealRandom,
            callers in prop::array::uniform2("[a-z]{1,8}"),
            routes in prop::array::uniform2("[a-z]{0,8}"),
        ) {
            let sessions: Vec<UpstreamSession> = sessions
                .into_iter()
                .map(|(server, id)| UpstreamSession { server, id })
                .collect();
            let sealer = Sealer::new(b"secret");
            let digests = callers.each_ref().map(|caller| KeyDigest::of_key(caller.as_bytes()));
            let binding = SessionBinding { caller: &digests[0], route: &routes[0] };
            let sealed = sealer.seal(random, binding, &sessions);
            prop_assert!(sealed.bytes().all(|byte| byte.is_ascii_graphic()));
            for (caller, digest) in callers.iter().zip(&digests) {
                for route in &routes {
                    let opened = sealer.open(SessionBinding { caller: digest, route }, &sealed);
                    let is_own = *caller == callers[0] && *route == routes[0];
                    prop_assert!(opened == is_own.then(|| sessions.clone()));
                }
            }
            prop_assert!(Sealer::new(b"another secret").open(binding, &sealed).is_none());
        }

        #[test]
        fn a_changed_or_truncated_id_does_not_open(
            random: SealRandom,
            at: prop::sample::Index,
            to in "[A-Za-z0-9_-]",
            text in "\\PC{0,60}",
        ) {
            let (sealer, caller) = (Sealer::new(b"secret"), KeyDigest::of_key(b"k"));
            let binding = SessionBinding { caller: &caller, route: "alpha" };
            let sealed = sealer.seal(random, binding, &session("s1"));
            let at = at.index(sealed.len());
            let changed = format!("{}{to}{}", &sealed[..at], &sealed[at + 1..]);
            prop_assert!(changed == sealed || sealer.open(binding, &changed).is_none());
            prop_assert!(sealer.open(binding, &sealed[..at]).is_none());
            prop_assert!(sealer.open(binding, &text).is_none());
        }

        #[test]
        fn a_sealed_id_does_not_show_the_upstreams_id(
            random: SealRandom,
            id in "[!-~]{16,40}",
        ) {
            let caller = KeyDigest::of_key(b"k");
            let binding = SessionBinding { caller: &caller, route: "alpha" };
            let sealed = Sealer::new(b"secret").seal(random, binding, &session(&id));
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed).unwrap();
            let shown = bytes.windows(id.len()).any(|part| part == id.as_bytes());
            prop_assert!(!sealed.contains(&id) && !shown);
        }
    }
}
