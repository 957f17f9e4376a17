//! The table from failures to status, JSON-RPC code and source.

use http::StatusCode;

use super::{
    AnswerStatus, Failure,
    FailureSource::{self, Client, Gateway, Upstream},
    code,
};
use crate::{admission::Rejection, outcome::Cause};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON-RPC error code. It is positive, so outside every reserved range, or the code that
    /// MCP defines for the failure (STA-17, STA-18). A positive code is the status times 100 plus
    /// an ordinal.
    pub code: i32,
    /// Who can remove the cause.
    pub source: FailureSource,
}

impl Failure {
    /// The status of the answer, in the form that the gateway can send.
    #[must_use]
    pub fn status(self) -> AnswerStatus {
        AnswerStatus::new(self.error_response().status)
    }

    /// The status, code and source of this failure.
    #[must_use]
    pub fn error_response(self) -> ErrorResponse {
        let (status, ordinal, source) = match self {
            Self::Rejected(Rejection::MultipleAuthorizations) => (400, 1, Client),
            Self::Rejected(Rejection::MultipleKeys) => (400, 2, Client),
            Self::Rejected(Rejection::MalformedAuthorization) => (400, 3, Client),
            Self::IncompleteBody => (400, 4, Client),
            Self::Rejected(Rejection::ConflictingKeys) => (400, 5, Client),
            Self::AmbiguousFraming => (400, 6, Client),
            Self::ProtectedFieldInConnection => (400, 7, Client),
            Self::InvalidHost => (400, 8, Client),
            Self::HeaderMismatch => {
                let status = StatusCode::BAD_REQUEST;
                return ErrorResponse { status, code: code::HEADER_MISMATCH, source: Client };
            }
            Self::Rejected(Rejection::MissingKey) => (401, 1, Client),
            Self::Rejected(Rejection::UnknownKey) => (401, 2, Client),
            Self::Unauthorized => (401, 3, Upstream),
            Self::TokenRequired => (401, 4, Upstream),
            Self::UnusableAuthorization => (401, 5, Client),
            Self::Forbidden => (403, 1, Upstream),
            Self::OriginNotAllowed => (403, 2, Client),
            Self::UnknownPath => (404, 1, Client),
            Self::UnknownServer => (404, 2, Client),
            Self::UnknownSession => (404, 3, Client),
            Self::MethodNotAllowed => (405, 1, Client),
            Self::NoAggregateStream => (405, 2, Client),
            Self::MessageTooLarge => (413, 1, Client),
            Self::Internal => (500, 1, Gateway),
            Self::GatewayCredentialRefused(_) => (502, 1, Gateway),
            Self::CredentialNotObtained => (502, 2, Gateway),
            Self::Redirected => (502, 3, Upstream),
            Self::NotMcp => (502, 4, Upstream),
            Self::NoResponse(Cause::TimedOut) => (504, 1, Upstream),
            Self::NoResponse(_) => (502, 5, Upstream),
            Self::UpstreamStatus(status) => match status.as_u16() {
                429 => (429, 1, Upstream),
                503 => (503, 1, Upstream),
                504 => (504, 2, Upstream),
                // 407 would ask the client for credentials for a proxy that it does not use
                // (STA-10).
                code @ 400..=499 if code != 407 => (code, 0, Upstream),
                _ => (502, 6, Upstream),
            },
        };
        ErrorResponse {
            status: StatusCode::from_u16(status).expect("every row has a status from 400 to 599"),
            code: i32::from(status) * 100 + ordinal,
            source,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::status) fn every_failure() -> Vec<Failure> {
        use Failure::*;
        let mut all: Vec<Failure> = [
            Rejection::MultipleAuthorizations,
            Rejection::MultipleKeys,
            Rejection::MalformedAuthorization,
            Rejection::MissingKey,
            Rejection::UnknownKey,
            Rejection::ConflictingKeys,
        ]
        .map(Rejected)
        .into();
        all.extend([
            AmbiguousFraming,
            ProtectedFieldInConnection,
            InvalidHost,
            HeaderMismatch,
            UnknownPath,
            UnknownServer,
            UnknownSession,
            MethodNotAllowed,
            NoAggregateStream,
            MessageTooLarge,
            IncompleteBody,
            UnusableAuthorization,
            Unauthorized,
            TokenRequired,
            OriginNotAllowed,
            Forbidden,
        ]);
        all.extend([
            GatewayCredentialRefused(StatusCode::UNAUTHORIZED),
            CredentialNotObtained,
            Redirected,
            NotMcp,
            Internal,
        ]);
        all.extend(
            [Cause::Unreachable, Cause::Tls, Cause::Broken, Cause::TimedOut].map(NoResponse),
        );
        all.extend(
            [400, 404, 407, 429, 500, 501, 502, 503, 504]
                .map(|code| UpstreamStatus(StatusCode::from_u16(code).unwrap())),
        );
        all
    }

    #[test]
    fn every_failure_has_its_row() {
        let rows = every_failure().into_iter().map(|failure| {
            let ErrorResponse { code, source, .. } = failure.error_response();
            let server = failure.names_server().then_some("alpha");
            format!("{code:5} {:8} {}", source.as_str(), failure.message(server))
        });
        insta::assert_snapshot!("every_failure", rows.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn code_and_text_agree_with_the_status_and_407_is_never_used() {
        for failure in every_failure() {
            let ErrorResponse { status, code, .. } = failure.error_response();
            assert!(
                i32::from(status.as_u16()) == code / 100 || failure == Failure::HeaderMismatch,
                "{failure:?}"
            );
            assert!(status.is_client_error() || status.is_server_error());
            assert_ne!(status.as_u16(), 407);
            assert!(
                !failure.message(None).contains("Unauthorized")
                    || status == StatusCode::UNAUTHORIZED
            );
        }
    }
}
