//! Responses that `upstreams.toml` states, with the placeholders of header fields and bodies.

use super::{
    request::Request,
    response::{Body, Response, reason_phrase},
};
use crate::cases::{
    behaviour::BodyText,
    placeholder::fill,
    token_script::{CaseId, TokenScript},
};

/// The values of the placeholders in header fields.
pub(super) struct Placeholders<'a> {
    /// The origin of the upstream that responds.
    pub(super) origin: &'a str,
    /// Another origin.
    pub(super) elsewhere: &'a str,
    /// The case, so that a request to a URL of the response is attributed to it.
    pub(super) case: Option<&'a CaseId>,
}

impl Placeholders<'_> {
    /// The value of a placeholder in a header field.
    fn header_value(&self, name: &str) -> Option<String> {
        match name {
            "origin" => Some(self.origin.to_owned()),
            "elsewhere" => Some(self.elsewhere.to_owned()),
            "case" => self.case.map(|case| {
                let canary = TokenScript::FOLLOWED_URL_CANARY.to_owned();
                TokenScript::for_every_server(case.clone(), "200-json", canary).token()
            }),
            "pad" => Some("x".repeat(64 << 10)),
            _ => None,
        }
    }
}

/// The value of a placeholder in a body.
fn body_value(name: &str, status: u16, request: &Request) -> Option<String> {
    match name {
        "id" => {
            let id = request.json().and_then(|message| message.get("id").cloned());
            Some(id.unwrap_or_default().to_string())
        }
        "reason" => Some(reason_phrase(status).to_owned()),
        "oauth" if status == 403 => Some("insufficient_scope".to_owned()),
        "oauth" => Some("invalid_token".to_owned()),
        _ => None,
    }
}

/// The response with this status, these header fields and this body.
///
/// Unknown placeholders are rejected when `upstreams.toml` is read.
pub(super) fn stated(
    status: u16,
    headers: &[(String, String)],
    body: Option<&BodyText>,
    request: &Request,
    placeholders: &Placeholders<'_>,
) -> Response {
    let mut fields: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            let value = fill(value, |name| placeholders.header_value(name));
            (name.clone(), value.unwrap_or_default())
        })
        .collect();
    let mut bytes = Vec::new();
    if let Some(body) = body {
        if let Some(content_type) = &body.content_type {
            fields.push(("Content-Type".to_owned(), content_type.clone()));
        }
        let text = fill(&body.text, |name| body_value(name, status, request));
        bytes = text.unwrap_or_default().repeat(body.repeat).into_bytes();
    }
    Response { status, headers: fields, body: Body::Sized(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::behaviour::{Behaviours, Source};

    #[test]
    fn a_stated_response_contains_the_request_id_and_its_origin() {
        let (behaviour, body) = Behaviours::embedded().resolve("401-full+json-rpc").unwrap();
        let Source::Stated { status, headers, .. } = &behaviour.source else {
            panic!("401-full is stated")
        };
        let request = Request {
            body: br#"{"jsonrpc":"2.0","id":"q","method":"ping"}"#.to_vec(),
            ..Request::default()
        };
        let placeholders =
            Placeholders { origin: "http://here", elsewhere: "http://there", case: None };
        let response = stated(*status, headers, body, &request, &placeholders);
        let expected =
            br#"{"jsonrpc":"2.0","id":"q","error":{"code":-31000,"message":"Unauthorized"}}"#;
        assert_eq!(response.body, Body::Sized(expected.to_vec()));
        assert!(
            response.headers[0].1.contains(r#"resource_metadata="http://here/.well-known/"#),
            "{:?}",
            response.headers
        );
    }
}
