//! Turns an upstream's response into the client's: the fields that cross, and the body as it comes.
//!
//! Whether it may be relayed was decided in the core. A body that breaks is never passed off as whole.

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

use super::{Body, BoxError};
use crate::core::{fields, outcome::Cause, relay::MediaType};

/// The response as the client gets it: a stream event by event and as long as it lasts, or until the gateway stops where `stopping` is
/// given; anything else until the request's deadline, after which it ends visibly broken.
///
/// # Errors
/// A body that is no stream breaks, or is silent until the deadline, before its first byte: then no head has been committed either.
pub(super) async fn relayed(
    response: Response<Incoming>,
    until: Instant,
    stopping: Option<CancellationToken>,
) -> Result<Response<Body>, Cause> {
    let (mut parts, mut body) = response.into_parts();
    parts.headers = fields::response_fields(&parts.headers);
    if MediaType::from_headers(&parts.headers) == MediaType::EventStream {
        parts.headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        let stopping = stopping.map(|stopping| Box::pin(stopping.cancelled_owned()));
        return Ok(Response::from_parts(
            parts,
            Relayed { first: None, body, until: None, stopping, begun: false }.boxed_unsync(),
        ));
    }
    let first = if body.is_end_stream() {
        None
    } else {
        timeout_at(until, body.frame()).await.map_err(|_| Cause::TimedOut)?
    };
    let first = first.transpose().map_err(|_| Cause::Broken)?;
    let until = Some(Box::pin(sleep_until(until)));
    Ok(Response::from_parts(
        parts,
        Relayed { first, body, until, stopping: None, begun: false }.boxed_unsync(),
    ))
}

struct Relayed {
    /// What has been read already.
    first: Option<Frame<Bytes>>,
    body: Incoming,
    /// When it breaks off.
    until: Option<Pin<Box<Sleep>>>,
    /// When it ends.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Whether the client's head can have been sent.
    begun: bool,
}

impl HttpBody for Relayed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(first) = this.first.take() {
            this.begun = true;
            return Poll::Ready(Some(Ok(first)));
        }
        let frame = Pin::new(&mut this.body).poll_frame(context);
        if matches!(frame, Poll::Ready(Some(Err(_)))) && !this.begun {
            // The server drops a head that it has not sent when the body fails at once. A moment later the client sees what there was
            // to see: a head, and a body that broke.
            this.begun = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.begun = true;
        if let Poll::Ready(frame) = frame {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        if let Some(stopping) = &mut this.stopping
            && stopping.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        let Some(until) = &mut this.until else { return Poll::Pending };
        ready!(until.as_mut().poll(context));
        Poll::Ready(Some(Err("the upstream's body did not end in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        self.body
            .size_hint()
            .exact()
            .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(first + rest))
    }
}
