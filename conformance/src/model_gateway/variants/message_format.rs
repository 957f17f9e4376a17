//! Variants in the format of successful responses. A body that breaks off still breaks off.

use std::{fmt::Write as _, future::ready};

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Variant;
use crate::{
    catalogue::Profile,
    model_gateway::{
        relay::{Body, DeferredBody, media_type},
        upstream_response::BUFFERING,
    },
};

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "json-otherwise",
        description: "JSON has its members in another order, white space between them, and \
            unnecessary escapes.",
        permitted_by: &["RFC 8259 §2, §4, §7", "RFC 9110 §8.3.1: media types are case-insensitive"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|response, _| {
                let reformatted = if is_json(&response) {
                    with_body(response, "Application/JSON;charset=UTF-8", |body| {
                        serde_json::from_slice(&body)
                            .map_or(body, |value: Value| Bytes::from(reformat(&value)))
                    })
                } else {
                    response
                };
                Box::pin(ready(reformatted))
            });
        },
    },
    Variant {
        name: "answers-in-events",
        description: "Every response to a request is an event stream with comments, ids, a retry \
            time and CRLF.",
        permitted_by: &[
            "MCP 2025-11-25, Streamable HTTP: the server MUST return either text/event-stream or \
             application/json",
        ],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| {
            decisions.final_response.change(|response, client| {
                let is_result = is_json(&response) && response.status() == StatusCode::OK;
                if !is_result || !client.posted || !client.accepts_events {
                    return Box::pin(ready(response));
                }
                let media_type = "Text/Event-Stream;charset=utf-8";
                let mut stream = with_body(response, media_type, |body| event_stream(&body));
                stream.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
                Box::pin(ready(stream))
            });
        },
    },
    Variant {
        name: "reads-answers-first",
        description: "The gateway reads a response completely before it sends any of it; an \
            invalid one becomes 502.",
        permitted_by: &["OPN-10", "OPN-11: 502 while the head is not committed"],
        profiles: &[Profile::Seed],
        has: &[],
        lacks: &[],
        forgoes: &[],
        deviation: |decisions| decisions.buffers_responses.change(true),
    },
];

fn is_json(response: &Response<Body>) -> bool {
    media_type(response.headers())
        .is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// The response with a body that is computed once the original body is complete.
fn with_body(
    response: Response<Body>,
    media_type: &'static str,
    rewrite: fn(Bytes) -> Bytes,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    let rewritten = async move { Ok(rewrite(body.collect().await?.to_bytes())) };
    Response::from_parts(head, DeferredBody::boxed(rewritten))
}

/// The same JSON value in another format.
fn reformat(value: &Value) -> String {
    match value {
        Value::String(text) => escaped(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(reformat).collect();
            format!("[\r\n{} ]", items.join("\t,\n"))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .rev()
                .map(|(name, value)| format!("{} :\t{}", escaped(name), reformat(value)))
                .collect();
            format!("{{\r\n{}\n}}", members.join(" ,\r\n"))
        }
        plain => plain.to_string(),
    }
}

/// A JSON string with unnecessary escapes.
fn escaped(text: &str) -> String {
    let mut escaped = String::from("\"");
    for character in text.chars() {
        match character {
            '/' => escaped.push_str("\\/"),
            'a' | 'e' | 't' => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{:04X}", u32::from(character));
            }
            character => {
                let quoted = json!(character.to_string()).to_string();
                escaped.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
    escaped + "\""
}

/// A stream with the message as its only event.
fn event_stream(message: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(message);
    let mut stream = ": nothing yet\r\n\r\nretry: 2500\r\nid: 1\r\n\r\n".to_owned();
    stream.push_str("event: message\r\nid: 2\r\n");
    for line in text.lines() {
        // Writing to a string cannot fail.
        let _ = write!(stream, "data:{line}\r\n");
    }
    stream.push_str("\r\n: that was all\r\n\r\n");
    stream.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reformatted_json_is_the_same_value() {
        let value =
            json!({ "a": ["x/y\n\"é\\", 1.5, null], "error": { "at": true, "quote": "\"" } });
        let text = reformat(&value);
        assert!(text.contains("\\u0061") && text.contains("\\/"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
