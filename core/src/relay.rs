//! Decides what becomes of an upstream's response head: relayed as it is, or answered by the gateway instead.
//!
//! The real request tells the truth, whatever a probe said before (STR-03): this is the same judgement for both strategies. What the
//! body holds is not looked at; only the head is known when the client's head is committed.

use http::{HeaderMap, StatusCode, header};

use super::{credential::Owner, status::Failure};

/// What the client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedResponse {
    /// The answer to a request.
    Reply,
    /// That a notification or a response was taken.
    Acknowledgement,
    /// The listening stream of the legacy eras (GET).
    EventStream,
    /// The end of a session (DELETE).
    SessionEnd,
}

/// What a response says that its body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// Nothing that can be read.
    Absent,
    /// One JSON document.
    Json,
    /// An event stream.
    EventStream,
    /// Something that MCP does not use.
    Other,
}

impl MediaType {
    /// Reads `Content-Type`, in any case and whatever its parameters (RFC 9110 §8.3.1).
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map_or(Self::Absent, Self::written)
    }

    fn written(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence {
            _ if essence.eq_ignore_ascii_case("application/json") => Self::Json,
            _ if essence.eq_ignore_ascii_case("text/event-stream") => Self::EventStream,
            _ => Self::Other,
        }
    }
}

/// What the gateway reads of a response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// What its body is said to be.
    pub media_type: MediaType,
    /// Whether the head says that no body follows.
    pub is_empty: bool,
}

/// Judges a response head (STA-01 to STA-16, OPN-06 to OPN-10).
///
/// # Errors
/// The failure to answer with, where the response itself may not or need not reach the client.
pub fn check_head(
    head: ResponseHead,
    awaited: ExpectedResponse,
    owner: Owner,
) -> Result<(), Failure> {
    let status = head.status;
    match status.as_u16() {
        200..=299 => successful(head, awaited),
        401 | 403 if owner == Owner::Gateway => Err(Failure::GatewayCredentialRefused(status)),
        401 if owner == Owner::CallerWithoutToken => Err(Failure::TokenRequired),
        401 => Err(Failure::Unauthorized),
        403 => Err(Failure::Forbidden),
        300..=399 => Err(Failure::Redirected),
        // A message that the client can read stays the upstream's (STA-15); a page of HTML does not.
        400..=499
            if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED
                && (head.media_type == MediaType::Json || head.is_empty) =>
        {
            Ok(())
        }
        _ => Err(Failure::UpstreamStatus(status)),
    }
}

/// What can be told from the head alone of a success that is none (OPN-10, STA-04).
fn successful(head: ResponseHead, awaited: ExpectedResponse) -> Result<(), Failure> {
    let speaks_mcp = match awaited {
        ExpectedResponse::Reply => {
            !head.is_empty && matches!(head.media_type, MediaType::Json | MediaType::EventStream)
        }
        ExpectedResponse::EventStream => head.media_type == MediaType::EventStream,
        ExpectedResponse::Acknowledgement | ExpectedResponse::SessionEnd => {
            head.is_empty || head.media_type != MediaType::Other
        }
    };
    if speaks_mcp { Ok(()) } else { Err(Failure::NotMcp) }
}

/// Whether a response with this status carries a document that the gateway itself requested: metadata or an access token.
#[must_use]
pub fn carries_document(status: StatusCode) -> bool {
    status == StatusCode::OK
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWNERS: [Owner; 3] = [Owner::CallerWithToken, Owner::CallerWithoutToken, Owner::Gateway];
    const AWAITED: [ExpectedResponse; 4] = [
        ExpectedResponse::Reply,
        ExpectedResponse::Acknowledgement,
        ExpectedResponse::EventStream,
        ExpectedResponse::SessionEnd,
    ];

    const JSON: &str = "application/json";

    fn head(code: u16, content_type: Option<&str>, empty: bool) -> ResponseHead {
        let headers = content_type.map(|written| (header::CONTENT_TYPE, written.parse().unwrap()));
        ResponseHead {
            status: StatusCode::from_u16(code).unwrap(),
            media_type: MediaType::from_headers(&headers.into_iter().collect()),
            is_empty: empty,
        }
    }

    #[test]
    fn a_media_type_is_read_in_any_case_and_with_parameters() {
        for (written, media) in [
            (Some("Text/Event-Stream ; charset=utf-8"), MediaType::EventStream),
            (Some("APPLICATION/JSON"), MediaType::Json),
            (Some("application/json-seq"), MediaType::Other),
            (Some(""), MediaType::Other),
            (None, MediaType::Absent),
        ] {
            assert_eq!(head(200, written, false).media_type, media, "{written:?}");
        }
    }

    #[test]
    fn the_decision_table() {
        let mut lines = Vec::new();
        for (content_type, empty) in
            [(Some(JSON), false), (Some("text/html; charset=utf-8"), false), (None, true)]
        {
            for code in [200, 202, 302, 400, 401, 403, 404, 407, 429, 500, 503, 504] {
                let owners = OWNERS.map(|owner| {
                    let judged =
                        check_head(head(code, content_type, empty), ExpectedResponse::Reply, owner);
                    judged.map_or_else(
                        |failure| failure.error_response().code.to_string(),
                        |()| "as is".to_owned(),
                    )
                });
                lines.push(format!(
                    "{code} {:24} {}",
                    content_type.unwrap_or("(no body)"),
                    owners.join(" | ")
                ));
            }
        }
        insta::assert_snapshot!(format!(
            "upstream                      token | no token | gateway's\n{}",
            lines.join("\n")
        ));
    }

    #[test]
    fn a_stream_is_a_stream() {
        assert_eq!(
            check_head(
                head(200, Some("text/event-stream"), false),
                ExpectedResponse::EventStream,
                OWNERS[0]
            ),
            Ok(())
        );
        assert_eq!(
            check_head(head(200, Some(JSON), false), ExpectedResponse::EventStream, OWNERS[0]),
            Err(Failure::NotMcp)
        );
    }

    #[test]
    fn an_acknowledgement_is_any_success_but_a_page() {
        for awaited in [ExpectedResponse::Acknowledgement, ExpectedResponse::SessionEnd] {
            for (content_type, empty) in
                [(None, true), (None, false), (Some(JSON), false), (Some("text/html"), true)]
            {
                assert_eq!(
                    check_head(head(202, content_type, empty), awaited, OWNERS[0]),
                    Ok(()),
                    "{content_type:?} {empty}"
                );
            }
            assert_eq!(
                check_head(head(200, Some("text/html"), false), awaited, OWNERS[0]),
                Err(Failure::NotMcp)
            );
        }
    }

    proptest! {
        /// STA-01, STA-05, STA-09: 401 and 403 come from 401 and 403, and from nothing else.
        #[test]
        fn only_a_refused_token_looks_like_one(code in 200_u16..600, json: bool, empty: bool, owner in 0_usize..3, awaited in 0_usize..4) {
            let judged = check_head(head(code, json.then_some(JSON), empty), AWAITED[awaited], OWNERS[owner]);
            let status = judged.map_or_else(|failure| failure.error_response().status.as_u16(), |()| code);
            let refused = OWNERS[owner] != Owner::Gateway && (code == 401 || code == 403);
            prop_assert_eq!(status == 401 || status == 403, refused);
            prop_assert!(!refused || status == code);
            prop_assert!(status != 407 && !(300..400).contains(&status));
            prop_assert!((200..300).contains(&code) || !(200..300).contains(&status));
        }
    }
}
