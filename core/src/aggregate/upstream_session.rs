//! Decides in which session one server of an aggregate endpoint is sent a message, and when a
//! session is over.
//!
//! How a session is opened is not known here.

use http::{HeaderValue, StatusCode};

use super::operation::ClientSessions;
use crate::{protocol_version::ProtocolVersion, status::Failure};

/// The session with one server for the length of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamSessionState {
    /// The client has not opened this server.
    NotOpened,
    /// The client opened the server; the id is absent if the server keeps no session.
    OpenedByClient(Option<HeaderValue>),
    /// The gateway opened the server for this request alone, and ends the session after it.
    OpenedForRequest(Option<HeaderValue>),
}

impl UpstreamSessionState {
    /// The session that the client has with the server of this name.
    #[must_use]
    pub fn of_client(sessions: &ClientSessions, server: &str) -> Self {
        match sessions.get(server) {
            None => Self::NotOpened,
            Some(id) if id.is_empty() => Self::OpenedByClient(None),
            Some(id) => Self::OpenedByClient(HeaderValue::try_from(id).ok()),
        }
    }

    /// The session id as the server knows it.
    #[must_use]
    pub const fn id(&self) -> Option<&HeaderValue> {
        match self {
            Self::NotOpened => None,
            Self::OpenedByClient(id) | Self::OpenedForRequest(id) => id.as_ref(),
        }
    }

    /// The value of `Mcp-Session-Id` for a server of this version. A stateless version has no
    /// sessions.
    #[must_use]
    pub fn field_value(&self, version: ProtocolVersion) -> Option<HeaderValue> {
        self.id().filter(|_| !version.is_stateless()).cloned()
    }

    /// Whether a server of this version has to be opened before it is sent a message.
    #[must_use]
    pub fn must_be_opened(&self, version: ProtocolVersion) -> bool {
        *self == Self::NotOpened && !version.is_stateless()
    }

    /// Whether a response with this status means that the server has lost the client's session
    /// (STA-14).
    #[must_use]
    pub fn is_lost(&self, status: StatusCode) -> bool {
        status == StatusCode::NOT_FOUND && matches!(self, Self::OpenedByClient(Some(_)))
    }
}

/// Whether the answer to DELETE leaves no session to end: the server does not know the session, or
/// ends none (405).
#[must_use]
pub fn is_already_ended(failure: Failure) -> bool {
    let Failure::UpstreamStatus(status) = failure else { return false };
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION_BASED: ProtocolVersion = ProtocolVersion::V2025_11_25;
    const STATELESS: ProtocolVersion = ProtocolVersion::V2026_07_28;

    fn id() -> Option<HeaderValue> {
        Some(HeaderValue::from_static("s1"))
    }

    #[test]
    fn an_empty_id_stands_for_a_server_without_a_session() {
        let sessions = [("alpha", "s1"), ("beta", "")]
            .map(|(server, id)| (server.to_owned(), id.to_owned()))
            .into();
        for (server, state) in [
            ("alpha", UpstreamSessionState::OpenedByClient(id())),
            ("beta", UpstreamSessionState::OpenedByClient(None)),
            ("gamma", UpstreamSessionState::NotOpened),
        ] {
            assert_eq!(UpstreamSessionState::of_client(&sessions, server), state, "{server}");
        }
    }

    #[test]
    fn a_stateless_server_is_neither_opened_nor_sent_a_session() {
        assert!(UpstreamSessionState::NotOpened.must_be_opened(SESSION_BASED));
        assert!(!UpstreamSessionState::NotOpened.must_be_opened(STATELESS));
        let opened = UpstreamSessionState::OpenedByClient(id());
        assert!(!opened.must_be_opened(SESSION_BASED));
        assert_eq!(opened.field_value(SESSION_BASED), id());
        assert_eq!(opened.field_value(STATELESS), None);
    }

    #[test]
    fn only_a_404_in_a_session_of_the_client_loses_it() {
        let (client, request) = (
            UpstreamSessionState::OpenedByClient(id()),
            UpstreamSessionState::OpenedForRequest(id()),
        );
        assert!(client.is_lost(StatusCode::NOT_FOUND));
        assert!(!client.is_lost(StatusCode::BAD_REQUEST));
        assert!(!request.is_lost(StatusCode::NOT_FOUND));
        assert!(!UpstreamSessionState::OpenedByClient(None).is_lost(StatusCode::NOT_FOUND));
    }

    #[test]
    fn a_session_that_cannot_be_ended_counts_as_ended() {
        for (failure, is_ended) in [
            (Failure::UpstreamStatus(StatusCode::NOT_FOUND), true),
            (Failure::UpstreamStatus(StatusCode::METHOD_NOT_ALLOWED), true),
            (Failure::UpstreamStatus(StatusCode::SERVICE_UNAVAILABLE), false),
            (Failure::Unauthorized, false),
        ] {
            assert_eq!(is_already_ended(failure), is_ended, "{failure:?}");
        }
    }
}
