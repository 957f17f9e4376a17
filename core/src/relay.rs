//! Decides whether an upstream's response head is relayed, or replaced by a failure.
//!
//! Both strategies judge the response to the client's own request, even after a probe
//! (STR-03). The body is not read, because the client's response head is sent before the body is
//! known.

use http::{HeaderMap, StatusCode, header};

use super::{credential::Owner, outcome::Cause, status::Failure};

/// The response that a request expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedResponse {
    /// The reply to a JSON-RPC request.
    Reply,
    /// The acknowledgement of a notification or a response.
    Acknowledgement,
    /// The event stream of a session-based version (GET).
    EventStream,
    /// The end of a session (DELETE).
    SessionEnd,
}

/// The media type of a response body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `Content-Type` is absent or unreadable.
    Absent,
    /// One JSON document.
    Json,
    /// An event stream.
    EventStream,
    /// A media type that MCP does not use.
    Other,
}

impl MediaType {
    /// Reads `Content-Type`. Case and parameters do not matter (RFC 9110 §8.3.1).
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map_or(Self::Absent, Self::parse)
    }

    fn parse(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case("text/event-stream") {
            Self::EventStream
        } else {
            Self::Other
        }
    }
}

/// The parts of a response head that decide whether the response is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The media type of the body.
    pub media_type: MediaType,
    /// Whether the response has no body.
    pub is_empty: bool,
    /// Whether the response has a `Content-Length` beside a transfer coding, so that its end is not
    /// certain (RFC 9112 §6.3).
    pub has_two_lengths: bool,
}

/// Checks whether a response may be relayed (STA-01 to STA-16, OPN-06 to OPN-10).
///
/// # Errors
/// The failure to answer with instead of the response.
pub fn check_head(
    head: ResponseHead,
    expected: ExpectedResponse,
    owner: Owner,
) -> Result<(), Failure> {
    let status = head.status;
    match status.as_u16() {
        200..=299 if head.has_two_lengths => Err(Failure::NoResponse(Cause::Broken)),
        200..=299 => check_success(head, expected),
        401 | 403 if owner == Owner::Gateway => Err(Failure::GatewayCredentialRefused(status)),
        401 if owner == Owner::CallerWithoutToken => Err(Failure::TokenRequired),
        401 => Err(Failure::Unauthorized),
        403 => Err(Failure::Forbidden),
        300..=399 => Err(Failure::Redirected),
        // A client error that an MCP client can read is relayed (STA-15); an HTML page is not.
        400..=499
            if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED
                && (head.media_type == MediaType::Json || head.is_empty) =>
        {
            Ok(())
        }
        _ => Err(Failure::UpstreamStatus(status)),
    }
}

/// Checks a 2xx response. One whose body cannot be the expected MCP response is a failure (OPN-10,
/// STA-04).
fn check_success(head: ResponseHead, expected: ExpectedResponse) -> Result<(), Failure> {
    let is_mcp = match expected {
        ExpectedResponse::Reply => {
            !head.is_empty && matches!(head.media_type, MediaType::Json | MediaType::EventStream)
        }
        ExpectedResponse::EventStream => head.media_type == MediaType::EventStream,
        ExpectedResponse::Acknowledgement | ExpectedResponse::SessionEnd => {
            head.is_empty || head.media_type != MediaType::Other
        }
    };
    if is_mcp { Ok(()) } else { Err(Failure::NotMcp) }
}

/// Whether a response with this status contains a document that the gateway itself requested:
/// metadata or an access token.
#[must_use]
pub fn carries_document(status: StatusCode) -> bool {
    status == StatusCode::OK
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWNERS: [Owner; 3] = [Owner::CallerWithToken, Owner::CallerWithoutToken, Owner::Gateway];
    const EXPECTED: [ExpectedResponse; 4] = [
        ExpectedResponse::Reply,
        ExpectedResponse::Acknowledgement,
        ExpectedResponse::EventStream,
        ExpectedResponse::SessionEnd,
    ];

    const JSON: &str = "application/json";

    fn head(code: u16, content_type: Option<&str>, is_empty: bool) -> ResponseHead {
        let headers = content_type.map(|value| (header::CONTENT_TYPE, value.parse().unwrap()));
        ResponseHead {
            status: StatusCode::from_u16(code).unwrap(),
            media_type: MediaType::from_headers(&headers.into_iter().collect()),
            is_empty,
            has_two_lengths: false,
        }
    }

    #[test]
    fn case_and_parameters_of_a_media_type_do_not_matter() {
        for (content_type, media_type) in [
            (Some("Text/Event-Stream ; charset=utf-8"), MediaType::EventStream),
            (Some("APPLICATION/JSON"), MediaType::Json),
            (Some("application/json-seq"), MediaType::Other),
            (Some(""), MediaType::Other),
            (None, MediaType::Absent),
        ] {
            assert_eq!(head(200, content_type, false).media_type, media_type, "{content_type:?}");
        }
    }

    #[test]
    fn relayed_statuses_and_failures_by_owner() {
        let mut lines = Vec::new();
        for (content_type, is_empty) in
            [(Some(JSON), false), (Some("text/html; charset=utf-8"), false), (None, true)]
        {
            for code in [200, 202, 302, 400, 401, 403, 404, 407, 429, 500, 503, 504] {
                let head = head(code, content_type, is_empty);
                let results =
                    OWNERS.map(|owner| match check_head(head, ExpectedResponse::Reply, owner) {
                        Ok(()) => "relayed".to_owned(),
                        Err(failure) => failure.error_response().code.to_string(),
                    });
                let body = content_type.unwrap_or("(no body)");
                lines.push(format!("{code} {body:24} {}", results.join(" | ")));
            }
        }
        insta::assert_snapshot!(format!(
            "upstream                      token | no token | gateway's credential\n{}",
            lines.join("\n")
        ));
    }

    #[test]
    fn an_event_stream_must_have_its_media_type() {
        let check = |content_type| {
            check_head(head(200, content_type, false), ExpectedResponse::EventStream, OWNERS[0])
        };
        assert_eq!(check(Some("text/event-stream")), Ok(()));
        assert_eq!(check(Some(JSON)), Err(Failure::NotMcp));
    }

    #[test]
    fn an_acknowledgement_is_any_success_without_a_page() {
        for expected in [ExpectedResponse::Acknowledgement, ExpectedResponse::SessionEnd] {
            for (content_type, is_empty) in
                [(None, true), (None, false), (Some(JSON), false), (Some("text/html"), true)]
            {
                assert_eq!(
                    check_head(head(202, content_type, is_empty), expected, OWNERS[0]),
                    Ok(()),
                    "{content_type:?} {is_empty}"
                );
            }
            let page = head(200, Some("text/html"), false);
            assert_eq!(check_head(page, expected, OWNERS[0]), Err(Failure::NotMcp));
        }
    }

    proptest! {
        /// STA-01, STA-05, STA-09: the client sees 401 or 403 exactly if the upstream sent it and
        /// the credential is the caller's.
        #[test]
        fn only_a_refused_token_is_reported_as_one(
            code in 200_u16..600,
            is_json: bool,
            is_empty: bool,
            owner in prop::sample::select(OWNERS.to_vec()),
            expected in prop::sample::select(EXPECTED.to_vec()),
        ) {
            let head = head(code, is_json.then_some(JSON), is_empty);
            let status = match check_head(head, expected, owner) {
                Ok(()) => code,
                Err(failure) => failure.error_response().status.as_u16(),
            };
            let is_refusal = owner != Owner::Gateway && (code == 401 || code == 403);
            prop_assert_eq!(status == 401 || status == 403, is_refusal);
            prop_assert!(!is_refusal || status == code);
            prop_assert!(status != 407 && !(300..400).contains(&status));
            prop_assert!((200..300).contains(&code) || !(200..300).contains(&status));
        }
    }
}
