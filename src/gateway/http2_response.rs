//! Delays an error of a response body on HTTP/2 until what precedes it has been written.
//!
//! `hyper` reports the error of a body to an HTTP/2 client with RST_STREAM. `h2` then drops every
//! frame of the stream that it has not written, including the response head. Without the delay, the
//! client can see a reset without a status (OPN-11).
//!
//! HTTP/1.1 does not need this: its connection writes the head and the data in order before it
//! closes.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use super::body::{Body, BoxError};

/// The same body, except that an error is delayed until the head and the data have been written.
///
/// The delay ends with an event: each chunk reports when it is dropped, and `h2` drops a chunk when
/// it has copied or written it. The frames of a stream are written in order, so the last chunk
/// stands for all frames before it. If the client resets the stream or disconnects, `h2` drops the
/// chunk too.
pub(super) fn write_before_reset(body: Body) -> Body {
    WriteBeforeReset::Streaming { body, last_chunk: None }.boxed_unsync()
}

/// Completes when `h2` has dropped the chunk. Nothing is sent through the channel; it closes.
type ChunkDropped = oneshot::Receiver<()>;

enum WriteBeforeReset {
    Streaming { body: Body, last_chunk: Option<ChunkDropped> },
    Failed { error: BoxError, last_chunk: ChunkDropped },
    Ended,
}

impl HttpBody for WriteBeforeReset {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Self::Streaming { body, last_chunk } = &mut *self {
            let error = match ready!(Pin::new(body).poll_frame(context)) {
                Some(Err(error)) => error,
                Some(Ok(frame)) => {
                    let frame = frame.map_data(|data| {
                        let (data, dropped) = tracked(data);
                        *last_chunk = Some(dropped);
                        data
                    });
                    return Poll::Ready(Some(Ok(frame)));
                }
                None => return Poll::Ready(None),
            };
            if let Some(last_chunk) = last_chunk.take() {
                *self = Self::Failed { error, last_chunk };
            } else {
                // An empty chunk follows the head. It is sent only here, because clients limit the
                // number of empty DATA frames on a connection.
                let (data, last_chunk) = tracked(Bytes::new());
                *self = Self::Failed { error, last_chunk };
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        if let Self::Failed { last_chunk, .. } = &mut *self {
            let _closed = ready!(Pin::new(last_chunk).poll(context));
        }
        match mem::replace(&mut *self, Self::Ended) {
            Self::Failed { error, .. } => Poll::Ready(Some(Err(error))),
            Self::Streaming { .. } | Self::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Streaming { body, .. } => body.is_end_stream(),
            Self::Failed { .. } => false,
            Self::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Streaming { body, .. } => body.size_hint(),
            Self::Failed { .. } | Self::Ended => SizeHint::default(),
        }
    }
}

/// A chunk with this data that reports when it is dropped.
fn tracked(data: Bytes) -> (Bytes, ChunkDropped) {
    let (sender, dropped) = oneshot::channel();
    (Bytes::from_owner(TrackedData { data, _sender: sender }), dropped)
}

struct TrackedData {
    data: Bytes,
    /// Dropping it closes the channel.
    _sender: oneshot::Sender<()>,
}

impl AsRef<[u8]> for TrackedData {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use http_body_util::{Empty, channel::Channel};
    use hyper::{
        client::conn::http2::handshake, server::conn::http2::Builder, service::service_fn,
    };
    use hyper_util::rt::{TokioExecutor, TokioIo};

    use super::*;
    use crate::gateway::body::full_body;

    /// A body that yields these chunks and then fails, without ever waiting.
    fn failing_body(chunks: Vec<Bytes>) -> Body {
        let (mut sender, body) = Channel::<Bytes, BoxError>::new(chunks.len().max(1));
        for chunk in chunks {
            sender.try_send(Frame::data(chunk)).unwrap();
        }
        sender.abort("the upstream's body broke off".into());
        body.boxed_unsync()
    }

    /// What a client receives over HTTP/2 if the response has this body: the status, the data, and
    /// whether the body then broke off.
    async fn received(body: fn() -> Body) -> (u16, Vec<u8>, bool) {
        let (near, far) = tokio::io::duplex(1024);
        tokio::spawn(Builder::new(TokioExecutor::new()).serve_connection(
            TokioIo::new(far),
            service_fn(move |_| async move { Ok::<_, Infallible>(Response::new(body())) }),
        ));
        let (mut sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("http://gateway.test/").body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.expect("a response head");
        let (status, mut body) = (response.status().as_u16(), response.into_body());
        let mut data = Vec::new();
        loop {
            match body.frame().await {
                Some(Ok(frame)) => data.extend(frame.into_data().unwrap()),
                Some(Err(_)) => return (status, data, true),
                None => return (status, data, false),
            }
        }
    }

    #[tokio::test]
    async fn the_head_and_the_data_are_written_before_the_reset() {
        let one_chunk = || write_before_reset(failing_body(vec!["data".into()]));
        assert_eq!(received(one_chunk).await, (200, b"data".into(), true));
        let no_chunk = || write_before_reset(failing_body(Vec::new()));
        assert_eq!(received(no_chunk).await, (200, Vec::new(), true));
    }

    #[tokio::test]
    async fn data_beyond_the_flow_control_window_is_written_before_the_reset() {
        const LENGTH: usize = 8 * 1024 * 1024;
        let large = || write_before_reset(failing_body(vec![vec![b'a'; LENGTH].into()]));
        let (_, data, broke_off) = received(large).await;
        assert_eq!((data.len(), broke_off), (LENGTH, true));
    }

    #[tokio::test]
    async fn a_body_without_an_error_is_unchanged() {
        let (_, data, broke_off) = received(|| write_before_reset(full_body("data"))).await;
        assert_eq!((data, broke_off), (b"data".to_vec(), false));
    }
}
