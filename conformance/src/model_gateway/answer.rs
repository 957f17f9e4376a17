//! Words the answers that the model gives itself: the refusals, and the failures that are nobody's.
//!
//! Decides neither who is refused nor why.

use std::time::Duration;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
    WWW_AUTHENTICATE,
};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Collected};
use serde_json::{Map, Value, json};

use super::admission::Refusal;
use super::fault::Switch;
use super::gateway::{Ask, Gateway};
use super::relay::{Body, Later, full};
use crate::cases::deployment::ConfiguredServer;

/// Names the gateway's own protection space.
const OWN_CHALLENGE: &str = "Bearer realm=\"gateway\"";

/// How long a fault keeps a refusal back: too long for anyone who waits for it, and not so long that they hang up.
const LATE: Duration = Duration::from_millis(2_500);

impl Gateway {
    /// The upstream refused the token, or wants one: 401, and the way to a new one (STA-01, CHL-01 to 06).
    pub(super) async fn unauthorized(
        &self,
        ask: &Ask,
        server: &ConfiguredServer,
        token_sent: bool,
        said: &HeaderMap,
    ) -> Response<Body> {
        if self.has(Switch::LateRefusal) && ask.refuser.is_none() && token_sent {
            tokio::time::sleep(LATE).await;
        }
        if let Some(masked) = self.masked(ask) {
            return masked;
        }
        let advice = if token_sent {
            "refused the token: authorise again"
        } else {
            "asks for a token: authorise"
        };
        let text =
            format!("401 Unauthorized: server `{}` {advice}, then repeat the request", server.name);
        let mut answer = self.refusal(ask, StatusCode::UNAUTHORIZED, &text);
        self.challenge_401(answer.headers_mut(), ask, &server.url, token_sent, said);
        answer
    }

    /// The faults that show a refused token as something else.
    fn masked(&self, ask: &Ask) -> Option<Response<Body>> {
        let succeed = |result: Value| success(ask, &json!({ "result": result }));
        match self.switch? {
            Switch::Swallows401 if ask.id.is_some() => Some(succeed(json!({ "tools": [] }))),
            Switch::IsErrorResult if ask.id.is_some() => Some(succeed(
                json!({ "content": [{ "type": "text", "text": "the tool failed" }], "isError": true }),
            )),
            Switch::JsonRpcErrorIn200 if ask.id.is_some() => Some(success(
                ask,
                &json!({ "error": { "code": 40101, "message": "401 Unauthorized" } }),
            )),
            Switch::CachesToolsList if ask.rpc.as_deref() == Some("tools/list") => Some(succeed(
                json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] }),
            )),
            Switch::NotFoundFor401 => {
                Some(error(ask, StatusCode::NOT_FOUND, "404 Not Found: no such server"))
            }
            Switch::GetNotChecked if ask.method == Method::GET => {
                Some(error(ask, StatusCode::METHOD_NOT_ALLOWED, "no stream here"))
            }
            Switch::NotificationAccepted if ask.method == Method::POST && ask.id.is_none() => {
                Some(empty(StatusCode::ACCEPTED))
            }
            _ => None,
        }
    }

    /// The upstream knows the token and says no: 403 without a word about new tokens (STA-05, STA-06).
    pub(super) async fn forbidden(
        &self,
        ask: &Ask,
        server: &ConfiguredServer,
        token_sent: bool,
        said: &HeaderMap,
    ) -> Response<Body> {
        if self.has(Switch::ForbiddenAs401) {
            return self.unauthorized(ask, server, token_sent, said).await;
        }
        let word = if self.has(Switch::UnauthorizedTextOn403) {
            "401 Unauthorized"
        } else {
            "403 Forbidden"
        };
        let text =
            format!("{word}: server `{}` does not allow this to the token's owner", server.name);
        let mut answer = self.refusal(ask, StatusCode::FORBIDDEN, &text);
        self.challenge_403(answer.headers_mut(), ask, &server.url, token_sent, said);
        answer
    }

    /// The gateway's own refusals name its own protection space, so that nobody mistakes them for an upstream's (CRD-17).
    pub(super) fn refuse(&self, ask: &Ask, refusal: Refusal) -> Response<Body> {
        let own = match self.switch {
            Some(Switch::SameOwnRefusal) => self.challenge(ask, "", false, &HeaderMap::new()),
            Some(Switch::EchoesNames) => {
                let path: String = url::form_urlencoded::parse(ask.path.as_bytes())
                    .map(|(path, _)| path.into_owned())
                    .collect();
                HeaderValue::try_from(format!("Bearer realm=\"{path}\""))
                    .unwrap_or(HeaderValue::from_static(OWN_CHALLENGE))
            }
            _ => HeaderValue::from_static(OWN_CHALLENGE),
        };
        let mut answer = match refusal {
            Refusal::Malformed(why) => {
                return error(ask, StatusCode::BAD_REQUEST, &format!("400 Bad Request: {why}"));
            }
            Refusal::Stranger => self.refusal(
                ask,
                StatusCode::UNAUTHORIZED,
                "401 Unauthorized: this gateway wants a valid key",
            ),
            Refusal::NoToken => self.refusal(
                ask,
                StatusCode::UNAUTHORIZED,
                "401 Unauthorized: this gateway wants a bearer token, or none",
            ),
        };
        answer.headers_mut().insert(WWW_AUTHENTICATE, own);
        answer
    }

    /// A server that there is not, or not for this caller: either way in the same words (GATE-07).
    pub(super) fn unknown(&self, ask: &Ask) -> Response<Body> {
        if self.has(Switch::ForbidsTheUnknown) {
            return self.refusal(
                ask,
                StatusCode::FORBIDDEN,
                "403 Forbidden: no server of that name is open to this key",
            );
        }
        error(ask, StatusCode::NOT_FOUND, "404 Not Found: no such server")
    }

    pub(super) fn refusal(&self, ask: &Ask, status: StatusCode, text: &str) -> Response<Body> {
        let nameless = Ask { id: None, ..ask.clone() };
        let ask = if self.has(Switch::BodyWithoutId) { &nameless } else { ask };
        let mut answer = if self.has(Switch::InventsModernCodes) && ask.is_modern() {
            coded(ask, status, -32_099, text)
        } else {
            error(ask, status, text)
        };
        if self.has(Switch::TellsTheToken) {
            let token = ask
                .headers
                .get(AUTHORIZATION)
                .and_then(|token| token.to_str().ok())
                .unwrap_or_default();
            let escaped: String =
                token.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
            let whole = text_of(
                ask,
                &json!({ "error": { "code": i64::from(status.as_u16()) * 100 + 1, "message": format!("{text}: ?") } }),
            );
            *answer.body_mut() = full(whole.replace(": ?", &format!(": {escaped}")));
        }
        if self.has(Switch::CutRefusals) {
            answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("4096"));
            answer = answer
                .map(|body| Later::body(async { body.collect().await.map(Collected::to_bytes) }));
        }
        if !self.has(Switch::CacheableRefusal) {
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        answer
    }
}

/// A JSON-RPC error of that status; with the request's id where there is one, else without any (STA-17).
pub(super) fn error(ask: &Ask, status: StatusCode, text: &str) -> Response<Body> {
    coded(ask, status, i64::from(status.as_u16()) * 100 + 1, text)
}

/// A JSON-RPC error with a code of its own.
pub(super) fn coded(ask: &Ask, status: StatusCode, code: i64, text: &str) -> Response<Body> {
    let mut answer = envelope(ask, &json!({ "error": { "code": code, "message": text } }));
    *answer.status_mut() = status;
    answer
}

pub(super) fn success(ask: &Ask, rest: &Value) -> Response<Body> {
    envelope(ask, rest)
}

fn text_of(ask: &Ask, rest: &Value) -> String {
    let mut message = Map::new();
    message.insert("jsonrpc".into(), "2.0".into());
    message.extend(ask.id.clone().map(|id| ("id".to_owned(), id)));
    message.extend(rest.as_object().cloned().unwrap_or_default());
    Value::Object(message).to_string()
}

fn envelope(ask: &Ask, rest: &Value) -> Response<Body> {
    let mut answer = Response::new(full(text_of(ask, rest)));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A status and nothing else.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(full(""));
    *answer.status_mut() = status;
    answer
}
