//! Gives clients sealed ids for the sessions that upstreams issue, and takes them back.
//!
//! What is sealed, and for whom it opens, is the core's to say.

use http::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};

use super::Gateway;
use crate::core::{
    access::{CallerId, ServerId},
    preflight::Era,
    session::{Bound, Random, Sealer, Session},
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
pub(super) fn held(gateway: &Gateway, caller: CallerId, server: ServerId, headers: &HeaderMap) -> Result<Option<Held>, Failure> {
    let mut lines = headers.get_all(SESSION).iter();
    let Some(sealed) = lines.next().filter(|_| !Era::July2026.is_named(headers)) else { return Ok(None) };
    let opened =
        sealed.to_str().ok().filter(|_| lines.next().is_none()).and_then(|id| gateway.sealer.open(bound(gateway, caller, server), id));
    let id = match opened.as_deref() {
        Some([session]) => HeaderValue::try_from(&session.id).ok(),
        _ => None,
    };
    id.map(|id| Some(Held { sealed: sealed.clone(), id })).ok_or(Failure::NoSuchSession)
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
    let session = Session { server: gateway.config.server(server).name.clone(), id: issued.to_str().ok()?.to_owned() };
    let random: Random = random();
    HeaderValue::try_from(gateway.sealer.seal(random, bound(gateway, caller, server), &[session])).ok()
}

fn bound(gateway: &Gateway, caller: CallerId, server: ServerId) -> Bound<'_> {
    Bound { caller: &gateway.config.keyring.keys[usize::from(caller.0)], route: &gateway.config.server(server).name }
}
