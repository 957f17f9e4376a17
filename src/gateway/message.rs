//! Reads the beginning of a client's message, and hands the whole of it on.
//!
//! The first 64 KiB are read before anything else happens, because an answer needs the id; what is longer streams through, unless all
//! of it is asked for.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{Body, BoxError};
use crate::core::{envelope::Envelope, status::Failure};

/// How long a client may take for its message, or for the beginning of a long one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long the id of a message is waited for that will be refused anyway.
pub(super) const IMPATIENCE: Duration = Duration::from_millis(250);

/// A message of which the beginning has been read.
pub(super) struct Message {
    /// What is known of it.
    pub(super) envelope: Envelope,
    /// As much as was asked for.
    pub(super) prefix: Bytes,
    /// What has not been read, unless the message ended.
    rest: Option<Limited<Incoming>>,
}

impl Message {
    /// Reads the beginning of a body, at least this much of it or all.
    ///
    /// # Errors
    /// The body is longer than the limit, breaks off, or is not there in time.
    pub(super) async fn read(
        body: Incoming,
        limit: u64,
        enough: usize,
        patience: Duration,
    ) -> Result<Self, Failure> {
        if body.size_hint().lower() > limit {
            return Err(Failure::MessageTooLarge);
        }
        let mut body = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
        let mut prefix = BytesMut::new();
        let ended = timeout(patience, async {
            while prefix.len() < enough {
                match body.frame().await {
                    None => return Ok(true),
                    Some(frame) => {
                        if let Ok(data) = frame?.into_data() {
                            prefix.extend_from_slice(&data);
                        }
                    }
                }
            }
            Ok::<_, BoxError>(body.is_end_stream())
        });
        let ended = ended
            .await
            .map_err(|_| Failure::IncompleteBody)?
            .map_err(|error| broken(&*error))?;
        let prefix = prefix.freeze();
        Ok(Self {
            envelope: Envelope::parse_prefix(&prefix),
            prefix,
            rest: (!ended).then_some(body),
        })
    }

    /// The whole message as a body; its length is known where the client told it.
    pub(super) fn into_body(self) -> Body {
        match self.rest {
            None => http_body_util::Full::new(self.prefix)
                .map_err(|never| match never {})
                .boxed_unsync(),
            Some(rest) => Chained { prefix: Some(self.prefix), rest }.boxed_unsync(),
        }
    }
}

/// Why a client's body did not come to its end.
pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return Failure::MessageTooLarge;
        }
        cause = error.source();
    }
    Failure::IncompleteBody
}

struct Chained {
    prefix: Option<Bytes>,
    rest: Limited<Incoming>,
}

impl HttpBody for Chained {
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
        let ahead = self.prefix.as_ref().map_or(0, |prefix| prefix.len() as u64);
        let rest = self.rest.size_hint();
        rest.exact()
            .map_or_else(SizeHint::default, |exact| SizeHint::with_exact(ahead + exact))
    }
}
