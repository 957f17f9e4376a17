//! Variants in the body of a refusal.

use std::future::ready;

use http::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body_util::{BodyExt, Collected};
use serde_json::{Value, json};

use super::Variant;
use crate::{
    catalogue::Profile,
    model_gateway::relay::{Body, Pending, full, media_type},
};

/// The size of the additional data in a refusal, in bytes.
const DATA_BYTES: usize = 20 * 1024;

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "other-words",
        description: "The message of a refusal is in German; the error has its own code and 20 \
            KiB of data.",
        permitted_by: &[
            "STA-17: any code outside the reserved range",
            "STA-20: any wording",
            "JSON-RPC 2.0 §5.1: the server defines data",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|response, _| {
                if is_refusal(&response) {
                    rewritten(response, "application/json", german_message)
                } else {
                    Box::pin(ready(response))
                }
            });
        },
    },
    Variant {
        name: "plain-text",
        description: "The body of a refusal is plain text.",
        permitted_by: &[
            "MCP 2025-11-25, Streamable HTTP: the body of an HTTP error MAY be a JSON-RPC error",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &["STA-17"],
        deviation: |decisions| {
            decisions.final_response.change(|response, _| {
                if is_refusal(&response) {
                    rewritten(response, "text/plain; charset=utf-8", |_, body| {
                        message_in(body) + "\n"
                    })
                } else {
                    Box::pin(ready(response))
                }
            });
        },
    },
    Variant {
        name: "no-words",
        description: "A refusal has no body.",
        permitted_by: &[
            "MCP 2025-11-25, Streamable HTTP: the body of an HTTP error MAY be a JSON-RPC error",
            "RFC 6750 §3",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &["STA-17", "STA-20"],
        deviation: |decisions| {
            decisions.final_response.change(|mut response, _| {
                if is_refusal(&response) {
                    response.headers_mut().remove(CONTENT_TYPE);
                    response = response.map(|_| full(""));
                }
                Box::pin(ready(response))
            });
        },
    },
    Variant {
        name: "problem-details",
        description: "An error response to a request without POST is `application/problem+json`.",
        permitted_by: &["STA-21", "RFC 9457 §3"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|response, client| {
                let is_json = media_type(response.headers())
                    .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
                let status = response.status();
                let is_error = status.is_client_error() || status.is_server_error();
                if is_json && is_error && !client.posted {
                    rewritten(response, "application/problem+json", problem_details)
                } else {
                    Box::pin(ready(response))
                }
            });
        },
    },
];

fn is_refusal(response: &Response<Body>) -> bool {
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

/// The response with a new body, made from its status and its body.
fn rewritten(
    response: Response<Body>,
    media_type: &'static str,
    rewrite: fn(StatusCode, &[u8]) -> String,
) -> Pending<'static, Response<Body>> {
    Box::pin(async move {
        let (mut head, body) = response.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        let body = full(rewrite(head.status, &body));
        Response::from_parts(head, body)
    })
}

/// The message of a JSON-RPC error.
fn message_in(body: &[u8]) -> String {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    message["error"]["message"].as_str().unwrap_or_default().to_owned()
}

fn problem_details(status: StatusCode, body: &[u8]) -> String {
    json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": message_in(body),
    })
    .to_string()
}

/// The refusal with a German message that still names the server and what to do.
fn german_message(_: StatusCode, body: &[u8]) -> String {
    let english = message_in(body);
    let subject = english
        .split('`')
        .nth(1)
        .map_or("Die Zugangskontrolle".to_owned(), |server| format!("Der Dienst „{server}“"));
    let advice = if english.starts_with("401") {
        "Bitte melden Sie sich neu an."
    } else {
        "Dazu fehlt das Recht."
    };
    let mut message: Value = serde_json::from_slice(body).unwrap_or_default();
    message["error"] = json!({
        "code": -1,
        "message": format!("{subject} lehnt ab. {advice}"),
        "data": { "hilfe": "…".repeat(DATA_BYTES / "…".len()) },
    });
    message.to_string()
}
