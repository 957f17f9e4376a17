//! Relays a server's response to the client: selects its header fields, and streams its body.
//!
//! Whether the response may be relayed was decided in the core. A body that breaks off is never
//! presented as complete.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::body::{Body, BoxError};
use crate::core::{fields, outcome::Cause, relay::MediaType};

/// The response for the client. An event stream has no deadline; if `stopping` is given, it ends
/// when the gateway stops. Any other body breaks off visibly at the deadline.
///
/// # Errors
/// A body that is not an event stream breaks or passes the deadline before its first byte. The
/// response head has not been sent then.
pub(super) async fn relay_response(
    response: Response<Incoming>,
    deadline: Instant,
    stopping: Option<CancellationToken>,
) -> Result<Response<Body>, Cause> {
    let (mut parts, mut body) = response.into_parts();
    parts.headers = fields::response_fields(&parts.headers);
    if MediaType::from_headers(&parts.headers) == MediaType::EventStream {
        parts.headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        let stopping = stopping.map(|stopping| Box::pin(stopping.cancelled_owned()));
        let body = RelayedBody {
            first: None,
            body,
            deadline: None,
            stopping,
            has_begun: false,
        };
        return Ok(Response::from_parts(parts, body.boxed_unsync()));
    }
    let first = if body.is_end_stream() {
        None
    } else {
        timeout_at(deadline, body.frame()).await.map_err(|_| Cause::TimedOut)?
    };
    let body = RelayedBody {
        first: without_trailers(first).transpose().map_err(|_| Cause::Broken)?,
        body,
        deadline: Some(Box::pin(sleep_until(deadline))),
        stopping: None,
        has_begun: false,
    };
    Ok(Response::from_parts(parts, body.boxed_unsync()))
}

/// The end of the body instead of a trailer section. Its fields would need the same selection as
/// those of the head, no MCP message has any, and an intermediary may discard them (RFC 9110
/// §6.5.1).
fn without_trailers<E>(frame: Option<Result<Frame<Bytes>, E>>) -> Option<Result<Frame<Bytes>, E>> {
    frame.filter(|frame| !frame.as_ref().is_ok_and(Frame::is_trailers))
}

struct RelayedBody {
    /// A frame that has been read already.
    first: Option<Frame<Bytes>>,
    body: Incoming,
    /// When the body breaks off.
    deadline: Option<Pin<Box<Sleep>>>,
    /// When the body ends.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Whether the response head may have been sent.
    has_begun: bool,
}

impl HttpBody for RelayedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            this.has_begun = true;
            return Poll::Ready(Some(Ok(first)));
        }
        let frame = Pin::new(&mut this.body).poll_frame(context).map(without_trailers);
        if matches!(frame, Poll::Ready(Some(Err(_)))) && !this.has_begun {
            // `hyper` drops an unsent head if the body fails at the first poll. After one more poll
            // the client sees the head and then a broken body.
            this.has_begun = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.has_begun = true;
        if let Poll::Ready(frame) = frame {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        if let Some(stopping) = &mut this.stopping
            && stopping.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        let Some(deadline) = &mut this.deadline else { return Poll::Pending };
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Some(Err("the upstream's body did not end in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        match self.body.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::default(),
        }
    }
}
