//! The one table from failures to answers: status, code and words.
//!
//! A failure says where it arose: with the client, in the gateway, or upstream. Nothing else in the gateway chooses a status, and no
//! text here can hold an upstream's URL, a library's message or a secret, because none is passed in (CHL-20, OBS-05).

use alloc::{borrow::ToOwned, format, string::String};

use http::StatusCode;
use serde_json::value::RawValue;

use super::{
    admission::Rejection,
    answer_status::AnswerStatus,
    outcome::{Cause, Outcome},
};

/// Why a request ends without the upstream's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request can be read in more than one way (SEC-04).
    AmbiguousFraming,
    /// `Connection` names a field that must not be lost on the way (SEC-06).
    ProtectedFieldInConnection,
    /// The caller was not admitted.
    Rejected(Rejection),
    /// The path is none of ours.
    UnknownPath,
    /// No such server, or none that this caller may use: the answer does not say which (GATE-07).
    UnknownServer,
    /// No session of this caller's here (SEC-08).
    UnknownSession,
    /// Not POST, GET or DELETE.
    MethodNotAllowed,
    /// GET where several servers answer together: their streams have no common order.
    NoAggregateStream,
    /// The fields that mirror the message do not say what it says (SEC-11).
    HeaderMismatch,
    /// The request body is longer than the limit.
    MessageTooLarge,
    /// The request body did not come to its end in time, or broke off.
    IncompleteBody,
    /// `Authorization` holds nothing that this server may see, and it needs a token.
    UnusableAuthorization,
    /// The upstream answered 401 to the caller's token.
    Unauthorized,
    /// The upstream answered 401, and the caller sent no token.
    TokenRequired,
    /// The page that a browser calls from may not use the gateway (SEC-03).
    OriginNotAllowed,
    /// The upstream answered 403.
    Forbidden,
    /// The upstream refused a credential that is the gateway's to mend, with this status (STA-11).
    GatewayCredentialRefused(StatusCode),
    /// No credential could be minted for this server (OPN-16).
    CredentialNotObtained,
    /// The upstream sent the client elsewhere; the gateway does not follow (PRB-13).
    Redirected,
    /// The upstream's answer is not one that MCP knows.
    NotMcp,
    /// The upstream answered with a status of its own, and without a message that a client could read.
    UpstreamStatus(StatusCode),
    /// There is no answer.
    NoResponse(Cause),
    /// A defect of the gateway itself (OPN-18).
    Internal,
}

/// Where a failure arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureSource {
    /// The client can mend it.
    Client,
    /// Whoever runs the gateway can.
    Gateway,
    /// Whoever runs the upstream can.
    Upstream,
}

impl FailureSource {
    /// The word for it in an answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The status that the client sees.
    pub status: StatusCode,
    /// The JSON-RPC error code: positive, so outside every reserved range, or the one that MCP defines for the case (STA-17, STA-18).
    pub code: i32,
    /// Where it arose.
    pub source: FailureSource,
    /// What happened, in words that agree with the status (STA-20).
    pub what: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// `HeaderMismatch` of MCP 2026-07-28.
const HEADER_MISMATCH: i32 = -32020;

impl Failure {
    /// The row for this failure.
    #[must_use]
    pub fn error_response(self) -> ErrorResponse {
        use FailureSource::{Client, Gateway, Upstream};
        let row = |status: u16, nth: i32, source, what, remedy| {
            let status =
                StatusCode::from_u16(status).expect("every row has a number between 400 and 599");
            ErrorResponse {
                status,
                code: i32::from(status.as_u16()) * 100 + nth,
                source,
                what,
                remedy,
            }
        };
        match self {
            Self::Rejected(Rejection::MultipleAuthorizations) => row(
                400,
                1,
                Client,
                "the request has several Authorization lines",
                "send exactly one",
            ),
            Self::Rejected(Rejection::MultipleKeys) => {
                row(400, 2, Client, "the request has several gateway keys", "send exactly one")
            }
            Self::Rejected(Rejection::MalformedAuthorization) => row(
                400,
                3,
                Client,
                "Authorization is malformed",
                "send one scheme and one credential: Bearer TOKEN",
            ),
            Self::Rejected(Rejection::ConflictingKeys) => row(
                400,
                5,
                Client,
                "conflicting credentials: two different gateway keys",
                "send exactly one",
            ),
            Self::AmbiguousFraming => row(
                400,
                6,
                Client,
                "the request can be read in two ways",
                "end lines in CR LF, and send one length or one chunked body",
            ),
            Self::ProtectedFieldInConnection => row(
                400,
                7,
                Client,
                "Connection names a credential or an MCP field",
                "name only fields for this hop",
            ),
            Self::IncompleteBody => {
                row(400, 4, Client, "the request body broke off", "send it again, whole")
            }
            Self::HeaderMismatch => ErrorResponse {
                code: HEADER_MISMATCH,
                ..row(
                    400,
                    0,
                    Client,
                    "header mismatch: a field that mirrors the body is missing or says something else",
                    "send both alike",
                )
            },
            Self::Rejected(Rejection::MissingKey) => row(
                401,
                1,
                Client,
                "the gateway key is missing",
                "send it in the gateway-key header",
            ),
            Self::Rejected(Rejection::UnknownKey) => row(
                401,
                2,
                Client,
                "the gateway key is not valid",
                "ask the gateway's operator for one",
            ),
            Self::Unauthorized => {
                row(401, 3, Upstream, "refused the token", "obtain a new token and try again")
            }
            Self::TokenRequired => {
                row(401, 4, Upstream, "requires a token", "obtain one and send it in Authorization")
            }
            Self::UnusableAuthorization => row(
                401,
                5,
                Client,
                "needs a token of a scheme that it takes",
                "send Bearer TOKEN in Authorization",
            ),
            Self::Forbidden => row(
                403,
                1,
                Upstream,
                "does not allow this",
                "ask for access; the same sign-in again will not help",
            ),
            Self::OriginNotAllowed => row(
                403,
                2,
                Client,
                "pages of this origin may not use the gateway",
                "ask the gateway's operator to allow it",
            ),
            Self::UnknownPath => {
                row(404, 1, Client, "nothing is served at this path", "use /mcp/SERVER")
            }
            Self::UnknownServer => row(
                404,
                2,
                Client,
                "no such server for this key",
                "check the server's name and what the key may use",
            ),
            Self::UnknownSession => row(
                404,
                3,
                Client,
                "no such session for this key and server",
                "start a new one with initialize",
            ),
            Self::MethodNotAllowed => {
                row(405, 1, Client, "the method is not allowed here", "use POST, GET or DELETE")
            }
            Self::NoAggregateStream => row(
                405,
                2,
                Client,
                "several servers have no stream together",
                "use one server's own route: /mcp/SERVER",
            ),
            Self::MessageTooLarge => {
                row(413, 1, Client, "the message is too large", "send a smaller one")
            }
            Self::Internal => row(
                500,
                1,
                Gateway,
                "the gateway failed",
                "try again; if it stays, tell the gateway's operator",
            ),
            Self::GatewayCredentialRefused(_) => row(
                502,
                1,
                Gateway,
                "refused the gateway's own credential",
                "tell the gateway's operator; signing in will not help",
            ),
            Self::CredentialNotObtained => row(
                502,
                2,
                Gateway,
                "cannot be used: no credential could be obtained for it",
                "tell the gateway's operator",
            ),
            Self::Redirected => row(
                502,
                3,
                Upstream,
                "answered with a redirect, which is not followed",
                "tell the server's operator",
            ),
            Self::NotMcp => row(
                502,
                4,
                Upstream,
                "answered with something that is not MCP",
                "tell the server's operator",
            ),
            Self::NoResponse(Cause::TimedOut) => {
                row(504, 1, Upstream, "did not answer in time", "try again later")
            }
            Self::NoResponse(_) => row(502, 5, Upstream, "could not be reached", "try again later"),
            Self::UpstreamStatus(status) => match status.as_u16() {
                429 => row(
                    429,
                    1,
                    Upstream,
                    "received too many requests",
                    "wait as long as Retry-After says",
                ),
                503 => row(503, 1, Upstream, "is not available", "try again later"),
                504 => {
                    row(504, 2, Upstream, "did not get its own answer in time", "try again later")
                }
                code @ 400..=499 if code != 407 => row(
                    code,
                    0,
                    Upstream,
                    "rejected the request",
                    "check the request; a new token will not help",
                ),
                _ => row(502, 6, Upstream, "failed", "try again later"),
            },
        }
    }

    /// The status of the answer, in the form that the gateway can send.
    #[must_use]
    pub fn status(self) -> AnswerStatus {
        AnswerStatus::new(self.error_response().status)
    }

    /// What it says of the caller's token, as a probe would have said it.
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

    /// The message: status, reason, who, what, and what to do. Clients match on the first two (A21).
    #[must_use]
    pub fn message(self, server: Option<&str>) -> String {
        let ErrorResponse { status, what, remedy, .. } = self.error_response();
        let reason = status.canonical_reason().unwrap_or("Error");
        let who = server.map(|name| format!("server `{name}` ")).unwrap_or_default();
        format!("{} {reason}: {who}{what}; {remedy}", status.as_u16())
    }

    /// The body: a JSON-RPC error with the request's id, or without one where there was none (STA-17).
    #[must_use]
    pub fn body(self, server: Option<&str>, id: Option<&RawValue>) -> String {
        let answer = self.error_response();
        let mut data =
            serde_json::Map::from_iter([("source".to_owned(), answer.source.as_str().into())]);
        if let Some(server) = server {
            data.insert("server".to_owned(), server.into());
        }
        let error = serde_json::json!({ "code": answer.code, "message": self.message(server), "data": data });
        let id = id.map(|id| format!(r#""id":{},"#, id.get())).unwrap_or_default();
        format!(r#"{{"jsonrpc":"2.0",{id}"error":{error}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_failure() -> Vec<Failure> {
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
    fn the_table() {
        let rows = every_failure().into_iter().map(|failure| {
            let server = (failure.error_response().source != FailureSource::Client
                || failure == Failure::UnusableAuthorization)
                .then_some("alpha");
            format!(
                "{:5} {:8} {}",
                failure.error_response().code,
                failure.error_response().source.as_str(),
                failure.message(server)
            )
        });
        insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_status_and_its_words_agree_and_407_is_never_used() {
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

    #[test]
    fn only_what_is_about_the_callers_token_refuses_it() {
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
    fn the_id_comes_back_as_it_was_written() {
        let id = RawValue::from_string("\"a\\u0041\"".to_owned()).unwrap();
        assert!(
            Failure::Unauthorized
                .body(Some("alpha"), Some(&id))
                .starts_with(r#"{"jsonrpc":"2.0","id":"a\u0041","error":"#)
        );
        let without: serde_json::Value =
            serde_json::from_str(&Failure::Forbidden.body(None, None)).unwrap();
        assert!(without.get("id").is_none());
    }
}
