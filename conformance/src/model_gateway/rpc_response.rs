//! Builds responses with a JSON-RPC body.

use http::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::{Map, Value, json};

use super::{
    client_request::ClientRequest,
    relay::{Body, full},
};

/// A JSON-RPC error whose code derives from the status. It has the request's id, if there is one
/// (STA-17).
pub(super) fn error(request: &ClientRequest, status: StatusCode, message: &str) -> Response<Body> {
    error_with_code(request, status, default_code(status), message)
}

/// The JSON-RPC error code for a status: outside the reserved range (STA-17).
pub(super) fn default_code(status: StatusCode) -> i64 {
    i64::from(status.as_u16()) * 100 + 1
}

/// A JSON-RPC error with a given code.
pub(super) fn error_with_code(
    request: &ClientRequest,
    status: StatusCode,
    code: i64,
    message: &str,
) -> Response<Body> {
    let members = json!({ "error": { "code": code, "message": message } });
    let mut response = with_members(request, &members);
    *response.status_mut() = status;
    response
}

/// A 200 with these members in addition to `jsonrpc` and `id`.
pub(super) fn with_members(request: &ClientRequest, members: &Value) -> Response<Body> {
    let mut response = Response::new(full(message_text(request, members)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A JSON-RPC message with these members in addition to `jsonrpc` and `id`.
pub(super) fn message_text(request: &ClientRequest, members: &Value) -> String {
    let mut message = Map::new();
    message.insert("jsonrpc".into(), "2.0".into());
    message.extend(request.id.clone().map(|id| ("id".to_owned(), id)));
    message.extend(members.as_object().cloned().unwrap_or_default());
    Value::Object(message).to_string()
}

/// A status without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = status;
    response
}

/// 405 with the methods that are allowed (RFC 9110 §15.5.6).
pub(super) fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(http::header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The 404 for a path or name without a server.
pub(super) fn not_found(request: &ClientRequest) -> Response<Body> {
    error(request, StatusCode::NOT_FOUND, "404 Not Found: no such server")
}
