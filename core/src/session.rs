//! Decides which session ids a client is given, and which it may come back with: the upstreams' own, sealed (SEC-08).
//!
//! There is no table. Whoever has the secret opens what was sealed with it, so that every replica serves every session and a restart
//! loses none. A session is no authentication: the key and the token of each request are judged as if there were none (SEC-09).

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
    /// The server's name, because positions differ between replicas.
    pub server: String,
    /// What the server calls it.
    pub id: String,
}

/// Whom a sealed id is for: it opens for nobody else, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct SessionBinding<'b> {
    /// The key of the caller who was given it.
    pub caller: &'b KeyDigest,
    /// Where it was given: a server's name, or whatever no server is named.
    pub route: &'b str,
}

/// What makes each sealed id unlike every other: half of it goes into the key and half into the nonce, so that no number of sessions
/// comes near a repetition.
pub type SealRandom = [u8; 2 * NONCE_LEN];

/// Seals and opens session ids with a secret.
#[derive(Clone, Debug)]
pub struct Sealer(hmac::Key);

impl Sealer {
    /// A sealer with this secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Seals sessions into one id: text of letters, digits, `-` and `_`.
    #[must_use]
    pub fn seal(
        &self,
        random: SealRandom,
        bound: SessionBinding<'_>,
        sessions: &[UpstreamSession],
    ) -> String {
        let mut sealed = serde_json::to_vec(sessions).expect("a list of pairs of strings is JSON");
        let (key, nonce) = self.key(random);
        key.seal_in_place_append_tag(nonce, bound.data(), &mut sealed)
            .expect("no session id is gigabytes long");
        sealed.splice(..0, random);
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens a sealed id; `None` where it is not one, or was sealed for someone else, for somewhere else or with another secret.
    #[must_use]
    pub fn open(&self, bound: SessionBinding<'_>, id: &str) -> Option<Vec<UpstreamSession>> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(id).ok()?;
        let (random, sealed) = bytes.split_first_chunk()?;
        let (key, nonce) = self.key(*random);
        serde_json::from_slice(key.open_in_place(nonce, bound.data(), &mut sealed.to_vec()).ok()?)
            .ok()
    }

    /// A key for one id, and the nonce for its one use.
    fn key(&self, random: SealRandom) -> (LessSafeKey, Nonce) {
        let key = hmac::sign(&self.0, &random[..NONCE_LEN]);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref()).expect("both are 256 bits");
        let nonce = Nonce::try_assume_unique_for_key(&random[NONCE_LEN..])
            .expect("the half of it is as long");
        (LessSafeKey::new(key), nonce)
    }
}

impl SessionBinding<'_> {
    /// What the seal covers without holding it; the digest has one length, so that no two give the same bytes.
    fn data(self) -> Aad<Vec<u8>> {
        Aad::from([&self.caller.0, self.route.as_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sessions() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec(("[a-z0-9.-]{1,12}", "[!-~]{0,40}"), 0..4)
    }

    proptest! {
        #[test]
        fn a_sealed_id_opens_for_its_caller_on_its_route_and_for_nobody_else(
            list in sessions(), random: SealRandom, callers in prop::array::uniform2("[a-z]{1,8}"), routes in prop::array::uniform2("[a-z]{0,8}"),
        ) {
            let list: Vec<UpstreamSession> = list.into_iter().map(|(server, id)| UpstreamSession { server, id }).collect();
            let digests = callers.each_ref().map(|caller| KeyDigest::of_key(caller.as_bytes()));
            let sealed = Sealer::new(b"secret").seal(random, SessionBinding { caller: &digests[0], route: &routes[0] }, &list);
            prop_assert!(sealed.bytes().all(|byte| byte.is_ascii_graphic()));
            for (caller, digest) in callers.iter().zip(&digests) {
                for route in &routes {
                    let opened = Sealer::new(b"secret").open(SessionBinding { caller: digest, route }, &sealed);
                    let mine = *caller == callers[0] && *route == routes[0];
                    prop_assert!(opened == mine.then(|| list.clone()));
                }
            }
            let older = Sealer::new(b"older secret").open(SessionBinding { caller: &digests[0], route: &routes[0] }, &sealed);
            prop_assert!(older.is_none());
        }

        #[test]
        fn what_was_changed_or_cut_does_not_open(random: SealRandom, at: prop::sample::Index, to in "[A-Za-z0-9_-]", text in "\\PC{0,60}") {
            let (sealer, caller) = (Sealer::new(b"secret"), KeyDigest::of_key(b"k"));
            let bound = SessionBinding { caller: &caller, route: "alpha" };
            let sealed = sealer.seal(random, bound, &[UpstreamSession { server: "alpha".into(), id: "s1".into() }]);
            let at = at.index(sealed.len());
            let changed = format!("{}{to}{}", &sealed[..at], &sealed[at + 1..]);
            prop_assert!(changed == sealed || sealer.open(bound, &changed).is_none());
            prop_assert!(sealer.open(bound, &sealed[..at]).is_none());
            prop_assert!(sealer.open(bound, &text).is_none());
        }

        #[test]
        fn the_upstreams_id_does_not_show(random: SealRandom, id in "[!-~]{16,40}") {
            let bound = SessionBinding { caller: &KeyDigest::of_key(b"k"), route: "alpha" };
            let sealed = Sealer::new(b"secret").seal(random, bound, &[UpstreamSession { server: "alpha".into(), id: id.clone() }]);
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed).unwrap();
            prop_assert!(!sealed.contains(&id) && !bytes.windows(id.len()).any(|part| part == id.as_bytes()));
        }
    }
}
