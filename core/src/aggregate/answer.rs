//! The JSON-RPC responses that an aggregate endpoint writes itself: results, and errors for
//! messages that it cannot serve.
//!
//! The codes are those of JSON-RPC 2.0 §5.1 and of MCP. Why a message cannot be served is decided
//! elsewhere.

use alloc::string::{String, ToString};

use http::HeaderValue;
use serde_json::{Value, json, value::RawValue};

use super::Undeliverable;
use crate::{
    envelope::{InvalidMessage, Message, json_rpc_response},
    protocol_version::ProtocolVersion,
    status::{AggregateError, JsonAnswer, code},
};

/// The answer to a body that is not one JSON-RPC message: 400.
#[must_use]
pub fn invalid_message(invalid: InvalidMessage) -> JsonAnswer {
    let (code, text) = match invalid {
        InvalidMessage::NotJson => (code::PARSE_ERROR, "the body is not JSON"),
        InvalidMessage::NotOneMessage => (
            code::INVALID_REQUEST,
            "the body is not one JSON-RPC message; an aggregate endpoint accepts no batches",
        ),
    };
    answer(AggregateError::BadRequest, None, &error(code, text))
}

/// The answer to a request whose `MCP-Protocol-Version` the gateway does not know: 400.
#[must_use]
pub fn unsupported_version(id: Option<&RawValue>, requested: &HeaderValue) -> JsonAnswer {
    let mut error = error(code::UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version");
    error["data"] = json!({
        "supported": ProtocolVersion::ALL.map(ProtocolVersion::as_str),
        "requested": String::from_utf8_lossy(requested.as_bytes()),
    });
    answer(AggregateError::BadRequest, id, &error)
}

/// The answer to a message that no server of the endpoint can be sent.
///
/// A request is answered with 200, because the error is a JSON-RPC response; a method without a
/// meaning is 404 for a stateless client (MCP 2026-07-28, Streamable HTTP). A notification or a
/// response is answered with 400.
#[must_use]
pub fn undeliverable(message: &Message, reason: Undeliverable, is_stateless: bool) -> JsonAnswer {
    let id = message.request_id();
    let kind = match (id, reason) {
        (None, _) => AggregateError::BadRequest,
        (Some(_), Undeliverable::NoAggregateMeaning) if is_stateless => {
            AggregateError::UnknownMethod
        }
        (Some(_), _) => AggregateError::Response,
    };
    answer(kind, id, &error(reason.code(), reason.message()))
}

/// The answer to a request that succeeded. `result` is a serialized JSON value.
#[must_use]
pub fn result(message: &Message, result: &str) -> JsonAnswer {
    JsonAnswer::content(json_rpc_response(message.id(), "result", result))
}

fn error(code: i32, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

fn answer(kind: AggregateError, id: Option<&RawValue>, error: &Value) -> JsonAnswer {
    JsonAnswer {
        status: kind.status(),
        body: json_rpc_response(id, "error", &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn status_and_body(answer: &JsonAnswer) -> (u16, Value) {
        let body = serde_json::from_str(&answer.body).unwrap();
        (StatusCode::from(answer.status).as_u16(), body)
    }

    fn message(text: &str) -> Message {
        Message::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_invalid_message_is_400_without_an_id() {
        for (invalid, code) in
            [(InvalidMessage::NotJson, -32700), (InvalidMessage::NotOneMessage, -32600)]
        {
            let (status, body) = status_and_body(&invalid_message(invalid));
            assert_eq!((status, &body["error"]["code"]), (400, &json!(code)));
            assert!(body.get("id").is_none());
        }
    }

    #[test]
    fn an_unsupported_version_is_400_and_names_the_supported_ones() {
        let id = RawValue::from_string("1.50".to_owned()).unwrap();
        let requested = HeaderValue::from_static("1999-01-01");
        let answer = unsupported_version(Some(&id), &requested);
        assert!(answer.body.starts_with(r#"{"jsonrpc":"2.0","id":1.50,"error":"#));
        let (status, body) = status_and_body(&answer);
        assert_eq!((status, &body["error"]["code"]), (400, &json!(-32022)));
        assert_eq!(body["error"]["data"]["requested"], "1999-01-01");
        assert_eq!(body["error"]["data"]["supported"][0], "2026-07-28");
    }

    #[test]
    fn the_status_of_an_undeliverable_message_depends_on_the_message_and_the_version() {
        let request = message(r#"{"id":1,"method":"logging/setLevel"}"#);
        let reply = message(r#"{"id":1,"result":{}}"#);
        let (no_meaning, unknown) = (Undeliverable::NoAggregateMeaning, Undeliverable::UnknownName);
        for (message, reason, is_stateless, status) in [
            (&request, no_meaning, true, 404),
            (&request, no_meaning, false, 200),
            (&request, unknown, true, 200),
            (&reply, no_meaning, true, 400),
        ] {
            let answer = undeliverable(message, reason, is_stateless);
            let (answered, body) = status_and_body(&answer);
            assert_eq!(answered, status, "{message:?} {reason:?} {is_stateless}");
            assert_eq!(body["error"]["code"], reason.code());
            assert_eq!(body.get("id").is_some(), message.method().is_some());
        }
    }
}
