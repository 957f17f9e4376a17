//! The reasons why a request ends without the upstream's own response, and what follows from each
//! besides its status.

use http::StatusCode;

use crate::{
    admission::Rejection,
    outcome::{Cause, Outcome},
};

/// Why a request ends without the upstream's own response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The bytes of the request can be read in more than one way (SEC-04).
    AmbiguousFraming,
    /// `Host` is missing, repeated or not a host (RFC 9112 §3.2).
    InvalidHost,
    /// `Connection` names a credential or an MCP field, which a proxy would therefore remove
    /// (SEC-06).
    ProtectedFieldInConnection,
    /// The caller is not admitted.
    Rejected(Rejection),
    /// The gateway serves nothing at the path.
    UnknownPath,
    /// The server does not exist, or the caller may not use it; the response does not say which
    /// (GATE-07).
    UnknownServer,
    /// The session does not exist, or belongs to another caller or endpoint (SEC-08).
    UnknownSession,
    /// The HTTP method is not POST, GET or DELETE.
    MethodNotAllowed,
    /// GET on an aggregate endpoint of several servers: their event streams have no common order.
    NoAggregateStream,
    /// A header field that mirrors the message is missing or differs from it (SEC-11).
    HeaderMismatch,
    /// The request body is longer than the limit.
    MessageTooLarge,
    /// The request body ended early or did not arrive in time.
    IncompleteBody,
    /// `Authorization` contains no token that the server may be sent, and the server requires one
    /// (CRD-14).
    UnusableAuthorization,
    /// The upstream answered 401 to the caller's token.
    Unauthorized,
    /// The upstream answered 401 to a request without a token.
    TokenRequired,
    /// The web page that sends the request may not use the gateway (SEC-03).
    OriginNotAllowed,
    /// The upstream answered 403.
    Forbidden,
    /// The upstream answered this status, 401 or 403, to a credential that only the gateway's
    /// operator can change (STA-11).
    GatewayCredentialRefused(StatusCode),
    /// The gateway could not obtain its own credential for the server (OPN-16).
    CredentialNotObtained,
    /// The upstream answered with a redirect, which the gateway does not follow (PRB-13).
    Redirected,
    /// The upstream's response is not valid MCP.
    NotMcp,
    /// The upstream answered this status with a body that an MCP client cannot read.
    UpstreamStatus(StatusCode),
    /// The upstream sent no response.
    NoResponse(Cause),
    /// The gateway itself is at fault (OPN-18).
    Internal,
}

/// Who can remove the cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureSource {
    /// The client.
    Client,
    /// The operator of the gateway.
    Gateway,
    /// The operator of the upstream, or the caller in dealing with it.
    Upstream,
}

impl FailureSource {
    /// The value of `error.data.source` in a response body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

impl Failure {
    /// What the failure says about the caller's token, as if it were the outcome of a probe.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Unauthorized | Self::TokenRequired | Self::UnusableAuthorization => {
                Outcome::Unauthorized
            }
            Self::Forbidden => Outcome::Forbidden,
            Self::NoResponse(cause) => Outcome::Inconclusive(cause),
            Self::UpstreamStatus(status) | Self::GatewayCredentialRefused(status) => {
                Outcome::Inconclusive(Cause::Status(status))
            }
            _ => Outcome::Inconclusive(Cause::Broken),
        }
    }

    /// Whether the response may name the server. A response to a caller who may not use a server
    /// must not reveal that it exists.
    #[must_use]
    pub fn names_server(self) -> bool {
        self == Self::UnusableAuthorization || self.error_response().source != FailureSource::Client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_of_the_callers_token_counts_as_a_refusal() {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        for (failure, outcome) in [
            (Failure::Unauthorized, Outcome::Unauthorized),
            (Failure::TokenRequired, Outcome::Unauthorized),
            (Failure::UnusableAuthorization, Outcome::Unauthorized),
            (Failure::Forbidden, Outcome::Forbidden),
            (Failure::NoResponse(Cause::TimedOut), Outcome::Inconclusive(Cause::TimedOut)),
            (
                Failure::UpstreamStatus(unavailable),
                Outcome::Inconclusive(Cause::Status(unavailable)),
            ),
            (
                Failure::GatewayCredentialRefused(StatusCode::UNAUTHORIZED),
                Outcome::Inconclusive(Cause::Status(StatusCode::UNAUTHORIZED)),
            ),
            (Failure::NotMcp, Outcome::Inconclusive(Cause::Broken)),
        ] {
            assert_eq!(failure.outcome(), outcome, "{failure:?}");
        }
    }

    #[test]
    fn a_failure_of_the_client_names_no_server_unless_the_server_needs_a_token() {
        assert!(Failure::Unauthorized.names_server());
        assert!(Failure::UnusableAuthorization.names_server());
        assert!(!Failure::UnknownServer.names_server());
    }
}
