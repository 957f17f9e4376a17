//! The type of every message body in the gateway.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};

/// A body that crosses the gateway, in either direction.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// A body whose content is known.
pub(super) fn full_body(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body without content.
pub(super) fn empty_body() -> Body {
    full_body(Bytes::new())
}
