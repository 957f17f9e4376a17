//! Counts requests and outcomes, and serves the counts at `/metrics` on a listener of its own
//! (OBS-02, OPN-17, PRB-17).
//!
//! A label is a server name from the configuration, or an outcome or status of the core, never a
//! value that a client sent. The counts survive a reload.

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    body::{Body, full_body},
    listener::{HEAD_TIMEOUT, accept},
    response::text_response,
};
use crate::core::{
    outcome::Outcome,
    status::{TextAnswer, metrics_error},
};

type Labels<const N: usize> = [(&'static str, String); N];
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// In seconds: from a round trip on loopback to the default request deadline.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// All metrics of the gateway.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Labels<2>, Counter>,
    probe_outcomes: Family<Labels<2>, Counter>,
    answer_outcomes: Family<Labels<2>, Counter>,
    fail_open: Family<Labels<2>, Counter>,
    answer_seconds: Histograms,
    probe_seconds: Histograms,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let histograms = || Histograms::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut metrics = Self {
            registry: Registry::with_prefix("preflight"),
            requests: Family::default(),
            probe_outcomes: Family::default(),
            answer_outcomes: Family::default(),
            fail_open: Family::default(),
            answer_seconds: histograms(),
            probe_seconds: histograms(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests by server (empty if none was resolved) and status (none if the client \
             disconnected first)",
            self.requests.clone(),
        );
        registry.register(
            "probe_outcomes",
            "How servers responded to callers' tokens in probes",
            self.probe_outcomes.clone(),
        );
        registry.register(
            "answer_outcomes",
            "How servers responded to callers' tokens in requests",
            self.answer_outcomes.clone(),
        );
        registry.register(
            "fail_open",
            "Inconclusive probes after which the request proceeded",
            self.fail_open.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Lines of the log that could not be kept or written",
            crate::log::dropped_lines(),
        );
        registry.register_with_unit(
            "answer",
            "Time from a request to its response head, without probes",
            Unit::Seconds,
            self.answer_seconds.clone(),
        );
        registry.register_with_unit(
            "probe",
            "Time from a probe to the response head of the server",
            Unit::Seconds,
            self.probe_seconds.clone(),
        );
    }

    /// Counts a request that has ended, or whose response has begun.
    pub(super) fn count_request(
        &self,
        server: Option<&str>,
        status: Option<StatusCode>,
        took_without_probes: Duration,
    ) {
        let status = status.map_or("none".to_owned(), |status| status.as_u16().to_string());
        self.requests
            .get_or_create(&[("server", server.unwrap_or_default().to_owned()), ("status", status)])
            .inc();
        if let Some(server) = server {
            self.answer_seconds
                .get_or_create(&[("server", server.to_owned())])
                .observe(took_without_probes.as_secs_f64());
        }
    }

    /// Counts a probe. `has_proceeded` says whether the request proceeded after it.
    pub(super) fn count_probe(
        &self,
        server: &str,
        outcome: Outcome,
        took: Duration,
        has_proceeded: bool,
    ) {
        self.probe_outcomes
            .get_or_create(&[("server", server.to_owned()), ("outcome", outcome.to_string())])
            .inc();
        self.probe_seconds
            .get_or_create(&[("server", server.to_owned())])
            .observe(took.as_secs_f64());
        if let (Outcome::Inconclusive(cause), true) = (outcome, has_proceeded) {
            self.fail_open
                .get_or_create(&[("server", server.to_owned()), ("cause", cause.to_string())])
                .inc();
        }
    }

    /// Counts the answer of a server to a request with a caller's token, or the lack of an answer.
    pub(super) fn count_answer(&self, server: &str, outcome: Outcome) {
        self.answer_outcomes
            .get_or_create(&[("server", server.to_owned()), ("outcome", outcome.to_string())])
            .inc();
    }

    fn respond(&self, request: &Request<Incoming>) -> Response<Body> {
        if let Some(error) = metrics_error(request.uri().path(), request.method()) {
            return text_response(error);
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            return text_response(TextAnswer::MetricsFailed);
        }
        let mut response = Response::new(full_body(text));
        let format =
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, format);
        response
    }
}

/// Serves the metrics until the future is dropped, and then closes its connections.
pub(super) async fn serve(metrics: Arc<Metrics>, listener: TcpListener) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, _) = accept(&listener) => {
                let metrics = Arc::clone(&metrics);
                let service = service_fn(move |request| {
                    ready(Ok::<_, Infallible>(metrics.respond(&request)))
                });
                connections.spawn(http.serve_connection(TokioIo::new(stream), service));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}
