//! Writes one audit line for each request and counts the request. The response carries the request
//! id of the line (OBS-04).
//!
//! A line contains only values from the configuration or from a closed set (OBS-01), never a value
//! that a client or an upstream chose.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::value::RawValue;
use tokio::time::{Duration, Instant};

use super::{
    body::Body, plan::Subject, preflight::ProbeReport, response::refusal_response, state::Gateway,
};
use crate::core::{exchange::McpMethod, refusal::Refusal, status::Failure};

/// The response header field that carries the request id.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The `server` label of a request to more than one server. No server can have this name.
const SEVERAL_SERVERS: &str = "(several)";

/// What is known about a request so far.
///
/// The line is written when the record is dropped, so a request whose client disconnects before the
/// response has a line too, without a status.
pub(super) struct AuditRecord {
    gateway: Arc<Gateway>,
    request_id: String,
    method: &'static str,
    started: Instant,
    pub(super) subject: Subject,
    probes: Option<ProbeReport>,
    failure: Option<Failure>,
    status: Option<StatusCode>,
}

impl AuditRecord {
    /// Starts the record of a request that has just arrived.
    pub(super) fn start(gateway: Arc<Gateway>, method: &Method) -> Self {
        Self {
            gateway,
            request_id: new_request_id(),
            method: McpMethod::parse(method).map_or("other", McpMethod::as_str),
            started: Instant::now(),
            subject: Subject::default(),
            probes: None,
            failure: None,
            status: None,
        }
    }

    /// Adds what the probes found, if any was sent.
    pub(super) fn add_probes(&mut self, report: Option<ProbeReport>) {
        self.probes = report;
    }

    /// Builds the response, adds the request id to it, and completes the record. `id` is the id of
    /// the message.
    pub(super) fn finish(
        mut self,
        answered: Result<Response<Body>, Refusal>,
        id: Option<&RawValue>,
    ) -> Response<Body> {
        let mut response = answered.unwrap_or_else(|refusal| {
            self.failure = Some(refusal.failure);
            refusal_response(&refusal, id)
        });
        let request_id =
            HeaderValue::try_from(&self.request_id).expect("hexadecimal digits are a field value");
        response.headers_mut().insert(REQUEST_ID, request_id);
        self.status = Some(response.status());
        response
    }
}

impl Drop for AuditRecord {
    fn drop(&mut self) {
        let config = &self.gateway.config;
        let Subject { caller, key_removed, servers } = &self.subject;
        let names: Vec<&str> =
            servers.iter().map(|server| config.server(*server).name.as_str()).collect();
        let server = (!names.is_empty()).then(|| names.join(","));
        // The label is not the combination of servers: their number is not bounded by the
        // configuration.
        let label = if names.len() > 1 {
            Some(SEVERAL_SERVERS)
        } else {
            server.as_deref()
        };
        let took = self.started.elapsed();
        let probing = self.probes.as_ref().map_or(Duration::ZERO, |probes| probes.duration);
        self.gateway
            .metrics
            .count_request(label, self.status, took.saturating_sub(probing));
        tracing::info!(
            request_id = self.request_id,
            method = self.method,
            caller = caller.map(|caller| config.caller(caller).name.as_str()),
            server,
            credential_stripped = *key_removed,
            outcome = self.probes.as_ref().map(|probes| probes.outcomes.as_str()),
            status = self.status.map(|status| status.as_u16()),
            failure = self.failure.map(|failure| failure.error_response().code),
            probe_us = micros(probing),
            head_us = micros(took),
            "request"
        );
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A new request id: 16 hexadecimal digits. A keyed hash of a counter does not reveal the number of
/// requests, and needs no system call for each request.
fn new_request_id() -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}
