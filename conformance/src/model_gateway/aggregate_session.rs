//! Holds the session of an aggregate endpoint.

use http::HeaderValue;

/// The session of an aggregate endpoint.
#[derive(Clone)]
pub(super) struct AggregateSession {
    /// Whether the key that opened it opens every server.
    pub(super) full_access: bool,
    pub(super) path: String,
    /// The session of each server, by name.
    pub(super) parts: Vec<(String, HeaderValue)>,
}

impl AggregateSession {
    pub(super) fn part(&self, server: &str) -> Option<HeaderValue> {
        let part = self.parts.iter().find(|(name, _)| name == server);
        part.map(|(_, session)| session.clone())
    }
}
