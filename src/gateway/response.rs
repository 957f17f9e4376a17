//! Builds the responses that the gateway writes itself.
//!
//! Status, header fields and text come from the core.

use http::{HeaderMap, HeaderValue, Response, header};
use serde_json::value::RawValue;

use super::body::{Body, empty_body, full_body};
use crate::core::{
    refusal::Refusal,
    status::{AnswerStatus, JsonAnswer, Success, TextAnswer},
};

/// A response with a JSON document.
pub(super) fn json_response(answer: JsonAnswer) -> Response<Body> {
    response(answer.status, "application/json", full_body(answer.body))
}

/// A plain-text response for a load balancer or a metrics collector.
pub(super) fn text_response(answer: TextAnswer) -> Response<Body> {
    let body = full_body(answer.text());
    let mut response = response(answer.status(), "text/plain; charset=utf-8", body);
    if let Some(methods) = answer.allowed_methods() {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    response
}

/// A response without content.
pub(super) fn empty_response(success: Success) -> Response<Body> {
    let mut response = Response::new(empty_body());
    *response.status_mut() = success.status().into();
    response
}

/// The response to a CORS preflight request.
pub(super) fn cors_preflight_response(headers: HeaderMap) -> Response<Body> {
    let mut response = empty_response(Success::NoContent);
    *response.headers_mut() = headers;
    response
}

/// The response to a refused request: a JSON-RPC error with the id of the request.
pub(super) fn refusal_response(refusal: &Refusal, id: Option<&RawValue>) -> Response<Body> {
    let body = refusal.body(id);
    let mut response = json_response(JsonAnswer { status: refusal.status(), body });
    response.headers_mut().extend(refusal.header_fields());
    response
}

fn response(status: AnswerStatus, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status.into();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
