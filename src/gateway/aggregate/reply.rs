//! Reads the reply of one server out of its response, which is JSON or an event stream.
//!
//! Only replies that become part of a merged answer are read; any other response is relayed.

use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{
    super::body::Body,
    event_stream::{EventBuffer, MessageTooLong, event_data},
};
use crate::core::{aggregate::reply::Reply, outcome::Cause, relay::MediaType, status::Failure};

/// How many bytes of a response are read to find the reply: other messages may come before it in an
/// event stream.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Reads the reply to the request with this id, within the deadline. An event stream has no
/// deadline of its own, and the other servers of the endpoint wait for this reply.
///
/// # Errors
/// The response breaks off, is too long or too late, or contains no such reply.
pub(super) async fn read_reply(
    response: Response<Body>,
    id: Option<&RawValue>,
    deadline: Duration,
) -> Result<Reply, Failure> {
    let reading = timeout(deadline, find_reply(response, id));
    reading.await.unwrap_or(Err(Failure::NoResponse(Cause::TimedOut)))
}

async fn find_reply(response: Response<Body>, id: Option<&RawValue>) -> Result<Reply, Failure> {
    let is_json = MediaType::from_headers(response.headers()) == MediaType::Json;
    let mut body = response.into_body();
    let mut buffer = EventBuffer::default();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::NoResponse(Cause::Broken))?;
        let data = frame.into_data().unwrap_or_default();
        received += data.len();
        if received > MAX_RESPONSE_BYTES {
            return Err(Failure::NotMcp);
        }
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
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::channel::{Channel, Sender};

    use super::{super::super::body::full_body, *};

    const DEADLINE: Duration = Duration::from_secs(60);

    async fn read(content_type: &str, body: &str) -> String {
        read_body(content_type, full_body(body.to_owned())).await
    }

    async fn read_body(content_type: &str, body: Body) -> String {
        let response = Response::builder().header("content-type", content_type).body(body).unwrap();
        let id = RawValue::from_string("7".to_owned()).unwrap();
        match read_reply(response, Some(&id), DEADLINE).await {
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

    /// A body that receives these pieces and stays open while the sender is kept.
    async fn open_body(pieces: Vec<Bytes>) -> (Sender<Bytes, Infallible>, Body) {
        let (mut sender, body) = Channel::new(pieces.len().max(1));
        for piece in pieces {
            sender.send_data(piece).await.unwrap();
        }
        (sender, body.map_err(|never| match never {}).boxed_unsync())
    }

    /// The other servers of an aggregate endpoint would wait for it.
    #[tokio::test(start_paused = true)]
    async fn a_stream_without_the_reply_ends_at_the_deadline() {
        let (_sender, body) = open_body(vec![Bytes::from_static(b": hello\n\n")]).await;
        assert_eq!(read_body("text/event-stream", body).await, "NoResponse(TimedOut)");
    }

    #[tokio::test]
    async fn a_stream_of_other_messages_has_a_limit() {
        let piece = Bytes::from(": hello\n\n".repeat(10_000));
        let pieces = vec![piece.clone(); MAX_RESPONSE_BYTES / piece.len() + 2];
        let (_sender, body) = open_body(pieces).await;
        assert_eq!(read_body("text/event-stream", body).await, "NotMcp");
    }
}
