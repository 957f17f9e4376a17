//! Reads the beginning of a request body, and forwards the whole body.
//!
//! A prefix is read before anything else, because an answer needs the id of the message. The rest
//! is streamed.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time;

use super::body::{Body, BoxError, full_body};
use crate::core::{envelope::Envelope, status::Failure};

/// How long a client may take to send the prefix of a body that is needed.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the gateway waits for the id of a message that it will refuse.
pub(super) const REFUSED_BODY_TIMEOUT: Duration = Duration::from_millis(250);

/// A request body of which a prefix has been read.
pub(super) struct RequestBody {
    pub(super) envelope: Envelope,
    /// At least as many bytes as were needed, or all.
    pub(super) prefix: Bytes,
    /// The rest of the body, unless the prefix is all of it.
    rest: Option<Limited<Incoming>>,
}

impl RequestBody {
    /// Reads a body until `needed` bytes have arrived or the body ends.
    ///
    /// # Errors
    /// The body has more than `max_bytes`, breaks off, or does not arrive within the timeout.
    pub(super) async fn read(
        body: Incoming,
        max_bytes: u64,
        needed: usize,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        if body.size_hint().lower() > max_bytes {
            return Err(Failure::MessageTooLarge);
        }
        let mut body = Limited::new(body, usize::try_from(max_bytes).unwrap_or(usize::MAX));
        let mut prefix = BytesMut::new();
        let reading = async {
            while prefix.len() < needed {
                let Some(frame) = body.frame().await else { return Ok(true) };
                if let Ok(data) = frame?.into_data() {
                    prefix.extend_from_slice(&data);
                }
            }
            Ok::<_, BoxError>(body.is_end_stream())
        };
        let has_ended = time::timeout(timeout, reading)
            .await
            .map_err(|_| Failure::IncompleteBody)?
            .map_err(|error| body_failure(&*error))?;
        let prefix = prefix.freeze();
        Ok(Self {
            envelope: Envelope::parse_prefix(&prefix),
            prefix,
            rest: (!has_ended).then_some(body),
        })
    }

    /// The whole body. Its length is known if the client declared it.
    pub(super) fn into_body(self) -> Body {
        match self.rest {
            None => full_body(self.prefix),
            Some(rest) => PrefixedBody { prefix: Some(self.prefix), rest }.boxed_unsync(),
        }
    }
}

/// Why the body of a client's request failed.
pub(super) fn body_failure(error: &(dyn Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return Failure::MessageTooLarge;
        }
        cause = error.source();
    }
    Failure::IncompleteBody
}

/// A prefix that has been read, followed by the rest of the body.
struct PrefixedBody {
    prefix: Option<Bytes>,
    rest: Limited<Incoming>,
}

impl HttpBody for PrefixedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.prefix.take() {
            Some(prefix) => Poll::Ready(Some(Ok(Frame::data(prefix)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let prefix = self.prefix.as_ref().map_or(0, |prefix| prefix.len() as u64);
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(prefix + rest),
            None => SizeHint::default(),
        }
    }
}
