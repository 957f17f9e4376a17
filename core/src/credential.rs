//! Decides which credential a server is sent in `Authorization`, and who can replace that
//! credential.
//!
//! The owner matters when the server refuses the credential: a caller can only replace its own
//! token (STA-11). How the gateway obtains its own credentials is decided elsewhere.

use http::HeaderValue;

use super::{
    access::ServerId,
    admission::{AuthScheme, Authorization, UpstreamToken},
};

/// The kind of a server: where its credential comes from. Forwarding the caller's token is opt-in
/// (SEC-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind<'c> {
    /// The server is sent the caller's token, if the token uses one of these authentication schemes
    /// (CRD-08).
    TokenForwarding(&'c [AuthScheme]),
    /// The server is sent a fixed bearer token from the configuration.
    StaticCredential,
    /// The server is sent a bearer token that the gateway obtains with client credentials (RFC 6749
    /// §4.4).
    ClientCredentials,
    /// The server is sent no credential.
    NoCredential,
}

/// The credential of one request to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The caller's token. It is the only credential that is probed (GATE-04, GATE-05).
    Forwarded(UpstreamToken),
    /// None: the server is a token-forwarding server and the caller sent no token. The server
    /// decides whether it requires one (GATE-06, STA-03).
    Missing,
    /// The fixed bearer token of the configuration.
    Static,
    /// A bearer token that the gateway obtained with client credentials.
    ClientCredentials,
    /// None, by configuration.
    None,
}

/// The `Authorization` field contains nothing that the server may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableAuthorization;

/// Assigns the credential of a request to a server of this kind (CRD-12, CRD-13).
///
/// # Errors
/// The server is a token-forwarding server, and `Authorization` contains no token of an accepted
/// scheme. Sending the request without a token would hide the client's mistake (CRD-14).
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

/// Whether two servers are in the same protection space, so that they accept the same tokens
/// (AGG-04). Each server comes with the protection space of its configuration. A server without one
/// is in a space of its own.
#[must_use]
pub fn share_protection_space(
    one: (ServerId, Option<&str>),
    other: (ServerId, Option<&str>),
) -> bool {
    one.0 == other.0 || one.1.is_some() && one.1 == other.1
}

/// Who can replace a credential that a server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller, who sent this token.
    CallerWithToken,
    /// The caller, who sent no token.
    CallerWithoutToken,
    /// The operator of the gateway.
    Gateway,
}

impl Credential {
    /// Who can replace this credential.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self {
            Self::Forwarded(_) => Owner::CallerWithToken,
            Self::Missing => Owner::CallerWithoutToken,
            Self::Static | Self::ClientCredentials | Self::None => Owner::Gateway,
        }
    }

    /// The caller's token, if the server is sent it.
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
    use super::{
        super::admission::{KeyDigest, Keyring},
        *,
    };

    const BEARER: ServerKind<'static> = ServerKind::TokenForwarding(&[AuthScheme::Bearer]);

    fn parsed(authorization: &'static str) -> Authorization {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static(authorization));
        headers.insert("x-key", HeaderValue::from_static("k"));
        let keyring =
            Keyring::new(http::HeaderName::from_static("x-key"), vec![KeyDigest::of_key(b"k")]);
        keyring.admit(&headers).unwrap().authorization
    }

    #[test]
    fn only_a_token_forwarding_server_is_sent_the_callers_token() {
        for kind in [
            BEARER,
            ServerKind::StaticCredential,
            ServerKind::ClientCredentials,
            ServerKind::NoCredential,
        ] {
            let assigned = assign(kind, &parsed("Bearer eyJ")).unwrap();
            assert_eq!(assigned.forwarded().is_some(), kind == BEARER, "{kind:?}");
            assert_eq!(assigned.owner() == Owner::Gateway, kind != BEARER, "{kind:?}");
        }
    }

    #[test]
    fn a_token_is_forwarded_only_if_its_scheme_is_accepted() {
        let basic = parsed("Basic dXNlcjpwYXNz");
        assert_eq!(assign(BEARER, &basic), Err(UnusableAuthorization));
        let both = ServerKind::TokenForwarding(&[AuthScheme::Basic, AuthScheme::Bearer]);
        assert_eq!(assign(both, &basic).unwrap().forwarded().unwrap(), "Basic dXNlcjpwYXNz");
        assert_eq!(assign(ServerKind::StaticCredential, &basic), Ok(Credential::Static));
    }

    #[test]
    fn servers_share_a_protection_space_only_if_both_declare_it() {
        let [one, other] = [ServerId(0), ServerId(1)];
        for (ours, theirs, shared) in [
            (None, None, false),
            (Some("corp"), None, false),
            (Some("corp"), Some("lab"), false),
            (Some("corp"), Some("corp"), true),
        ] {
            assert_eq!(share_protection_space((one, ours), (other, theirs)), shared);
            assert_eq!(share_protection_space((other, theirs), (one, ours)), shared);
        }
        assert!(
            share_protection_space((one, None), (one, None)),
            "a server accepts its own tokens"
        );
    }

    #[test]
    fn an_unusable_field_matters_only_to_a_token_forwarding_server() {
        assert_eq!(assign(BEARER, &Authorization::Unusable), Err(UnusableAuthorization));
        let assigned = assign(ServerKind::StaticCredential, &Authorization::Unusable);
        assert_eq!(assigned, Ok(Credential::Static));
    }
}
