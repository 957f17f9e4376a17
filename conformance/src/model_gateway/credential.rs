//! Decides which credential a server receives, and which fields of a client's request it receives.

use http::{
    HeaderName, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use url::Url;

use super::{client_request::ClientRequest, protocol::SESSION};
use crate::cases::{
    axis::ServerKind,
    deployment::{ConfiguredServer, Deployment},
};

/// The fields of a client's request that are forwarded (CRD-10).
const FORWARDED_FIELDS: [HeaderName; 7] = [
    ACCEPT,
    CONTENT_TYPE,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("mcp-method"),
    HeaderName::from_static("mcp-name"),
    HeaderName::from_static("mcp-protocol-version"),
    SESSION,
];

/// Whether a field of the client's request is forwarded (CRD-10).
pub(super) fn is_forwarded(name: &HeaderName) -> bool {
    FORWARDED_FIELDS.contains(name)
}

/// The credential that a server receives.
#[derive(Clone)]
pub(super) enum Credential {
    /// The caller's token, byte for byte.
    Forwarded(HeaderValue),
    /// The gateway's own: static, or from the token endpoint.
    Own(HeaderValue),
    None,
}

/// Whose credential a server receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialSource {
    Caller,
    Gateway,
    None,
}

/// Whose credential a server of this kind receives (CRD-01, CRD-12, CRD-13).
pub(super) fn credential_source(kind: ServerKind) -> CredentialSource {
    match kind {
        ServerKind::Forwarding | ServerKind::NotPermitted => CredentialSource::Caller,
        ServerKind::Static | ServerKind::ClientCredentials => CredentialSource::Gateway,
        ServerKind::Open | ServerKind::Unknown | ServerKind::Aggregate => CredentialSource::None,
    }
}

/// What a forwarded request is made from.
pub(super) struct Forwarding<'a> {
    pub(super) client: &'a ClientRequest,
    pub(super) server: &'a ConfiguredServer,
    pub(super) credential: &'a Credential,
    pub(super) deployment: &'a Deployment,
}

/// Whether the caller's token is meant for this server.
pub(super) fn forwards_token(server: &ConfiguredServer) -> bool {
    matches!(server.kind, ServerKind::Forwarding | ServerKind::NotPermitted)
}

/// Whether a caller's token would leave this machine without TLS (OAuth 2.1 §1.5).
pub(super) fn sends_cleartext(server: &ConfiguredServer) -> bool {
    let Ok(url) = Url::parse(&server.url) else { return false };
    let is_local = url
        .host_str()
        .is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&host));
    forwards_token(server) && url.scheme() == "http" && !is_local
}
