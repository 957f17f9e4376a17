//! Writes what the gateway itself says: refusals, and its few documents.
//!
//! Which failure it is has been decided in the core; the words are the core's table.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::value::RawValue;

use super::Body;
use crate::core::{
    challenge::{self, DiscoveryUrls, Profile},
    status::{Failure, FailureSource},
};

/// A failure with what goes into its answer.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    /// The server that it is about, if it is about one.
    pub(super) server: Option<String>,
    /// The challenges, for a failure that has any and is not about the gateway key.
    pub(super) challenges: Vec<HeaderValue>,
    /// The upstream's `Retry-After`.
    pub(super) retry_after: Option<HeaderValue>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            server: None,
            challenges: Vec::new(),
            retry_after: None,
        }
    }
}

impl Refusal {
    /// A refusal with the challenges that go with it, given the lines of the upstream's own.
    pub(crate) fn challenging(
        failure: Failure,
        profile: Profile,
        discovery: &DiscoveryUrls,
        upstream: &[HeaderValue],
    ) -> Self {
        Self {
            challenges: challenge::for_failure(failure, profile, discovery, upstream),
            ..failure.into()
        }
    }

    /// The refusal as one that is about this server.
    pub(crate) fn about(self, server: &str) -> Self {
        Self { server: Some(server.to_owned()), ..self }
    }

    /// The name to be told. Only what is about a server names it: an answer to a stranger does not tell which servers exist.
    pub(crate) fn named(&self) -> Option<&str> {
        let about = self.failure.error_response().source != FailureSource::Client
            || self.failure == Failure::UnusableAuthorization;
        self.server.as_deref().filter(|_| about)
    }

    /// The response: a JSON-RPC error that no cache may keep (CHL-22). Every 401 has a challenge (CHL-01).
    pub(crate) fn response(mut self, id: Option<&RawValue>) -> Response<Body> {
        let answer = self.failure.error_response();
        let mut response = document(answer.status, self.failure.body(self.named(), id));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if answer.status == StatusCode::UNAUTHORIZED && self.challenges.is_empty() {
            self.challenges.push(challenge::for_gateway_key());
        }
        for challenge in self.challenges {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after);
        }
        if self.failure == Failure::AmbiguousFraming {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if answer.status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = if self.failure == Failure::NoAggregateStream {
                "POST, DELETE"
            } else {
                "POST, GET, DELETE"
            };
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}

/// A JSON document.
pub(super) fn document(status: StatusCode, json: String) -> Response<Body> {
    let mut response = Response::new(whole(json));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A word for a load balancer.
pub(super) fn word(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(text.to_owned()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// An answer without a word.
pub(super) fn silent(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(String::new()));
    *response.status_mut() = status;
    response
}

/// What a browser hears that asked what a page may send.
pub(super) fn empty(headers: HeaderMap) -> Response<Body> {
    let mut response = silent(StatusCode::NO_CONTENT);
    *response.headers_mut() = headers;
    response
}

/// A body that is there at once.
pub(super) fn whole(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}
