//! Decides what the client receives for an upstream's response (STA-01 to STA-15, OPN-07 to
//! OPN-10).

use http::StatusCode;

use super::client_request::ClientRequest;

/// What the disposition of an upstream's response depends on.
pub(super) struct UpstreamHead<'a> {
    pub(super) status: StatusCode,
    /// Whether a successful response can be an MCP response (OPN-10).
    pub(super) is_mcp: bool,
    /// Whether the response has a challenge (CHL-18).
    pub(super) has_challenge: bool,
    pub(super) request: &'a ClientRequest,
}

/// What the client receives for an upstream's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// The 401 of the gateway for the server.
    Unauthorized,
    /// The 403 of the gateway for the server.
    Forbidden,
    /// 502, with the reason.
    BadGateway(&'static str),
    /// Another response, with status and message.
    Replace(StatusCode, &'static str),
    /// The upstream's response.
    Relay,
}

/// What the client receives for an upstream's response.
pub(super) fn disposition(head: &UpstreamHead<'_>) -> Disposition {
    match head.status {
        StatusCode::UNAUTHORIZED => Disposition::Unauthorized,
        StatusCode::FORBIDDEN => Disposition::Forbidden,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Disposition::BadGateway("is behind a proxy that rejects the gateway")
        }
        status if status.is_redirection() => Disposition::BadGateway("answered with a redirect"),
        status if status.is_success() && !head.is_mcp => {
            Disposition::BadGateway("gave a response that is not MCP")
        }
        _ => Disposition::Relay,
    }
}
