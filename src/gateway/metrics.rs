//! Counts what operators watch, and serves the counts at `/metrics` on a listener of its own (OBS-02, OPN-17, PRB-17).
//!
//! A label is a server's name from the configuration, or a word or status of the core's: nothing that a client sent. What is counted
//! outlives a reload. Whether the listener may be reached from elsewhere is for the configuration to say.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    Body,
    answer::{whole, word},
    server::{HEAD_PATIENCE, next},
};
use crate::core::outcome::Outcome;

type Labels<const N: usize> = [(&'static str, String); N];
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// In seconds: from a loopback's round trip to the default request deadline.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// Everything that is counted.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Labels<2>, Counter>,
    outcomes: Family<Labels<2>, Counter>,
    answers: Family<Labels<2>, Counter>,
    failed_open: Family<Labels<2>, Counter>,
    answering: Histograms,
    probing: Histograms,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let histograms = || Histograms::new_with_constructor(|| Histogram::new(BUCKETS));
        let mut metrics = Self {
            registry: Registry::with_prefix("preflight"),
            requests: Family::default(),
            outcomes: Family::default(),
            answers: Family::default(),
            failed_open: Family::default(),
            answering: histograms(),
            probing: histograms(),
        };
        let Self {
            registry,
            requests,
            outcomes,
            answers,
            failed_open,
            answering,
            probing,
        } = &mut metrics;
        registry.register(
            "requests",
            "Requests by server, empty where none was resolved, and status, none where the client left first",
            requests.clone(),
        );
        registry.register(
            "probe_outcomes",
            "What servers made of callers' tokens when they were asked",
            outcomes.clone(),
        );
        registry.register(
            "answer_outcomes",
            "What servers made of callers' tokens in answering the request itself",
            answers.clone(),
        );
        registry.register(
            "fail_open",
            "Probes that said nothing about the token, so that the request went on",
            failed_open.clone(),
        );
        let answered = "From a request to the head of its answer, without the time spent probing";
        registry.register_with_unit("answer", answered, Unit::Seconds, answering.clone());
        registry.register_with_unit(
            "probe",
            "From asking a server about a token to its answer",
            Unit::Seconds,
            probing.clone(),
        );
        metrics
    }

    /// A request has ended, or its answer has begun.
    pub(super) fn request(
        &self,
        server: Option<&str>,
        status: Option<StatusCode>,
        without_probing: Duration,
    ) {
        let status = status.map_or("none".to_owned(), |status| status.as_u16().to_string());
        self.requests
            .get_or_create(&[("server", server.unwrap_or_default().to_owned()), ("status", status)])
            .inc();
        if let Some(server) = server {
            self.answering
                .get_or_create(&[("server", server.to_owned())])
                .observe(without_probing.as_secs_f64());
        }
    }

    /// A server has been asked about a token; `went_on` says whether the request did then.
    pub(super) fn probe(&self, server: &str, outcome: Outcome, took: Duration, went_on: bool) {
        self.outcomes
            .get_or_create(&[("server", server.to_owned()), ("outcome", outcome.to_string())])
            .inc();
        self.probing
            .get_or_create(&[("server", server.to_owned())])
            .observe(took.as_secs_f64());
        if let (Outcome::Inconclusive(cause), true) = (outcome, went_on) {
            self.failed_open
                .get_or_create(&[("server", server.to_owned()), ("cause", cause.to_string())])
                .inc();
        }
    }

    /// A server has answered a request with a caller's token, or has not.
    pub(super) fn answered(&self, server: &str, outcome: Outcome) {
        self.answers
            .get_or_create(&[("server", server.to_owned()), ("outcome", outcome.to_string())])
            .inc();
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        if request.uri().path() != "/metrics" {
            return word(StatusCode::NOT_FOUND, "only /metrics is served here\n");
        }
        if request.method() != Method::GET {
            let mut response = word(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
            return response;
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            return word(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n");
        }
        let mut response = Response::new(whole(text));
        let format =
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, format);
        response
    }
}

/// Serves until it is dropped, and then closes its connections.
pub(super) async fn serve(metrics: Arc<Metrics>, listener: TcpListener) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stream = next(&listener) => {
                let metrics = Arc::clone(&metrics);
                let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(metrics.answer(&request))));
                connections.spawn(http.serve_connection(TokioIo::new(stream), service));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}
