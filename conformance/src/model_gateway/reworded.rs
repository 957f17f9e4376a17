//! Says what an answer says in another form: other words, other JSON, an event stream. What the variants do to bodies.
//!
//! Changes no meaning that a client may rely on, and hides no break: a body that ends too early still does.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::edge::Edge;
use super::fault::Switch;
use super::gateway::{BUFFERING, Gateway};
use super::relay::{Body, Later, full, media_type};

/// How much a refusal says that nobody asked for.
const WORDY: usize = 20 * 1024;

impl Gateway {
    /// The answer in this variant's form.
    pub(super) async fn reworded(&self, edge: &Edge, answer: Response<Body>) -> Response<Body> {
        let is_json = media_type(answer.headers())
            .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
        let (status, refused) = (
            answer.status(),
            matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
        );
        match self.switch {
            Some(Switch::OtherWords) if refused => {
                rewritten(answer, "application/json", otherwise_put).await
            }
            Some(Switch::PlainText) if refused => {
                rewritten(answer, "text/plain; charset=utf-8", |body| message_of(body) + "\n").await
            }
            Some(Switch::NoWords) if refused => {
                let mut answer = answer.map(|_| full(""));
                answer.headers_mut().remove(CONTENT_TYPE);
                answer
            }
            Some(Switch::ProblemDetails)
                if is_json
                    && !edge.posted
                    && (status.is_client_error() || status.is_server_error()) =>
            {
                let problem = move |body: &[u8]| {
                    let title = status.canonical_reason().unwrap_or_default();
                    json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": message_of(body) }).to_string()
                };
                rewritten(answer, "application/problem+json", problem).await
            }
            Some(Switch::JsonOtherwise) if is_json => {
                later(answer, "Application/JSON;charset=UTF-8", |body| {
                    serde_json::from_slice(&body)
                        .map_or(body, |value: Value| Bytes::from(respelled(&value)))
                })
            }
            Some(Switch::AnswersInEvents)
                if is_json && edge.posted && edge.takes_events && status == StatusCode::OK =>
            {
                let mut answer =
                    later(answer, "Text/Event-Stream;charset=utf-8", |body| events(&body));
                answer.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
                answer
            }
            _ => answer,
        }
    }
}

/// An answer whose body is there, with another one.
async fn rewritten(
    answer: Response<Body>,
    media: &'static str,
    words: impl FnOnce(&[u8]) -> String,
) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    Response::from_parts(head, full(words(&body)))
}

/// An answer whose body is another one when it has come to its end, and breaks off where it does.
fn later(
    answer: Response<Body>,
    media: &'static str,
    words: impl FnOnce(Bytes) -> Bytes + Send + 'static,
) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    Response::from_parts(
        head,
        Later::body(async move { Ok(words(body.collect().await?.to_bytes())) }),
    )
}

/// The answer once it has been read, if it came to its end, and is JSON where one is due.
pub(super) async fn read_first(answer: Response<Body>, due: bool) -> Option<Response<Body>> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let whole = !due || serde_json::from_slice::<Value>(&body).is_ok();
    whole.then(|| Response::from_parts(head, full(body)))
}

/// What a JSON-RPC error says in words.
fn message_of(body: &[u8]) -> String {
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    message["error"]["message"].as_str().unwrap_or_default().to_owned()
}

/// The same refusal in another language, with a code of its own and more than anybody asked for.
fn otherwise_put(body: &[u8]) -> String {
    let mut message: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = message["error"]["message"].as_str().unwrap_or_default().to_owned();
    let who = said
        .split('`')
        .nth(1)
        .map_or("Die Zugangskontrolle".to_owned(), |server| format!("Der Dienst „{server}“"));
    let advice = if said.starts_with("401") {
        "Bitte melden Sie sich neu an."
    } else {
        "Dazu fehlt das Recht."
    };
    message["error"] = json!({ "code": -1, "message": format!("{who} lehnt ab. {advice}"), "data": { "hilfe": "…".repeat(WORDY / 3) } });
    message.to_string()
}

/// The same value: members the other way round, blanks wherever they may be, and escapes that nobody needs.
fn respelled(value: &Value) -> String {
    match value {
        Value::String(text) => in_escapes(text),
        Value::Array(items) => {
            format!("[\r\n{} ]", items.iter().map(respelled).collect::<Vec<_>>().join("\t,\n"))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{} :\t{}", in_escapes(name), respelled(value))
            };
            format!(
                "{{\r\n{}\n}}",
                members.iter().rev().map(member).collect::<Vec<_>>().join(" ,\r\n")
            )
        }
        plain => plain.to_string(),
    }
}

fn in_escapes(text: &str) -> String {
    let escaped = |c: char| match c {
        '/' => "\\/".to_owned(),
        'a' | 'e' | 't' => format!("\\u{:04X}", u32::from(c)),
        c => {
            let quoted = json!(c.to_string()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// The message as the only event of a stream, with everything around it that a stream may have.
fn events(message: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(message);
    let mut stream = ": nothing yet\r\n\r\nretry: 2500\r\nid: 1\r\n\r\n".to_owned();
    stream.push_str("event: message\r\nid: 2\r\n");
    for line in text.lines() {
        stream.push_str(&format!("data:{line}\r\n"));
    }
    stream.push_str("\r\n: that was all\r\n\r\n");
    stream.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_spelled_otherwise_is_the_same_json() {
        let value =
            json!({ "a": ["x/y\n\"é\\", 1.5, null], "error": { "at": true, "quote": "\"" } });
        let text = respelled(&value);
        assert!(text.contains("\\u0061") && text.contains("\\/"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
