//! Writes the audit line of a request and counts it, and names the request so that the line and the answer can be brought together (OBS-04).
//!
//! Everything in a line is from the configuration or of a closed set (OBS-01): nothing that a client or an upstream chose.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::{Duration, Instant};

use super::{Gateway, plan::Subject};
use crate::core::status::Failure;

/// The response header that names the request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// In a label, what was asked of more than one server; no server can have this name.
const SEVERAL: &str = "(several)";

/// What is known of a request. It is written when it is dropped: a request whose client left before the answer is told too, without
/// a status.
pub(super) struct Line {
    gateway: Arc<Gateway>,
    id: String,
    method: &'static str,
    began: Instant,
    pub(super) subject: Subject,
    /// What the probes found; of several, by server.
    pub(super) outcome: Option<String>,
    pub(super) probing: Duration,
    pub(super) failure: Option<Failure>,
    pub(super) status: Option<StatusCode>,
}

impl Line {
    /// Begins the line of a request that has just come in.
    pub(super) fn begin(gateway: Arc<Gateway>, method: &Method) -> Self {
        let method = match *method {
            Method::POST => "POST",
            Method::GET => "GET",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        let (id, began) = (id(), Instant::now());
        Self {
            gateway,
            id,
            method,
            began,
            subject: Subject::default(),
            outcome: None,
            probing: Duration::ZERO,
            failure: None,
            status: None,
        }
    }

    /// The value of [`REQUEST_ID`].
    pub(super) fn id(&self) -> HeaderValue {
        HeaderValue::try_from(&self.id).expect("hexadecimal digits are a header value")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let config = &self.gateway.config;
        let Subject { caller, stripped, servers } = &self.subject;
        let names: Vec<&str> =
            servers.iter().map(|server| config.server(*server).name.as_str()).collect();
        let server = (!names.is_empty()).then(|| names.join(","));
        // Counted are servers and not combinations of them, of which there is no end.
        let label = if names.len() > 1 { Some(SEVERAL) } else { server.as_deref() };
        let took = self.began.elapsed();
        self.gateway
            .metrics
            .request(label, self.status, took.saturating_sub(self.probing));
        tracing::info!(
            request_id = self.id,
            method = self.method,
            caller = caller.map(|caller| config.caller(caller).name.as_str()),
            server,
            credential_stripped = *stripped,
            outcome = self.outcome,
            status = self.status.map(|status| status.as_u16()),
            failure = self.failure.map(|failure| failure.error_response().code),
            probe_us = micros(self.probing),
            head_us = micros(took),
            "request"
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A name for a request: 16 hexadecimal digits that tell nobody how many requests there were. A keyed hash of a counter needs no
/// entropy for each request; what a client sends under this name is not looked at.
fn id() -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}
