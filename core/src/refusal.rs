//! Decides which status, header fields and body a refused request is answered with.
//!
//! The status and the text come from the table of failures (`status`). How the refusal was found is
//! not known here.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use http::{HeaderMap, HeaderValue, header};
use serde_json::value::RawValue;

use super::{
    challenge::{self, DiscoveryUrls, Profile},
    outcome::Outcome,
    status::{AnswerStatus, Failure},
};

/// A failure together with the data that its response needs.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why the request is refused.
    pub failure: Failure,
    /// The name of the server that the failure is about, if it is about one.
    server: Option<String>,
    /// The challenges for the client; empty for a failure that has none or that is about the
    /// gateway key.
    challenges: Vec<HeaderValue>,
    /// The URL of the metadata that names where a new token comes from, if the server of this
    /// failure has one.
    resource_metadata: Option<String>,
    /// The upstream's `Retry-After`.
    retry_after: Option<HeaderValue>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            server: None,
            challenges: Vec::new(),
            resource_metadata: None,
            retry_after: None,
        }
    }
}

impl Refusal {
    /// A refusal by one server, with the challenges for the client. `upstream` holds the upstream's
    /// `WWW-Authenticate` lines.
    #[must_use]
    pub fn by_server(
        failure: Failure,
        profile: Profile,
        discovery: &DiscoveryUrls,
        upstream: &[HeaderValue],
    ) -> Self {
        Self {
            challenges: challenge::for_failure(failure, profile, discovery, upstream),
            resource_metadata: Some(discovery.resource_metadata.clone()),
            ..failure.into()
        }
    }

    /// The refusal that a probe outcome causes, or `None` if the outcome does not refuse the token.
    #[must_use]
    pub fn after_probe(
        outcome: Outcome,
        profile: Profile,
        discovery: &DiscoveryUrls,
        upstream: &[HeaderValue],
    ) -> Option<Self> {
        let failure = match outcome {
            Outcome::Unauthorized => Failure::Unauthorized,
            Outcome::Forbidden => Failure::Forbidden,
            Outcome::Accepted | Outcome::Inconclusive(_) => return None,
        };
        Some(Self::by_server(failure, profile, discovery, upstream))
    }

    /// The same refusal, about the server with this name.
    #[must_use]
    pub fn about(self, server: &str) -> Self {
        Self { server: Some(server.to_owned()), ..self }
    }

    /// The same refusal with the `Retry-After` of the upstream's response, if the status is the
    /// upstream's own.
    #[must_use]
    pub fn with_retry_after(self, upstream: &HeaderMap) -> Self {
        let is_upstream_status = matches!(self.failure, Failure::UpstreamStatus(_));
        let retry_after = upstream.get(header::RETRY_AFTER).filter(|_| is_upstream_status);
        Self { retry_after: retry_after.cloned(), ..self }
    }

    /// The server name that the answer may contain.
    ///
    /// A failure that the client caused does not name a server, so that it does not reveal which
    /// servers exist (GATE-07).
    #[must_use]
    pub fn visible_server(&self) -> Option<&str> {
        self.server.as_deref().filter(|_| self.failure.names_server())
    }

    /// The URL of the metadata that names where a new token comes from.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.resource_metadata.as_deref()
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> AnswerStatus {
        self.failure.status()
    }

    /// The body of the answer: a JSON-RPC error with the id of the request.
    #[must_use]
    pub fn body(&self, id: Option<&RawValue>) -> String {
        self.failure.body(self.visible_server(), id)
    }

    /// The header fields of the answer, apart from `Content-Type`.
    ///
    /// Every 401 has a challenge (CHL-01), and no cache stores a refusal (CHL-22).
    #[must_use]
    pub fn header_fields(&self) -> HeaderMap {
        let status = self.failure.error_response().status;
        let mut fields = HeaderMap::new();
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for challenge in &self.challenges {
            fields.append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        if status.as_u16() == 401 && self.challenges.is_empty() {
            fields.insert(header::WWW_AUTHENTICATE, challenge::for_gateway_key());
        }
        if let Some(retry_after) = &self.retry_after {
            fields.insert(header::RETRY_AFTER, retry_after.clone());
        }
        if self.failure == Failure::AmbiguousFraming {
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status.as_u16() == 405 {
            let allowed = if self.failure == Failure::NoAggregateStream {
                "POST, DELETE"
            } else {
                "POST, GET, DELETE"
            };
            fields.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{super::outcome::Cause, *};

    fn discovery() -> DiscoveryUrls {
        DiscoveryUrls {
            resource_metadata: "https://gw.test/r".into(),
            authorization_uri: "https://gw.test/a".into(),
        }
    }

    #[test]
    fn every_401_has_a_challenge_and_every_405_names_its_methods() {
        let refused = Refusal::by_server(Failure::Unauthorized, Profile::Seed, &discovery(), &[]);
        let rejected: Refusal = Failure::Rejected(crate::admission::Rejection::UnknownKey).into();
        for refusal in [refused, rejected] {
            assert!(refusal.header_fields().contains_key(header::WWW_AUTHENTICATE));
        }
        for (failure, allowed) in [
            (Failure::MethodNotAllowed, "POST, GET, DELETE"),
            (Failure::NoAggregateStream, "POST, DELETE"),
        ] {
            assert_eq!(Refusal::from(failure).header_fields()[header::ALLOW], allowed);
        }
    }

    #[test]
    fn ambiguous_framing_closes_the_connection() {
        let fields = Refusal::from(Failure::AmbiguousFraming).header_fields();
        assert_eq!(fields[header::CONNECTION], "close");
    }

    #[test]
    fn retry_after_is_kept_only_for_a_status_of_the_upstream() {
        let upstream = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("7"))]);
        for (failure, is_kept) in [
            (Failure::UpstreamStatus(StatusCode::TOO_MANY_REQUESTS), true),
            (Failure::Unauthorized, false),
        ] {
            let fields = Refusal::from(failure).with_retry_after(&upstream).header_fields();
            assert_eq!(fields.contains_key(header::RETRY_AFTER), is_kept, "{failure:?}");
        }
    }

    #[test]
    fn an_error_of_the_client_names_no_server() {
        let named = |failure: Failure| {
            Refusal::from(failure).about("alpha").visible_server().map(str::to_owned)
        };
        assert_eq!(named(Failure::UnknownSession), None);
        assert_eq!(named(Failure::Unauthorized).as_deref(), Some("alpha"));
        assert_eq!(named(Failure::UnusableAuthorization).as_deref(), Some("alpha"));
    }

    #[test]
    fn a_probe_refuses_only_with_401_or_403() {
        let after = |outcome| {
            Refusal::after_probe(outcome, Profile::Seed, &discovery(), &[]).map(|r| r.failure)
        };
        assert_eq!(after(Outcome::Unauthorized), Some(Failure::Unauthorized));
        assert_eq!(after(Outcome::Forbidden), Some(Failure::Forbidden));
        assert_eq!(after(Outcome::Accepted), None);
        assert_eq!(after(Outcome::Inconclusive(Cause::TimedOut)), None);
    }
}
