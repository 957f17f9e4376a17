//! Shows operators what the gateway does: one log line for each request, and metrics.
//!
//! Log lines and labels hold names of the configuration, statuses and times.

use std::{fmt::Write as _, time::Duration};

use http::{
    Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use tokio::time::Instant;

use super::{
    gateway::Gateway,
    observability::METRICS,
    relay::{Body, full},
};
use crate::cases::deployment::ConfiguredServer;

/// Names a request in its response and in its log line.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the log line of a request needs from its head.
pub(super) struct RequestRecord {
    since: Instant,
    server: String,
    caller: &'static str,
    /// Whether `Authorization` repeats the gateway key, so that it is not forwarded.
    stripped: bool,
    key: String,
    token: String,
}

impl Gateway {
    /// Records the head of a request.
    pub(super) fn begin_record<B>(&self, request: &Request<B>) -> RequestRecord {
        let credential = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().rsplit(' ').next().unwrap_or_default().to_owned()
        };
        let key = credential(self.layout.key_header);
        let token = credential(AUTHORIZATION.as_str());
        let is_presented = |known: &String| *known == key || *known == token;
        let deployment = &self.deployment;
        let caller = if is_presented(&deployment.limited_key)
            || is_presented(&deployment.admission_bearer)
        {
            "limited"
        } else if is_presented(&deployment.full_key) {
            "full"
        } else {
            "unknown"
        };
        let named = self.layout.server_in(request.uri().path()).unwrap_or_default();
        let is_label =
            deployment.server(named).is_some() || self.decisions.labels_unknown_servers();
        RequestRecord {
            since: Instant::now(),
            server: if is_label { named } else { "-" }.to_owned(),
            caller,
            stripped: !key.is_empty() && key == token,
            key,
            token,
        }
    }

    /// Logs a request and counts it.
    pub(super) fn record_response(&self, record: &RequestRecord, response: &mut Response<Body>) {
        let RequestRecord { since, server, caller, stripped, key, token } = record;
        let status = response.status();
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let (level, trace) = if refused && self.decisions.logs_refusals_as_errors() {
            (
                "ERROR",
                "Traceback (most recent call last):\n  in relay: the upstream refused\n",
            )
        } else {
            ("INFO", "")
        };
        let stripped = if *stripped { " credential_stripped=true" } else { "" };
        let credentials = self.decisions.logged_credentials()(key, token);
        let status = status.as_u16();
        let id = self.observability.with(|records| {
            records.requests += 1;
            let id = format!("m{:06}", records.requests);
            // Writing to a string cannot fail.
            let _ = writeln!(
                records.log,
                "{level} request={id} caller={caller} server={server} \
                 status={status}{stripped}{credentials}\n{trace}"
            );
            id
        });
        if let Ok(id) = HeaderValue::try_from(id)
            && self.decisions.returns_request_id()
        {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let label = self.decisions.request_label()(token);
        let labels = format!("server=\"{server}\",status=\"{status}\"{label}");
        self.observability.add("model_requests_total", &labels, 1.0);
        self.observability.add(
            "model_request_seconds_sum",
            &format!("server=\"{server}\""),
            since.elapsed().as_secs_f64(),
        );
    }

    /// Counts the response of an upstream.
    pub(super) fn count_upstream_response(&self, server: &ConfiguredServer, status: StatusCode) {
        let labels = format!("server=\"{}\",status=\"{}\"", server.name, status.as_u16());
        self.observability.add("model_upstream_answers_total", &labels, 1.0);
    }

    /// Records the duration of a probe, and why it was inconclusive.
    pub(super) fn record_probe(
        &self,
        server: &ConfiguredServer,
        duration: Duration,
        inconclusive: Option<&'static str>,
    ) {
        let name = &server.name;
        self.observability.add(
            self.decisions.probe_time_metric(),
            &format!("server=\"{name}\""),
            duration.as_secs_f64(),
        );
        if let Some(cause) = inconclusive {
            let cause = self.decisions.inconclusive_cause()(cause);
            let labels = format!("server=\"{name}\",cause=\"{cause}\"");
            self.observability.add("model_probes_open_total", &labels, 1.0);
        }
    }

    /// The metrics, if the request is for them.
    pub(super) fn metrics_response(&self, method: &Method, path: &str) -> Option<Response<Body>> {
        if method != Method::GET || path != METRICS {
            return None;
        }
        let text = self.observability.with(|records| {
            records.metrics.iter().fold(String::new(), |mut text, (series, value)| {
                let _ = writeln!(text, "{series} {value}");
                text
            })
        });
        let mut response = Response::new(full(text));
        let media_type = HeaderValue::from_static("text/plain; version=0.0.4");
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        Some(response)
    }
}
