//! Hands an upstream's answer on: which header lines, and how its body ends.
//!
//! Event by event, without collecting. Decides nothing about the status.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::REQUEST_DEADLINE;

/// What the model answers with.
pub(super) type Body = UnsyncBoxBody<Bytes, Broken>;

/// Why a body ended early. The client learns it from the missing end, never from a text.
pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// A body that is all there.
pub(super) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The header lines of an upstream's answer that concern the client.
///
/// Those that concern one connection do not (RFC 9110 §7.6.1), nor do challenges: they name the upstream, not the gateway.
pub(super) fn relayed_headers(
    upstream: &HeaderMap,
    drops: Option<&HeaderName>,
    hops: bool,
) -> HeaderMap {
    const OWN: [HeaderName; 11] = [
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
    let named: Vec<String> = upstream
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    upstream
        .iter()
        .filter(|(name, _)| {
            !OWN.contains(name)
                && drops != Some(*name)
                && (hops || !named.iter().any(|named| named == name.as_str()))
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether the head announces an event stream.
pub(super) fn is_stream(head: &Parts) -> bool {
    media_type(&head.headers).is_some_and(|media| media.eq_ignore_ascii_case("text/event-stream"))
}

/// The media type without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value: &HeaderValue| value.to_str().ok())?
        .split(';')
        .next()
        .map(str::trim)
}

/// An upstream's body on its way to the client.
pub(super) struct Relayed {
    inner: Incoming,
    /// Streams may be silent for as long as they like; anything else is due.
    due: Option<Pin<Box<Sleep>>>,
    /// The fault that makes a cut body look whole.
    completes: bool,
    /// An end that came too early, held back for one turn so that the head is on its way first.
    broken: Option<Broken>,
}

impl Relayed {
    pub(super) fn new(inner: Incoming, stream: bool, completes: bool) -> Self {
        Self {
            inner,
            due: (!stream).then(|| Box::pin(sleep(REQUEST_DEADLINE))),
            completes,
            broken: None,
        }
    }
}

impl hyper::body::Body for Relayed {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        if let Some(broken) = this.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        let frame = match (Pin::new(&mut this.inner).poll_frame(context), &mut this.due) {
            (Poll::Ready(frame), _) => frame.map(|frame| frame.map_err(Broken::from)),
            (Poll::Pending, Some(due)) => {
                ready!(due.as_mut().poll(context));
                Some(Err("the upstream's body is overdue".into()))
            }
            (Poll::Pending, None) => return Poll::Pending,
        };
        match frame {
            Some(Err(_)) if this.completes => Poll::Ready(None),
            Some(Err(broken)) => {
                this.broken = Some(broken);
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

type Coming = dyn Future<Output = Result<Bytes, Broken>> + Send;

/// A body that does not exist yet, behind a head that may be gone already, and whose length nobody knows: some of the faults need it, and
/// some of the variants.
pub(super) struct Later {
    coming: Option<Pin<Box<Coming>>>,
    broken: Option<Broken>,
    ended: bool,
}

impl Later {
    pub(super) fn body(
        coming: impl Future<Output = Result<Bytes, Broken>> + Send + 'static,
    ) -> Body {
        Self { coming: Some(Box::pin(coming)), broken: None, ended: false }.boxed_unsync()
    }
}

impl hyper::body::Body for Later {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(coming) = &mut self.coming {
            let came = ready!(coming.as_mut().poll(context));
            self.coming = None;
            match came {
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(broken) => self.broken = Some(broken),
            }
        }
        // What there is goes out before the end, which may come too early.
        if !std::mem::replace(&mut self.ended, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.broken.take().map(Err))
    }
}
