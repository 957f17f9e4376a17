//! Decides who the caller is, and which credential of a request is meant for whom.
//!
//! A request carries a gateway key, which admits the caller and is never forwarded, and upstream
//! tokens: one for all token-forwarding servers, or one for a single server. A value that equals a
//! gateway key is always treated as a gateway key (CRD-02). Which servers the caller may use is
//! decided elsewhere.

mod authorization;
mod key;
#[cfg(test)]
mod tests;

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec::Vec};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

pub use self::{
    authorization::{AuthScheme, Authorization, UpstreamToken},
    key::KeyDigest,
};

use self::authorization::{parse, without_bearer};
use crate::{access::CallerId, fields::single_line};

/// The gateway keys, and the header field in which clients send one.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// The gateway-key header field. Its value may have a `Bearer ` prefix.
    pub header: HeaderName,
    /// One digest for each caller. The position is the [`CallerId`].
    keys: Vec<KeyDigest>,
    callers: BTreeMap<KeyDigest, CallerId>,
}

/// A caller with a valid gateway key, and the upstream tokens of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The caller.
    pub caller: CallerId,
    /// The content of `Authorization`, which is meant for every token-forwarding server.
    pub authorization: Authorization,
    /// The content of each `x-mcp-SERVER-authorization` field, by the server's name in lower case
    /// (CRD-11).
    pub server_authorizations: BTreeMap<String, Authorization>,
    /// Whether one of these fields contained a gateway key, which the gateway therefore does not
    /// forward.
    pub key_removed: bool,
}

impl Admitted {
    /// The content of the field that is meant for this server only. It takes precedence over
    /// [`Self::authorization`] (CRD-11).
    #[must_use]
    pub fn authorization_for(&self, server: &str) -> Option<&Authorization> {
        self.server_authorizations.get(&server.to_ascii_lowercase())
    }
}

/// Why a caller is not admitted. The gateway has sent nothing to any upstream (CRD-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The request has no gateway key.
    MissingKey,
    /// The gateway key is not in the configuration.
    UnknownKey,
    /// A credential field has two lines, so it is not clear which one is meant (CRD-06).
    MultipleAuthorizations,
    /// The gateway-key field has two lines.
    MultipleKeys,
    /// A credential field contains bytes that no credential has, or two credentials in one line
    /// (CRD-06, CRD-14).
    MalformedAuthorization,
    /// The request has two different valid gateway keys, so it is not clear who the caller is
    /// (CRD-15).
    ConflictingKeys,
}

/// The server's name in the name of an `x-mcp-SERVER-authorization` field, in lower case as field
/// names are. `None` for other fields.
#[must_use]
pub fn server_of_credential_header(header: &HeaderName) -> Option<&str> {
    header.as_str().strip_prefix("x-mcp-")?.strip_suffix("-authorization")
}

/// The content of a credential field, and the caller whose gateway key it is.
struct CredentialField {
    authorization: Authorization,
    key_of: Option<CallerId>,
}

impl Keyring {
    /// The keyring of these keys: one for each caller, at most 65,536. If two are equal, the key
    /// admits the first of their callers.
    #[must_use]
    pub fn new(header: HeaderName, keys: Vec<KeyDigest>) -> Self {
        let mut callers = BTreeMap::new();
        for (key, caller) in keys.iter().zip((0..).map(CallerId)) {
            callers.entry(key.clone()).or_insert(caller);
        }
        Self { header, keys, callers }
    }

    /// The digest of a caller's key.
    ///
    /// # Panics
    /// The id does not come from this keyring.
    #[must_use]
    pub fn key_of(&self, caller: CallerId) -> &KeyDigest {
        &self.keys[usize::from(caller.0)]
    }

    /// Admits a caller by the header fields of its request.
    ///
    /// The gateway key is in its own field or, if that field is absent, in `Authorization`.
    /// Everything else in the credential fields is an upstream token, unless it equals a gateway
    /// key of any caller (CRD-01 to CRD-04).
    ///
    /// # Errors
    /// The reason for the rejection. The form of the fields is checked first, the key second
    /// (STA-19).
    pub fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Rejection> {
        let key = single_line(headers, &self.header).map_err(|_| Rejection::MultipleKeys)?;
        let CredentialField { authorization, key_of } = self.read(headers, &AUTHORIZATION)?;
        let mut keys_found: Vec<CallerId> = key_of.into_iter().collect();
        let mut server_authorizations = BTreeMap::new();
        for header in headers.keys() {
            if let Some(server) = server_of_credential_header(header) {
                let field = self.read(headers, header)?;
                keys_found.extend(field.key_of);
                server_authorizations.insert(server.to_owned(), field.authorization);
            }
        }
        let key = key.or_else(|| headers.get(AUTHORIZATION)).ok_or(Rejection::MissingKey)?;
        let caller = self.caller(without_bearer(key.as_bytes())).ok_or(Rejection::UnknownKey)?;
        if keys_found.iter().any(|other| *other != caller) {
            return Err(Rejection::ConflictingKeys);
        }
        Ok(Admitted {
            caller,
            authorization,
            server_authorizations,
            key_removed: !keys_found.is_empty(),
        })
    }

    /// Reads a credential field. A field that contains a gateway key counts as absent.
    fn read(&self, headers: &HeaderMap, name: &HeaderName) -> Result<CredentialField, Rejection> {
        let line = single_line(headers, name).map_err(|_| Rejection::MultipleAuthorizations)?;
        let Some(value) = line else {
            return Ok(CredentialField { authorization: Authorization::Absent, key_of: None });
        };
        let authorization = parse(value).map_err(|_| Rejection::MalformedAuthorization)?;
        let key_of = self.caller_of_key_in(value);
        Ok(CredentialField {
            authorization: if key_of.is_some() { Authorization::Absent } else { authorization },
            key_of,
        })
    }

    /// The caller whose gateway key the value contains: as a bearer token, as the credential of the
    /// `Basic` scheme, or in such a credential as user name or password.
    fn caller_of_key_in(&self, value: &HeaderValue) -> Option<CallerId> {
        if let Some(caller) = self.caller(without_bearer(value.as_bytes())) {
            return Some(caller);
        }
        let credential = value.as_bytes().get(b"Basic ".len()..)?.trim_ascii();
        let decoded = BASE64_STANDARD.decode(credential).unwrap_or_default();
        let mut parts = [credential].into_iter().chain(decoded.splitn(2, |byte| *byte == b':'));
        parts.find_map(|part| self.caller(part))
    }

    /// The caller with this gateway key. The time depends on the digest only, which a client cannot
    /// choose, so it says nothing about other keys (SEC-14).
    fn caller(&self, key: &[u8]) -> Option<CallerId> {
        self.callers.get(&KeyDigest::of_key(key)).copied()
    }
}
