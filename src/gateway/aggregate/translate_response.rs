//! Translates the response of a session-based server for a stateless client while the response is
//! relayed.
//!
//! The translation of one reply is decided in the core. Everything that is not the reply is passed
//! on unchanged.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Response, header::CONTENT_LENGTH};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;

use super::{
    super::body::{Body, BoxError},
    event_stream::{EventBuffer, MessageTooLong, event_data},
};
use crate::core::{envelope::Message, relay::MediaType, translate::reply_for_stateless_client};

/// The response with a body that translates the reply to `request`.
pub(super) fn translate_response(
    mut response: Response<Body>,
    request: &Message,
) -> Response<Body> {
    let is_json = MediaType::from_headers(response.headers()) == MediaType::Json;
    // The translated reply is longer.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.map(|body| {
        let translated = TranslatedBody {
            body,
            buffer: EventBuffer::default(),
            request: request.clone(),
            is_json,
            has_ended: false,
        };
        translated.boxed_unsync()
    })
}

struct TranslatedBody {
    body: Body,
    /// Received bytes: the beginning of an event, or of a JSON document.
    buffer: EventBuffer,
    request: Message,
    is_json: bool,
    has_ended: bool,
}

impl TranslatedBody {
    /// The translation of everything that is complete; at the end of the body, of all that remains.
    fn take_translated(&mut self) -> Bytes {
        let mut translated = BytesMut::new();
        while !self.is_json
            && let Some(event) = self.buffer.next_event()
        {
            translated.extend_from_slice(&self.translate_event(&event));
        }
        if self.has_ended {
            let rest = self.buffer.take_rest();
            let reply = if self.is_json {
                reply_for_stateless_client(&rest, &self.request)
            } else {
                None
            };
            translated.extend_from_slice(&reply.map_or(rest, Bytes::from));
        }
        translated.freeze()
    }

    /// An event with its reply translated and its other fields unchanged.
    fn translate_event(&self, event: &[u8]) -> Bytes {
        let Some(reply) = reply_for_stateless_client(&event_data(event), &self.request) else {
            return Bytes::copy_from_slice(event);
        };
        let lines = event.split(|byte| *byte == b'\n' || *byte == b'\r');
        let mut translated = BytesMut::new();
        for line in lines {
            let is_data = line == b"data" || line.starts_with(b"data:");
            if !line.is_empty() && !is_data {
                translated.extend_from_slice(line);
                translated.extend_from_slice(b"\n");
            }
        }
        translated.extend_from_slice(format!("data: {reply}\n\n").as_bytes());
        translated.freeze()
    }
}

impl HttpBody for TranslatedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while !this.has_ended {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let pushed = this.buffer.push(&frame.into_data().unwrap_or_default());
                    pushed.map_err(
                        |MessageTooLong| "the upstream's message is too long to be translated",
                    )?;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => this.has_ended = true,
            }
            let translated = this.take_translated();
            if !translated.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(translated))));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::body::full_body, *};

    async fn translated(content_type: &str, body: &str) -> String {
        let response = Response::builder()
            .header("content-type", content_type)
            .body(full_body(body.to_owned()))
            .unwrap();
        let request = Message::parse(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#).unwrap();
        let body = translate_response(response, &request).into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn only_the_reply_is_translated() {
        let reply = r#"{"id":7,"result":{}}"#;
        let expected = r#"{"id":7,"result":{"resultType":"complete"}}"#;
        assert_eq!(translated("application/json", reply).await, expected);
        assert_eq!(translated("application/json", "{").await, "{");
        let before =
            ": hello\r\n\r\nid: 0\ndata: \n\ndata: {\"method\":\"notifications/progress\"}\n\n";
        let stream = format!("{before}event: message\r\nid: 1\r\ndata: {reply}\r\n\r\ndata: rest");
        assert_eq!(
            translated("text/event-stream", &stream).await,
            format!("{before}event: message\nid: 1\ndata: {expected}\n\ndata: rest")
        );
    }
}
