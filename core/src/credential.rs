//! Decides what a server is sent in `Authorization`, and whose credential that is.
//!
//! The ownership matters later: the caller can cure the refusal of its own token and nobody else's (STA-11). How a credential is
//! obtained is not decided here.

use http::HeaderValue;

use super::{
    access::ServerId,
    admission::{AuthScheme, Authorization, UpstreamToken},
};

/// What the configuration says about a server's credential. Forwarding is opt-in (SEC-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind<'c> {
    /// The caller's token is handed on, if it comes by one of these schemes (CRD-08).
    TokenForwarding(&'c [AuthScheme]),
    /// A fixed bearer from the configuration.
    StaticCredential,
    /// A bearer minted from client credentials (RFC 6749 §4.4).
    ClientCredentials,
    /// No credential.
    NoCredential,
}

/// What one request to one server carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The caller's own token; only it is probed with (GATE-04, GATE-05).
    Forwarded(UpstreamToken),
    /// A forwarding server, and a caller without a token: the server itself says whether it wants one (GATE-06, STA-03).
    Missing,
    /// The fixed bearer of the configuration.
    Static,
    /// A minted bearer.
    ClientCredentials,
    /// Nothing, by configuration.
    None,
}

/// The caller presented something that this upstream may not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableAuthorization;

/// Assigns a credential to a request (CRD-12, CRD-13).
///
/// # Errors
/// A forwarding server and an `Authorization` without a token of a scheme for it: asking the upstream without it would hide the caller's
/// mistake (CRD-14).
pub fn assign(
    kind: ServerKind<'_>,
    authorization: &Authorization,
) -> Result<Credential, UnusableAuthorization> {
    match (kind, authorization) {
        (ServerKind::TokenForwarding(schemes), Authorization::Token(token))
            if schemes.contains(&token.scheme) =>
        {
            Ok(Credential::Forwarded(token.clone()))
        }
        (ServerKind::TokenForwarding(_), Authorization::Absent) => Ok(Credential::Missing),
        (ServerKind::TokenForwarding(_), Authorization::Token(_) | Authorization::Unusable) => {
            Err(UnusableAuthorization)
        }
        (ServerKind::StaticCredential, _) => Ok(Credential::Static),
        (ServerKind::ClientCredentials, _) => Ok(Credential::ClientCredentials),
        (ServerKind::NoCredential, _) => Ok(Credential::None),
    }
}

/// Whether two servers, each with the protection space that it is declared to be in, take the same tokens (AGG-04). A server without one
/// is a space of its own.
#[must_use]
pub fn share_protection_space(
    one: (ServerId, Option<&str>),
    other: (ServerId, Option<&str>),
) -> bool {
    one.0 == other.0 || one.1.is_some() && one.1 == other.1
}

/// Who can do something about a refused credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller, who sent this token.
    CallerWithToken,
    /// The caller, who sent none.
    CallerWithoutToken,
    /// Whoever configures the gateway.
    Gateway,
}

impl Credential {
    /// Whose refusal it is when the server refuses this.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self {
            Self::Forwarded(_) => Owner::CallerWithToken,
            Self::Missing => Owner::CallerWithoutToken,
            Self::Static | Self::ClientCredentials | Self::None => Owner::Gateway,
        }
    }

    /// The caller's token, where this server is sent it.
    #[must_use]
    pub fn forwarded(&self) -> Option<HeaderValue> {
        match self {
            Self::Forwarded(token) => Some(token.header_value()),
            Self::Missing | Self::Static | Self::ClientCredentials | Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEARER: ServerKind<'static> = ServerKind::TokenForwarding(&[AuthScheme::Bearer]);

    fn presented(authorization: &'static str) -> Authorization {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static(authorization));
        headers.insert("x-key", HeaderValue::from_static("k"));
        let keyring = super::super::admission::Keyring {
            header: http::HeaderName::from_static("x-key"),
            keys: vec![super::super::admission::KeyDigest::of_key(b"k")],
        };
        keyring.admit(&headers).unwrap().authorization
    }

    #[test]
    fn only_a_forwarding_server_ever_gets_the_callers_token() {
        for kind in [
            BEARER,
            ServerKind::StaticCredential,
            ServerKind::ClientCredentials,
            ServerKind::NoCredential,
        ] {
            let assigned = assign(kind, &presented("Bearer eyJ")).unwrap();
            assert_eq!(assigned.forwarded().is_some(), kind == BEARER, "{kind:?}");
            assert_eq!(assigned.owner() == Owner::Gateway, kind != BEARER, "{kind:?}");
        }
    }

    #[test]
    fn a_scheme_is_forwarded_only_where_it_is_allowed() {
        let basic = presented("Basic dXNlcjpwYXNz");
        assert_eq!(assign(BEARER, &basic), Err(UnusableAuthorization));
        let both = ServerKind::TokenForwarding(&[AuthScheme::Basic, AuthScheme::Bearer]);
        assert_eq!(assign(both, &basic).unwrap().forwarded().unwrap(), "Basic dXNlcjpwYXNz");
        assert_eq!(assign(ServerKind::StaticCredential, &basic), Ok(Credential::Static));
    }

    #[test]
    fn tokens_are_shared_within_a_space_that_both_are_declared_to_be_in() {
        let [one, other] = [ServerId(0), ServerId(1)];
        for (ours, theirs, shared) in [
            (None, None, false),
            (Some("corp"), None, false),
            (Some("corp"), Some("lab"), false),
            (Some("corp"), Some("corp"), true),
        ] {
            assert_eq!(
                share_protection_space((one, ours), (other, theirs)),
                shared,
                "{ours:?} {theirs:?}"
            );
            assert_eq!(
                share_protection_space((other, theirs), (one, ours)),
                shared,
                "{theirs:?} {ours:?}"
            );
        }
        assert!(
            share_protection_space((one, None), (one, None)),
            "a server takes its own tokens"
        );
    }

    #[test]
    fn an_unusable_header_only_matters_where_it_would_be_forwarded() {
        assert_eq!(assign(BEARER, &Authorization::Unusable), Err(UnusableAuthorization));
        assert_eq!(
            assign(ServerKind::StaticCredential, &Authorization::Unusable),
            Ok(Credential::Static)
        );
    }
}
