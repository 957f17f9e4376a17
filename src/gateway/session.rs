//! Gives clients sealed ids for the sessions that upstreams issue, and takes them back.
//!
//! What is sealed, and for whom it opens, is the core's to say.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};

use super::Gateway;
use crate::core::{
    access::{CallerId, ServerId},
    protocol_version::ProtocolVersion,
    session::{SealRandom, Sealer, SessionBinding, UpstreamSession},
    status::Failure,
};

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// A sealer with a secret that nobody knows: what it seals is lost with this process.
pub(super) fn forgetful() -> Sealer {
    Sealer::new(&random::<32>())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// The session that a request is part of, by both of its names.
pub(super) struct Held {
    sealed: HeaderValue,
    /// As the upstream knows it.
    pub(super) id: HeaderValue,
}

/// The session that a client names, or nothing where it names none. A revision without sessions ignores the field.
pub(super) fn held(
    gateway: &Gateway,
    caller: CallerId,
    server: ServerId,
    headers: &HeaderMap,
) -> Result<Option<Held>, Failure> {
    let Some(sealed) = named(headers)? else { return Ok(None) };
    let binding = &gateway.config.server(server).name;
    let opened = sealed
        .to_str()
        .ok()
        .and_then(|id| gateway.sealer.open(bound(gateway, caller, binding), id));
    let id = match opened.as_deref() {
        Some([session]) => HeaderValue::try_from(&session.id).ok(),
        _ => None,
    };
    id.map(|id| Some(Held { sealed: sealed.clone(), id }))
        .ok_or(Failure::UnknownSession)
}

/// What a client is to know a session by: as before, if it is the one that it named.
pub(super) fn sealed(
    gateway: &Gateway,
    caller: CallerId,
    server: ServerId,
    held: Option<&Held>,
    issued: &HeaderValue,
) -> Option<HeaderValue> {
    if let Some(held) = held.filter(|held| held.id == *issued) {
        return Some(held.sealed.clone());
    }
    let session = UpstreamSession {
        server: gateway.config.server(server).name.clone(),
        id: issued.to_str().ok()?.to_owned(),
    };
    let random: SealRandom = random();
    HeaderValue::try_from(gateway.sealer.seal(
        random,
        bound(gateway, caller, &session.server),
        std::slice::from_ref(&session),
    ))
    .ok()
}

/// The sessions that a client of several servers names, by server; an empty id is that of a server which keeps none. Nothing where it
/// names none.
pub(super) fn held_several(
    gateway: &Gateway,
    caller: CallerId,
    binding: &str,
    headers: &HeaderMap,
) -> Result<BTreeMap<String, String>, Failure> {
    let Some(sealed) = named(headers)? else {
        return Ok(BTreeMap::new());
    };
    let opened = sealed
        .to_str()
        .ok()
        .and_then(|id| gateway.sealer.open(bound(gateway, caller, binding), id));
    let sessions = opened.ok_or(Failure::UnknownSession)?;
    Ok(sessions.into_iter().map(|session| (session.server, session.id)).collect())
}

/// What a client of several servers is to know its sessions by.
pub(super) fn sealed_several(
    gateway: &Gateway,
    caller: CallerId,
    binding: &str,
    sessions: &[UpstreamSession],
) -> HeaderValue {
    let sealed = gateway.sealer.seal(random(), bound(gateway, caller, binding), sessions);
    HeaderValue::try_from(sealed).expect("letters, digits, `-` and `_` are a header value")
}

/// The one line that names a session. A revision without sessions ignores the field.
fn named(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Failure> {
    let mut lines = headers.get_all(SESSION).iter();
    let Some(sealed) =
        lines.next().filter(|_| !ProtocolVersion::V2026_07_28.is_declared_in(headers))
    else {
        return Ok(None);
    };
    if lines.next().is_some() {
        Err(Failure::UnknownSession)
    } else {
        Ok(Some(sealed))
    }
}

fn bound<'b>(gateway: &'b Gateway, caller: CallerId, binding: &'b str) -> SessionBinding<'b> {
    SessionBinding {
        caller: &gateway.config.keyring.keys[usize::from(caller.0)],
        route: binding,
    }
}
