//! Shows operators what the model does: a line in its log for each request, and counts under `/metrics`.
//!
//! Decides nothing about requests. In lines and labels stand names of the configuration, statuses and times; the faults that show more
//! than that are here, too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use super::fault::Switch;
use super::gateway::Gateway;
use super::relay::{Body, full};
use crate::cases::deployment::ConfiguredServer;

/// Where the counts are.
pub(super) const METRICS: &str = "/metrics";

/// Names a request in its answer and in its line.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What operators are shown. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
struct Pages {
    log: String,
    lines: u64,
    counts: BTreeMap<String, f64>,
}

impl Shown {
    /// Everything that has been logged so far.
    pub(super) fn log(&self) -> String {
        self.with(|pages| pages.log.clone())
    }

    fn count(&self, name: &str, labels: &str, more: f64) {
        self.with(|pages| *pages.counts.entry(format!("{name}{{{labels}}}")).or_default() += more);
    }

    fn with<T>(&self, look: impl FnOnce(&mut Pages) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is left of a request when its line is written.
pub(super) struct Asked {
    since: Instant,
    server: String,
    caller: &'static str,
    stripped: bool,
    /// What the faults say of it.
    key: String,
    token: String,
}

impl Gateway {
    /// What is noted of a request before it is gone into.
    pub(super) fn noted<B>(&self, request: &Request<B>) -> Asked {
        let text = |name: &str| {
            let value = request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            value.rsplit(' ').next().unwrap_or_default().to_owned()
        };
        let (key, token) = (text(self.places.key_header), text(AUTHORIZATION.as_str()));
        let caller = match [&key, &token] {
            known
                if known.contains(&&self.deployment.limited_key)
                    || known.contains(&&self.deployment.admission_bearer) =>
            {
                "limited"
            }
            known if known.contains(&&self.deployment.full_key) => "full",
            _ => "nobody",
        };
        let named = self.places.server_of(request.uri().path()).unwrap_or_default();
        let server = if self.deployment.server(named).is_some() || self.has(Switch::CountsAnyName) {
            named
        } else {
            "-"
        };
        Asked {
            since: Instant::now(),
            server: server.to_owned(),
            caller,
            stripped: !key.is_empty() && key == token,
            key,
            token,
        }
    }

    /// Writes the line of a request and counts it.
    pub(super) fn concluded(&self, asked: &Asked, answer: &mut Response<Body>) {
        let Asked { since, server, caller, stripped, key, token } = asked;
        let status = answer.status();
        let said = match self.switch {
            Some(Switch::LogsTheToken) => format!(" authorization=\"Bearer {token}\""),
            Some(Switch::LogsTheKeyEncoded) => format!(" key={}", STANDARD.encode(key)),
            Some(Switch::LogsTheStartOfTheToken) => {
                format!(" token={}…", token.get(..10).unwrap_or_default())
            }
            _ => String::new(),
        };
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let (level, trace) = if refused && self.has(Switch::LogsRefusalsAsErrors) {
            (
                "ERROR",
                "Traceback (most recent call last):\n  in relay: the upstream refused\n",
            )
        } else {
            ("INFO", "")
        };
        let stripped = if *stripped { " credential_stripped=true" } else { "" };
        let id = self.shown.with(|pages| {
            pages.lines += 1;
            let id = format!("m{:06}", pages.lines);
            let status = status.as_u16();
            // Writing to a string cannot fail.
            let _ = writeln!(pages.log, "{level} request={id} caller={caller} server={server} status={status}{stripped}{said}\n{trace}");
            id
        });
        let id = HeaderValue::try_from(id).ok().filter(|_| !self.has(Switch::NamesNoRequest));
        answer.headers_mut().extend(id.map(|id| (REQUEST_ID, id)));
        let holder = if self.has(Switch::CountsByToken) {
            format!(",token=\"{token}\"")
        } else {
            String::new()
        };
        self.shown.count(
            "model_requests_total",
            &format!("server=\"{server}\",status=\"{}\"{holder}", status.as_u16()),
            1.0,
        );
        self.shown.count(
            "model_request_seconds_sum",
            &format!("server=\"{server}\""),
            since.elapsed().as_secs_f64(),
        );
    }

    /// Counts what an upstream said, whatever the client is told of it.
    pub(super) fn heard(&self, server: &ConfiguredServer, said: StatusCode) {
        self.shown.count(
            "model_upstream_answers_total",
            &format!("server=\"{}\",status=\"{}\"", server.name, said.as_u16()),
            1.0,
        );
    }

    /// Counts a probe that took so long, and why it decided nothing where it did not.
    pub(super) fn timed(&self, server: &ConfiguredServer, took: Duration, open: Option<&str>) {
        let name = &server.name;
        let time = if self.has(Switch::TimesProbesWithRequests) {
            "model_request_seconds_sum"
        } else {
            "model_probe_seconds_sum"
        };
        self.shown.count(time, &format!("server=\"{name}\""), took.as_secs_f64());
        if let Some(cause) = open {
            let cause = if self.has(Switch::CountsFailuresAsOne) { "any" } else { cause };
            self.shown.count(
                "model_probes_open_total",
                &format!("server=\"{name}\",cause=\"{cause}\""),
                1.0,
            );
        }
    }

    /// The counts, where they are asked for.
    pub(super) fn counted(&self, method: &Method, path: &str) -> Option<Response<Body>> {
        let text = |pages: &mut Pages| {
            pages.counts.iter().fold(String::new(), |mut text, (name, value)| {
                let _ = writeln!(text, "{name} {value}");
                text
            })
        };
        (method == Method::GET && path == METRICS).then(|| {
            let mut answer = Response::new(full(self.shown.with(text)));
            answer.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; version=0.0.4"),
            );
            answer
        })
    }
}
