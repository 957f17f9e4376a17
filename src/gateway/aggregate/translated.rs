//! Has the reply of a server with sessions reach a client of 2026-07-28 in its own form, as it comes: event by event, or whole.
//!
//! What the form is was decided in the core; whatever is not the reply is passed on as it is.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Response, header::CONTENT_LENGTH};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;

use super::{
    super::{Body, BoxError},
    events::{TooLong, Unread, data_of},
};
use crate::core::{envelope::Message, relay::MediaType, translate::reply_for_stateless_client};

/// The response, translated while it is read.
pub(super) fn translated(mut response: Response<Body>, request: &Message) -> Response<Body> {
    let is_json = MediaType::from_headers(response.headers()) == MediaType::Json;
    // What is said gets longer.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.map(|body| {
        Translated {
            body,
            unread: Unread::default(),
            request: request.clone(),
            is_json,
            ended: false,
        }
        .boxed_unsync()
    })
}

struct Translated {
    body: Body,
    /// What has come of an event, or of the whole.
    unread: Unread,
    request: Message,
    is_json: bool,
    ended: bool,
}

impl Translated {
    /// What can be passed on of what has come so far; at the end, all of it.
    fn ready(&mut self) -> Bytes {
        let mut ready = BytesMut::new();
        while !self.is_json
            && let Some(event) = self.unread.event()
        {
            ready.extend_from_slice(&self.event(&event));
        }
        if self.ended {
            let rest = self.unread.rest();
            let whole = if self.is_json {
                reply_for_stateless_client(&rest, &self.request).map(Bytes::from)
            } else {
                None
            };
            ready.extend_from_slice(&whole.unwrap_or(rest));
        }
        ready.freeze()
    }

    /// A whole event: its reply in the new form, and its other lines as they are.
    fn event(&self, event: &[u8]) -> Bytes {
        let Some(reply) = reply_for_stateless_client(&data_of(event), &self.request) else {
            return Bytes::copy_from_slice(event);
        };
        let lines = event.split(|byte| *byte == b'\n' || *byte == b'\r');
        let mut written = BytesMut::new();
        for line in
            lines.filter(|line| !line.is_empty() && *line != b"data" && !line.starts_with(b"data:"))
        {
            written.extend_from_slice(line);
            written.extend_from_slice(b"\n");
        }
        written.extend_from_slice(format!("data: {reply}\n\n").as_bytes());
        written.freeze()
    }
}

impl HttpBody for Translated {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while !this.ended {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let pushed = this.unread.push(&frame.into_data().unwrap_or_default());
                    pushed
                        .map_err(|TooLong| "the upstream's message is too long to be translated")?;
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => this.ended = true,
            }
            let ready = this.ready();
            if !ready.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(ready))));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::answer::whole, *};

    async fn through(content_type: &str, body: &str) -> String {
        let response = Response::builder()
            .header("content-type", content_type)
            .body(whole(body.to_owned()))
            .unwrap();
        let request = Message::parse(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#).unwrap();
        let body = translated(response, &request).into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_reply_is_translated_and_nothing_else() {
        let (reply, new) =
            (r#"{"id":7,"result":{}}"#, r#"{"id":7,"result":{"resultType":"complete"}}"#);
        assert_eq!(through("application/json", reply).await, new);
        assert_eq!(through("application/json", "{").await, "{");
        let before =
            ": hello\r\n\r\nid: 0\ndata: \n\ndata: {\"method\":\"notifications/progress\"}\n\n";
        let stream = through(
            "text/event-stream",
            &format!("{before}event: message\r\nid: 1\r\ndata: {reply}\r\n\r\ndata: rest"),
        )
        .await;
        assert_eq!(stream, format!("{before}event: message\nid: 1\ndata: {new}\n\ndata: rest"));
    }
}
