//! Relays the fields and the body of an upstream's response.
//!
//! A body is relayed frame by frame, and a body that breaks off breaks off for the client.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::deadlines::REQUEST_DEADLINE;

/// A future that a decision returns.
pub(super) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The body of a response.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off. The client sees only that the end is missing.
pub(super) type BodyError = Box<dyn Error + Send + Sync>;

/// A body of known content.
pub(super) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The fields of an upstream's response that are not relayed: those of the connection (RFC 9110
/// §7.6.1), and challenges and cookies, which belong to the upstream and not to the gateway.
const NOT_RELAYED: [HeaderName; 11] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::WWW_AUTHENTICATE,
    header::SET_COOKIE,
];

/// Whether a field of an upstream's response is relayed, from whether `Connection` lists it.
pub(super) fn is_relayed(name: &HeaderName, listed: bool) -> bool {
    !listed && !NOT_RELAYED.contains(name)
}

/// The field names that `Connection` lists, in lower case.
pub(super) fn connection_fields(upstream: &HeaderMap) -> Vec<String> {
    upstream
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// Whether the body is an event stream.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("text/event-stream"))
}

/// The media type without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// The body of an upstream's response.
pub(super) struct Relayed {
    inner: Incoming,
    /// The time limit of a body that is not an event stream.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Whether a body that breaks off ends as if it were complete.
    completes: bool,
    /// An error that is reported in the next poll, so that the head is sent first.
    error: Option<BodyError>,
}

impl Relayed {
    pub(super) fn new(inner: Incoming, is_stream: bool, completes: bool) -> Self {
        let deadline = (!is_stream).then(|| Box::pin(sleep(REQUEST_DEADLINE)));
        Self { inner, deadline, completes, error: None }
    }
}

impl hyper::body::Body for Relayed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match (Pin::new(&mut this.inner).poll_frame(context), &mut this.deadline) {
            (Poll::Ready(frame), _) => frame.map(|frame| frame.map_err(BodyError::from)),
            (Poll::Pending, Some(deadline)) => {
                ready!(deadline.as_mut().poll(context));
                Some(Err("the upstream's body took too long".into()))
            }
            (Poll::Pending, None) => return Poll::Pending,
        };
        match frame {
            Some(Err(_)) if this.completes => Poll::Ready(None),
            Some(Err(error)) => {
                this.error = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.completes {
            SizeHint::default()
        } else {
            self.inner.size_hint()
        }
    }
}

/// A body whose content and length are not yet known when the head is sent. Only deviations need
/// it.
pub(super) struct DeferredBody {
    content: Option<Pending<'static, Result<Bytes, BodyError>>>,
    error: Option<BodyError>,
    yielded: bool,
}

impl DeferredBody {
    pub(super) fn boxed(
        content: impl Future<Output = Result<Bytes, BodyError>> + Send + 'static,
    ) -> Body {
        Self {
            content: Some(Box::pin(content)),
            error: None,
            yielded: false,
        }
        .boxed_unsync()
    }
}

impl hyper::body::Body for DeferredBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(content) = &mut self.content {
            let result = ready!(content.as_mut().poll(context));
            self.content = None;
            match result {
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(error) => self.error = Some(error),
            }
        }
        // Yield once, so that the content is sent before an error ends the connection.
        if !std::mem::replace(&mut self.yielded, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.error.take().map(Err))
    }
}
