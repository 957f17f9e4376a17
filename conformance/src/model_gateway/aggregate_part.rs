//! The part of one server in a request to an aggregate endpoint, and how its response is read.

use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    aggregate_verdict::PartRefusal, client_request::ClientRequest, deadlines::REQUEST_DEADLINE,
    protocol::SESSION,
};

/// The size limit of the body of one server's part, in bytes.
const PART_LIMIT: usize = 4 * 1024 * 1024;

/// The result of one server's part of a request.
pub(super) enum Part {
    /// The result and the session of the server.
    Success(Value, Option<HeaderValue>),
    /// HTTP 401 with these fields.
    Unauthorized(HeaderMap),
    /// HTTP 403 with these fields.
    Forbidden(HeaderMap),
    /// There was no response in time.
    TimedOut,
    /// There was no usable response.
    Failed,
}

impl Part {
    /// The description of a failure for the client.
    pub(super) fn failure(&self) -> Option<&'static str> {
        match self {
            Self::Success(..) => None,
            Self::Unauthorized(_) => Some("unauthorized"),
            Self::Forbidden(_) => Some("forbidden"),
            Self::TimedOut => Some("inconclusive: timeout"),
            Self::Failed => Some("inconclusive: no usable response"),
        }
    }

    pub(super) fn refusal(&self) -> Option<PartRefusal> {
        match self {
            Self::Unauthorized(_) => Some(PartRefusal::Unauthorized),
            Self::Forbidden(_) => Some(PartRefusal::Forbidden),
            Self::Success(..) | Self::TimedOut | Self::Failed => None,
        }
    }

    pub(super) fn head(&self) -> HeaderMap {
        match self {
            Self::Unauthorized(head) | Self::Forbidden(head) => head.clone(),
            Self::Success(..) | Self::TimedOut | Self::Failed => HeaderMap::new(),
        }
    }
}

/// Reads the successful response of one server.
pub(super) async fn read_part(request: &ClientRequest, response: Response<Incoming>) -> Part {
    let session = response.headers().get(&SESSION).cloned();
    let is_stream = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"));
    let body = Limited::new(response.into_body(), PART_LIMIT).collect();
    match timeout(REQUEST_DEADLINE, body).await {
        Err(_) => Part::TimedOut,
        Ok(Err(_)) => Part::Failed,
        Ok(Ok(body)) => match result_in(&body.to_bytes(), is_stream) {
            Some(result) => Part::Success(result, session),
            None if request.id.is_none() => Part::Success(Value::Null, session),
            None => Part::Failed,
        },
    }
}

/// The result in a JSON-RPC response, or in an event stream with one.
fn result_in(body: &[u8], is_stream: bool) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let mut messages: Vec<Value> = if is_stream {
        text.lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok())
            .collect()
    } else {
        serde_json::from_str(text).into_iter().collect()
    };
    messages
        .iter_mut()
        .find_map(|message| message.get_mut("result").map(Value::take))
}
