//! Reads the reply of one server out of its response, which is JSON or an event stream.
//!
//! Only replies that become part of a merged answer are read; any other response is relayed.

use http::Response;
use http_body_util::BodyExt;
use serde_json::value::RawValue;

use super::{
    super::body::Body,
    event_stream::{EventBuffer, MessageTooLong, event_data},
};
use crate::core::{aggregate::reply::Reply, outcome::Cause, relay::MediaType, status::Failure};

/// Reads the reply to the request with this id.
///
/// # Errors
/// The response breaks off, or it contains no such reply.
pub(super) async fn read_reply(
    response: Response<Body>,
    id: Option<&RawValue>,
) -> Result<Reply, Failure> {
    let is_json = MediaType::from_headers(response.headers()) == MediaType::Json;
    let mut body = response.into_body();
    let mut buffer = EventBuffer::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::NoResponse(Cause::Broken))?;
        let data = frame.into_data().unwrap_or_default();
        buffer.push(&data).map_err(|MessageTooLong| Failure::NotMcp)?;
        while !is_json && let Some(event) = buffer.next_event() {
            if let Some(reply) = Reply::parse(&event_data(&event), id) {
                return Ok(reply);
            }
        }
    }
    // The last event of a stream may lack its empty line.
    let rest = buffer.take_rest();
    let rest = if is_json { rest } else { event_data(&rest) };
    Reply::parse(&rest, id).ok_or(Failure::NotMcp)
}

#[cfg(test)]
mod tests {
    use super::{super::super::body::full_body, *};

    async fn read(content_type: &str, body: &str) -> String {
        let response = Response::builder()
            .header("content-type", content_type)
            .body(full_body(body.to_owned()))
            .unwrap();
        let id = RawValue::from_string("7".to_owned()).unwrap();
        match read_reply(response, Some(&id)).await {
            Ok(Reply::Result(result)) => result.get().to_owned(),
            Ok(Reply::Error(code)) => format!("error {code:?}"),
            Err(failure) => format!("{failure:?}"),
        }
    }

    #[tokio::test]
    async fn a_reply_is_found_in_json_and_among_events() {
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{"a": 1}}"#;
        assert_eq!(read("application/json; charset=utf-8", text).await, r#"{"a": 1}"#);
        for stream in [
            format!("event: message\ndata: {text}\n\n"),
            format!(
                ": hello\n\ndata: {{\"method\":\"notifications/progress\"}}\r\n\r\nid: \
                 4\r\ndata:{text}\r\n\r\n"
            ),
            format!("data: {}\n\n", text.replace(',', ",\ndata: ")),
            format!("data: {text}"),
        ] {
            assert_eq!(read("text/event-stream", &stream).await, r#"{"a": 1}"#, "{stream}");
        }
    }

    #[tokio::test]
    async fn a_response_without_the_reply_is_not_mcp() {
        assert_eq!(
            read("application/json", r#"{"id":7,"error":{"code":-7,"message":"no"}}"#).await,
            "error Some(-7)"
        );
        for (content_type, body) in [
            ("application/json", r#"{"id":8,"result":{}}"#),
            ("application/json", "{"),
            ("text/event-stream", "data: {\"id\":\"7\",\"result\":{}}\n\n"),
            ("text/event-stream", ""),
        ] {
            assert_eq!(read(content_type, body).await, "NotMcp", "{body}");
        }
    }
}
