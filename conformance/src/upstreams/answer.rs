//! Composes answers: a status, header lines and a body. Does not know how they are delivered.

use serde_json::Value;

use super::{host::Host, record::Ticket, request::Request, state::Site};
use crate::cases::{
    behaviour::{BodyText, fill},
    token_script::{CaseId, TokenScript},
};

/// An answer before it is put on the wire. Framing and connection headers are the delivery's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// What follows a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// By its status there can be none.
    Absent,
    /// So many bytes.
    Sized(Vec<u8>),
    /// Events, each on its way as soon as it is there.
    Events(Vec<String>),
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        let body = if status == 204 { Body::Absent } else { Body::Sized(Vec::new()) };
        Self { status, headers: Vec::new(), body }
    }

    pub(super) fn text(status: u16, content_type: &str, text: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: Body::Sized(text.as_bytes().to_vec()) }
    }

    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::text(status, "application/json", &value.to_string())
    }

    /// An event stream that ends after the last message.
    pub(super) fn events<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Self {
        let headers = vec![
            ("Content-Type".to_owned(), "text/event-stream".to_owned()),
            ("Cache-Control".to_owned(), "no-store".to_owned()),
        ];
        let events = messages
            .into_iter()
            .map(|message| format!("event: message\ndata: {message}\n\n"))
            .collect();
        Self { status: 200, headers, body: Body::Events(events) }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What placeholders in header values stand for.
pub(super) struct Places<'a> {
    /// The upstream that answers.
    pub(super) origin: &'a str,
    /// The origin that is not it.
    pub(super) elsewhere: &'a str,
    /// The case, so that whoever follows a URL can be told.
    pub(super) case: Option<&'a CaseId>,
}

impl<'a> Places<'a> {
    pub(super) fn of(site: &'a Site, host: &'a Host, ticket: &'a Ticket) -> Self {
        Self {
            origin: &host.origin,
            elsewhere: &site.elsewhere,
            case: ticket.case(),
        }
    }
}

/// The answer that `upstreams.toml` states.
pub(super) fn stated(
    status: u16,
    headers: &[(String, String)],
    body: Option<&BodyText>,
    request: &Request,
    places: &Places<'_>,
) -> Answer {
    let place = |name: &str| match name {
        "origin" => Some(places.origin.to_owned()),
        "elsewhere" => Some(places.elsewhere.to_owned()),
        "case" => places.case.map(|case| {
            TokenScript::everywhere(case.clone(), "200-json", TokenScript::NOBODYS.to_owned())
                .token()
        }),
        "pad" => Some("x".repeat(64 << 10)),
        _ => None,
    };
    let word = |name: &str| match name {
        "id" => Some(
            request
                .json()
                .and_then(|message| message.get("id").map(Value::to_string))
                .unwrap_or_else(|| "null".to_owned()),
        ),
        "reason" => Some(reason(status).to_owned()),
        "oauth" => {
            Some(if status == 403 { "insufficient_scope" } else { "invalid_token" }.to_owned())
        }
        _ => None,
    };
    // Unknown placeholders were refused when the file was read.
    let mut lines: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.clone(), fill(value, place).unwrap_or_default()))
        .collect();
    let mut bytes = Vec::new();
    if let Some(body) = body {
        if let Some(content_type) = &body.content_type {
            lines.push(("Content-Type".to_owned(), content_type.clone()));
        }
        bytes = fill(&body.text, word).unwrap_or_default().repeat(body.repeat).into_bytes();
    }
    Answer { status, headers: lines, body: Body::Sized(bytes) }
}

/// The usual phrase for a status.
pub(super) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::behaviour::{Behaviours, Source};

    #[test]
    fn a_stated_answer_echoes_the_id_and_names_its_origin() {
        let (behaviour, body) = Behaviours::embedded().resolve("401-full+json-rpc").unwrap();
        let Source::Stated { status, headers, .. } = &behaviour.source else {
            panic!("401-full is stated")
        };
        let request = Request {
            body: br#"{"jsonrpc":"2.0","id":"q","method":"ping"}"#.to_vec(),
            ..Request::default()
        };
        let answer = stated(
            *status,
            headers,
            body,
            &request,
            &Places { origin: "http://here", elsewhere: "http://there", case: None },
        );
        assert_eq!(
            answer.body,
            Body::Sized(
                br#"{"jsonrpc":"2.0","id":"q","error":{"code":-31000,"message":"Unauthorized"}}"#
                    .to_vec()
            )
        );
        assert!(
            answer.headers[0].1.contains(r#"resource_metadata="http://here/.well-known/"#),
            "{:?}",
            answer.headers
        );
    }
}
