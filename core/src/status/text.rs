//! The texts of failures: what happened, what to do about it, and the response body around both.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
};

use serde_json::value::RawValue;

use super::Failure;
use crate::{admission::Rejection, envelope::json_rpc_response, outcome::Cause};

impl Failure {
    /// The message: status, reason phrase, server, what happened and what to do. It begins with
    /// status and reason phrase because clients search error messages for them (LiteLLM change
    /// #27847).
    #[must_use]
    pub fn message(self, server: Option<&str>) -> String {
        let status = self.error_response().status;
        let reason = status.canonical_reason().unwrap_or("Error");
        let subject = server.map(|name| format!("server `{name}` ")).unwrap_or_default();
        let (event, remedy) = self.texts();
        format!("{} {reason}: {subject}{event}; {remedy}", status.as_u16())
    }

    /// The response body: a JSON-RPC error with the id of the request. It has no `id` member if the
    /// request had none (STA-17).
    #[must_use]
    pub fn body(self, server: Option<&str>, id: Option<&RawValue>) -> String {
        let row = self.error_response();
        let mut data =
            serde_json::Map::from_iter([("source".to_owned(), row.source.as_str().into())]);
        if let Some(server) = server {
            data.insert("server".to_owned(), server.into());
        }
        let error = serde_json::json!({
            "code": row.code,
            "message": self.message(server),
            "data": data,
        });
        json_rpc_response(id, "error", &error.to_string())
    }

    /// What happened, and what to do about it. A text whose failure names the server continues the
    /// words "server `NAME`".
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Rejected(rejection) => rejection_texts(rejection),
            Self::AmbiguousFraming => (
                "the framing of the request is ambiguous",
                "end lines in CR LF, and send one Content-Length or one chunked body",
            ),
            Self::InvalidHost => (
                "the Host field is missing, repeated or not a host",
                "send one Host field with the host of the gateway's URL",
            ),
            Self::ProtectedFieldInConnection => (
                "the Connection field names a credential or an MCP field",
                "name only hop-by-hop fields in it",
            ),
            Self::IncompleteBody => {
                ("the request body ended early or took too long", "send the complete body again")
            }
            Self::HeaderMismatch => (
                "header mismatch: a field that mirrors the body is missing or differs from it",
                "send the same value in both",
            ),
            Self::Unauthorized => ("refused the token", "obtain a new token and try again"),
            Self::TokenRequired => ("requires a token", "obtain one and send it in Authorization"),
            Self::UnusableAuthorization => (
                "requires a token of an authentication scheme that it accepts",
                "send Bearer TOKEN in Authorization",
            ),
            Self::Forbidden => (
                "denied access",
                "ask for access; a new token with the same scopes will not help",
            ),
            Self::OriginNotAllowed => (
                "pages of this origin may not use the gateway",
                "ask the operator of the gateway to allow the origin",
            ),
            Self::UnknownPath => ("the gateway does not serve this path", "use /mcp/SERVER"),
            Self::UnknownServer => (
                "the server does not exist or this key may not use it",
                "check the server's name and what the key may use",
            ),
            Self::UnknownSession => (
                "the session does not exist for this key and endpoint",
                "start a new one with initialize",
            ),
            Self::MethodNotAllowed => {
                ("the HTTP method is not allowed at this path", "use POST, GET or DELETE")
            }
            Self::NoAggregateStream => (
                "an endpoint of several servers has no event stream",
                "use the endpoint of one server: /mcp/SERVER",
            ),
            Self::MessageTooLarge => ("the message is too large", "send a smaller one"),
            Self::Internal => (
                "request failed inside the gateway",
                "try again; if the failure persists, tell the operator of the gateway",
            ),
            Self::GatewayCredentialRefused(_) => (
                "refused the gateway's own credential",
                "tell the operator of the gateway; a new token will not help",
            ),
            Self::CredentialNotObtained => (
                "cannot be used because the gateway could not obtain a credential for it",
                "tell the operator of the gateway",
            ),
            Self::Redirected => (
                "answered with a redirect, which the gateway does not follow",
                "tell the operator of the server",
            ),
            Self::NotMcp => {
                ("sent a response that is not valid MCP", "tell the operator of the server")
            }
            Self::NoResponse(Cause::TimedOut) => ("did not answer in time", "try again later"),
            Self::NoResponse(_) => ("could not be reached", "try again later"),
            Self::UpstreamStatus(status) => match status.as_u16() {
                429 => ("received too many requests", "wait for the time that Retry-After gives"),
                503 => ("is not available", "try again later"),
                504 => ("timed out waiting for another server", "try again later"),
                code if matches!(code, 400..=499) && code != 407 => {
                    ("rejected the request", "check the request; a new token will not help")
                }
                _ => ("failed to handle the request", "try again later"),
            },
        }
    }
}

const fn rejection_texts(rejection: Rejection) -> (&'static str, &'static str) {
    match rejection {
        Rejection::MultipleAuthorizations => {
            ("the request has several Authorization lines", "send exactly one")
        }
        Rejection::MultipleKeys => ("the request has several gateway keys", "send exactly one"),
        Rejection::MalformedAuthorization => (
            "the Authorization field is malformed",
            "send one scheme and one credential: Bearer TOKEN",
        ),
        Rejection::ConflictingKeys => (
            "conflicting credentials: the request has two different gateway keys",
            "send exactly one",
        ),
        Rejection::MissingKey => {
            ("the gateway key is missing", "send it in the gateway-key header field")
        }
        Rejection::UnknownKey => {
            ("the gateway key is not valid", "ask the operator of the gateway for a key")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_repeated_byte_for_byte() {
        let id = RawValue::from_string("\"a\\u0041\"".to_owned()).unwrap();
        let body = Failure::Unauthorized.body(Some("alpha"), Some(&id));
        assert!(body.starts_with(r#"{"jsonrpc":"2.0","id":"a\u0041","error":"#));
    }

    #[test]
    fn without_an_id_the_body_has_no_id_member() {
        let body: serde_json::Value =
            serde_json::from_str(&Failure::Forbidden.body(None, None)).unwrap();
        assert!(body.get("id").is_none());
    }
}
