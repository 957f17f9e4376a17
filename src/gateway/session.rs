//! Opens the session ids that clients send, and seals those that upstreams issue.
//!
//! What is sealed, and for which caller and endpoint it opens, is decided in the core.

use std::slice;

use http::{HeaderMap, HeaderValue};

use super::{random::random_bytes, state::Gateway};
use crate::core::{
    access::{CallerId, ServerId},
    aggregate::operation::ClientSessions,
    exchange::declared_session,
    session::{SessionBinding, UpstreamSession},
    status::Failure,
};

/// The session of a request to a single-server endpoint.
pub(super) struct ClientSession {
    /// The id as the client knows it.
    sealed_id: HeaderValue,
    /// The id as the upstream knows it.
    pub(super) upstream_id: HeaderValue,
}

/// Opens the session that a client names on a single-server endpoint, or `None` if it names none.
///
/// # Errors
/// The id was not issued to this caller for this server, or the field has several lines.
pub(super) fn open_session(
    gateway: &Gateway,
    caller: CallerId,
    server: ServerId,
    headers: &HeaderMap,
) -> Result<Option<ClientSession>, Failure> {
    let Some(sealed_id) = declared_session(headers)? else {
        return Ok(None);
    };
    let binding = binding(gateway, caller, gateway.server_name(server));
    let opened = sealed_id.to_str().ok().and_then(|id| gateway.sealer.open(binding, id));
    let upstream_id = match opened.as_deref() {
        Some([session]) => HeaderValue::try_from(&session.id).ok(),
        Some(_) | None => None,
    };
    let upstream_id = upstream_id.ok_or(Failure::UnknownSession)?;
    Ok(Some(ClientSession { sealed_id: sealed_id.clone(), upstream_id }))
}

/// The session id for the client; unchanged if the upstream repeated the id that the client named.
pub(super) fn seal_session(
    gateway: &Gateway,
    caller: CallerId,
    server: ServerId,
    named: Option<&ClientSession>,
    issued: &HeaderValue,
) -> Option<HeaderValue> {
    if let Some(session) = named.filter(|session| session.upstream_id == *issued) {
        return Some(session.sealed_id.clone());
    }
    let session = UpstreamSession {
        server: gateway.server_name(server).to_owned(),
        id: issued.to_str().ok()?.to_owned(),
    };
    let binding = binding(gateway, caller, &session.server);
    Some(seal(gateway, binding, slice::from_ref(&session)))
}

/// Opens the sessions that a client names on an aggregate endpoint; empty if it names none.
///
/// # Errors
/// The id was not issued to this caller for this endpoint, or the field has several lines.
pub(super) fn open_aggregate_sessions(
    gateway: &Gateway,
    caller: CallerId,
    endpoint: &str,
    headers: &HeaderMap,
) -> Result<ClientSessions, Failure> {
    let Some(sealed_id) = declared_session(headers)? else {
        return Ok(ClientSessions::new());
    };
    let binding = binding(gateway, caller, endpoint);
    let opened = sealed_id.to_str().ok().and_then(|id| gateway.sealer.open(binding, id));
    let sessions = opened.ok_or(Failure::UnknownSession)?;
    Ok(sessions.into_iter().map(|session| (session.server, session.id)).collect())
}

/// The session id for a client of an aggregate endpoint.
pub(super) fn seal_aggregate_sessions(
    gateway: &Gateway,
    caller: CallerId,
    endpoint: &str,
    sessions: &[UpstreamSession],
) -> HeaderValue {
    seal(gateway, binding(gateway, caller, endpoint), sessions)
}

fn seal(
    gateway: &Gateway,
    binding: SessionBinding<'_>,
    sessions: &[UpstreamSession],
) -> HeaderValue {
    HeaderValue::try_from(gateway.sealer.seal(random_bytes(), binding, sessions))
        .expect("letters, digits, `-` and `_` are a field value")
}

/// `endpoint` is a server name, or the path of an aggregate endpoint.
fn binding<'b>(gateway: &'b Gateway, caller: CallerId, endpoint: &'b str) -> SessionBinding<'b> {
    SessionBinding {
        caller: gateway.config.keyring.key_of(caller),
        route: endpoint,
    }
}
