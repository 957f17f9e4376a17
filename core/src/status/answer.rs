//! The statuses of answers that are not failures of the request.

use alloc::string::String;

use http::{Method, StatusCode};

/// A status that a table of the core has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerStatus(StatusCode);

impl AnswerStatus {
    pub(super) const fn new(status: StatusCode) -> Self {
        Self(status)
    }
}

impl From<AnswerStatus> for StatusCode {
    fn from(status: AnswerStatus) -> Self {
        status.0
    }
}

/// A successful answer that the gateway writes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// A document or a JSON-RPC result (200).
    Content,
    /// A notification was accepted (202).
    Accepted,
    /// A session was ended, or a CORS preflight request was answered (204).
    NoContent,
}

impl Success {
    /// The status of this answer.
    #[must_use]
    pub const fn status(self) -> AnswerStatus {
        AnswerStatus(match self {
            Self::Content => StatusCode::OK,
            Self::Accepted => StatusCode::ACCEPTED,
            Self::NoContent => StatusCode::NO_CONTENT,
        })
    }
}

/// The kind of JSON-RPC error with which an aggregate endpoint answers a message. Its code is one
/// of [`code`](super::code).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateError {
    /// The body is not one message, or a notification or response that no server can be sent (400).
    BadRequest,
    /// The method of a stateless client's request does not exist (404; MCP 2026-07-28, Streamable
    /// HTTP).
    UnknownMethod,
    /// Another error for a request; it is the JSON-RPC response to it (200).
    Response,
}

impl AggregateError {
    /// The status of this answer.
    #[must_use]
    pub const fn status(self) -> AnswerStatus {
        AnswerStatus(match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::UnknownMethod => StatusCode::NOT_FOUND,
            Self::Response => StatusCode::OK,
        })
    }
}

/// A JSON document with its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonAnswer {
    /// The status.
    pub status: AnswerStatus,
    /// The document, serialized.
    pub body: String,
}

impl JsonAnswer {
    /// A successful answer with this document.
    #[must_use]
    pub const fn content(body: String) -> Self {
        Self { status: Success::Content.status(), body }
    }
}

/// A plain-text answer for a load balancer or a metrics collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextAnswer {
    /// The process is alive.
    Alive,
    /// The process accepts requests.
    Ready,
    /// The process is stopping.
    Stopping,
    /// The metrics listener serves one path only.
    NoSuchMetricsPath,
    /// The metrics listener serves one method only.
    MetricsNeedGet,
    /// The metrics could not be encoded.
    MetricsFailed,
}

impl TextAnswer {
    /// The status of this answer.
    #[must_use]
    pub const fn status(self) -> AnswerStatus {
        AnswerStatus(match self {
            Self::Alive | Self::Ready => StatusCode::OK,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoSuchMetricsPath => StatusCode::NOT_FOUND,
            Self::MetricsNeedGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::MetricsFailed => StatusCode::INTERNAL_SERVER_ERROR,
        })
    }

    /// The text of this answer.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Alive => "alive\n",
            Self::Ready => "ready\n",
            Self::Stopping => "stopping\n",
            Self::NoSuchMetricsPath => "only /metrics is served here\n",
            Self::MetricsNeedGet => "use GET\n",
            Self::MetricsFailed => "the metrics cannot be written\n",
        }
    }

    /// The value of the `Allow` field that a 405 answer has (RFC 9110 §15.5.6).
    #[must_use]
    pub const fn allowed_methods(self) -> Option<&'static str> {
        match self {
            Self::MetricsNeedGet => Some("GET"),
            Self::Alive
            | Self::Ready
            | Self::Stopping
            | Self::NoSuchMetricsPath
            | Self::MetricsFailed => None,
        }
    }
}

/// The error for a request to the metrics listener, or `None` if the request is for the metrics.
#[must_use]
pub fn metrics_error(path: &str, method: &Method) -> Option<TextAnswer> {
    if path != "/metrics" {
        Some(TextAnswer::NoSuchMetricsPath)
    } else if method != Method::GET {
        Some(TextAnswer::MetricsNeedGet)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_405_names_the_allowed_methods() {
        for answer in [
            TextAnswer::Alive,
            TextAnswer::Ready,
            TextAnswer::Stopping,
            TextAnswer::NoSuchMetricsPath,
            TextAnswer::MetricsNeedGet,
            TextAnswer::MetricsFailed,
        ] {
            let is_405 = StatusCode::from(answer.status()) == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(answer.allowed_methods().is_some(), is_405, "{answer:?}");
        }
    }

    #[test]
    fn every_success_is_a_2xx() {
        for success in [Success::Content, Success::Accepted, Success::NoContent] {
            assert!(StatusCode::from(success.status()).is_success(), "{success:?}");
        }
    }

    #[test]
    fn only_get_metrics_is_served() {
        assert_eq!(metrics_error("/metrics", &Method::GET), None);
        assert_eq!(metrics_error("/metrics", &Method::POST), Some(TextAnswer::MetricsNeedGet));
        assert_eq!(metrics_error("/", &Method::POST), Some(TextAnswer::NoSuchMetricsPath));
    }
}
