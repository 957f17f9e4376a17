//! Holds what is known of a caller after admission, or why it is not admitted.

use http::HeaderValue;

use crate::cases::deployment::ConfiguredServer;

/// An admitted caller.
#[derive(Clone)]
pub(super) struct Caller {
    /// The key that admits it, to which its sessions are bound.
    pub(super) key: GatewayKey,
    /// The `Authorization` to forward, byte for byte.
    pub(super) token: Option<HeaderValue>,
}

impl Caller {
    /// Whether the key opens every server.
    pub(super) fn has_full_access(&self) -> bool {
        self.key == GatewayKey::Full
    }

    /// Whether the key opens this server.
    pub(super) fn may_use(&self, server: &ConfiguredServer) -> bool {
        self.has_full_access() || server.granted
    }
}

/// The configured gateway keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GatewayKey {
    /// Opens every server.
    Full,
    /// Opens the granted servers.
    Limited,
    /// A bearer in the form of a JSON Web Token; opens the granted servers.
    JsonWebToken,
}

/// Why a request is not admitted.
#[derive(Clone, Copy)]
pub(super) enum AdmissionError {
    /// The credentials are malformed or contradict each other: 400.
    Malformed(&'static str),
    /// There is no valid gateway key: 401.
    InvalidKey,
    /// The key is valid, but `Authorization` has no bearer token: 401.
    NoBearerToken,
}
