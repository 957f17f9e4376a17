//! The digest under which the gateway stores a gateway key.

use sha2::{Digest, Sha256};

/// The SHA-256 digest of a gateway key. The gateway does not store keys in plain text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyDigest(pub [u8; 32]);

impl KeyDigest {
    /// Computes the digest of a key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}
