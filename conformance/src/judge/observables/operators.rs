//! Observes what operators are shown: the counts that grew, and the line that is left of each request.
//!
//! Knows no implementation's names: a count is about a server where a label says so, and about a refusal where another one does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Observable, Observation, Subject};
use crate::{
    cases::deployment::names,
    judge::disclosure::table::Sink,
    trace::{Exchange, header},
};

/// What an implementation counted, as Prometheus reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Before the case.
    pub before: String,
    /// After it.
    pub after: String,
}

/// What operators are shown.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "request-counts",
        description: "whether requests are counted by server and outcome, under names from the configuration alone",
        values: &["by-server-and-outcome", "missing: *", "unbounded: *"],
        absence: None,
        look: counted,
    },
    Observable {
        name: "failure-counts",
        description: "whether what fails open is counted by server and cause",
        values: &["by-cause", "without-cause", "not-counted"],
        absence: None,
        look: failures_counted,
    },
    Observable {
        name: "probe-time-metric",
        description: "whether the time of probes is told apart from that of requests",
        values: &["separate", "not-separate"],
        absence: None,
        look: probe_time,
    },
    Observable {
        name: "start-outcome",
        description: "what came of a start with a configuration that is not safe: none, one with a warning, or one like any other",
        values: &["refused", "warned", "no-warning"],
        absence: None,
        look: start,
    },
    Observable {
        name: "audit-line",
        description: "whether each answer names its request, and a line of that name says who, which server, what came of it",
        values: &["complete", "no-request-id", "no-line", "missing: *"],
        absence: None,
        look: audit,
    },
];

/// One count: its name, its labels and its value.
#[derive(Clone, Debug, PartialEq)]
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

impl Sample<'_> {
    fn is_about(&self, server: &str) -> bool {
        self.labels.iter().any(|(_, value)| *value == server)
    }

    /// Whether a label, other than the one that names the server, speaks of any of this.
    fn tells(&self, server: &str, words: &[&str]) -> bool {
        let speaks =
            |value: &str| words.iter().any(|word| value.to_ascii_lowercase().contains(word));
        self.is_about(server)
            && self.labels.iter().any(|(_, value)| *value != server && speaks(value))
    }
}

fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, labels, value) = match line.split_once('{') {
            Some((name, rest)) => {
                let (labels, value) = rest.rsplit_once('}')?;
                (name, labels, value)
            }
            None => {
                let (name, value) = line.split_once(' ')?;
                (name, "", value)
            }
        };
        let labels = labels
            .split("\",")
            .filter_map(|label| label.split_once("=\""))
            .map(|(name, value)| (name, value.trim_end_matches('"')));
        Some(Sample {
            name,
            labels: labels.collect(),
            value: value.split_whitespace().next()?.parse().ok()?,
        })
    })
}

/// The counts that grew in the meantime; where a request falls in a histogram is no count of its own.
fn grown(metrics: &Metrics) -> Vec<Sample<'_>> {
    let before: Vec<Sample<'_>> = samples(&metrics.before).collect();
    let was = |sample: &Sample<'_>| {
        before
            .iter()
            .find(|was| was.name == sample.name && was.labels == sample.labels)
            .map_or(0.0, |was| was.value)
    };
    samples(&metrics.after)
        .filter(|sample| !sample.name.ends_with("_bucket") && sample.value > was(sample))
        .collect()
}

fn of_metrics(
    subject: &Subject<'_>,
    look: impl FnOnce(&[Sample<'_>], &Metrics) -> Observation,
) -> Observation {
    match &subject.context.metrics {
        Some(metrics) => look(&grown(metrics), metrics),
        None => Observation::Unknown("its metrics could not be read"),
    }
}

fn counted(subject: &Subject<'_>) -> Observation {
    of_metrics(subject, |grown, metrics| {
        let outcomes: [(&str, &[&str]); 3] = [
            ("success", &["200", "2xx", "ok", "accept", "success"]),
            ("401", &["401", "unauth", "refus"]),
            ("403", &["403", "forbid", "denied"]),
        ];
        let lacks = outcomes
            .iter()
            .find(|(_, words)| !grown.iter().any(|sample| sample.tells(subject.server, words)));
        let foreign = |sample: &Sample<'_>| {
            sample.labels.iter().any(|(_, value)| value.contains(names::UNKNOWN))
        };
        let secret = subject.leaks().iter().find(|leak| leak.sink == Sink::Metrics);
        match (samples(&metrics.after).find(foreign), lacks) {
            _ if secret.is_some() => "unbounded: secret".into(),
            (Some(sample), _) => format!("unbounded: {}", sample.name).into(),
            (None, Some((what, _))) => format!("missing: {what}").into(),
            (None, None) => "by-server-and-outcome".into(),
        }
    })
}

fn failures_counted(subject: &Subject<'_>) -> Observation {
    of_metrics(subject, |grown, _| {
        let is_open = |sample: &&Sample<'_>| {
            let words =
                [sample.name].into_iter().chain(sample.labels.iter().map(|(_, value)| *value));
            sample.is_about(subject.server)
                && words.map(str::to_ascii_lowercase).any(|word| word.contains("open"))
        };
        let open: Vec<&Sample<'_>> = grown.iter().filter(is_open).collect();
        let names: BTreeSet<&str> = open.iter().map(|sample| sample.name).collect();
        let causes = names
            .iter()
            .map(|name| open.iter().filter(|sample| sample.name == *name).count())
            .max();
        match causes.unwrap_or_default() {
            0 => "not-counted",
            1 => "without-cause",
            _ => "by-cause",
        }
        .into()
    })
}

fn probe_time(subject: &Subject<'_>) -> Observation {
    of_metrics(subject, |grown, _| {
        let times = || {
            let is_time = |name: &str| {
                ["second", "_ms", "duration", "latency", "micros"]
                    .iter()
                    .any(|word| name.contains(word))
            };
            grown
                .iter()
                .filter(move |sample| sample.is_about(subject.server) && is_time(sample.name))
        };
        let of_probe = |sample: &&Sample<'_>| sample.name.contains("probe");
        if times().any(|sample| of_probe(&sample)) && times().any(|sample| !of_probe(&sample)) {
            "separate"
        } else {
            "not-separate"
        }
        .into()
    })
}

fn audit(subject: &Subject<'_>) -> Observation {
    let Some(audit) = &subject.context.surfaces.audit else {
        return Observation::NotApplicable;
    };
    let output = &subject.context.output;
    if output.is_empty() {
        return Observation::Unknown("its output could not be read");
    }
    for exchange in &subject.trace.exchanges {
        let Some(name) = header(&exchange.headers, &audit.request_id) else {
            return "no-request-id".into();
        };
        let Some(line) = output.lines().find(|line| line.contains(name)) else {
            return "no-line".into();
        };
        let status = exchange.status.map(|status| status.to_string()).unwrap_or_default();
        let stripped =
            is_stripped(subject, exchange).then_some(("stripped-key", audit.stripped.as_str()));
        let wanted = [
            ("caller", audit.caller.as_str()),
            ("server", subject.server),
            ("outcome", &status),
        ];
        if let Some((what, _)) =
            wanted.into_iter().chain(stripped).find(|(_, text)| !line.contains(text))
        {
            return format!("missing: {what}").into();
        }
    }
    "complete".into()
}

fn start(subject: &Subject<'_>) -> Observation {
    let warns = |line: &str| {
        let line = line.to_ascii_lowercase();
        let about = ["cleartext", "plaintext", "unencrypted", "insecure", "without tls", "http://"]
            .iter()
            .any(|word| line.contains(word));
        about && ["warn", "refus", "insecure"].iter().any(|word| line.contains(word))
    };
    match subject.context {
        context if context.refused => "refused",
        context if context.output.lines().any(warns) => "warned",
        _ => "no-warning",
    }
    .into()
}

/// Whether the key stood in a place for tokens, beside its own.
fn is_stripped(subject: &Subject<'_>, exchange: &Exchange) -> bool {
    let holds_key = |name: &str| {
        header(&exchange.sent_headers, name)
            .is_some_and(|value| value.ends_with(&subject.context.deployment.limited_key))
    };
    holds_key(&subject.context.key_header) && holds_key(&subject.context.token_header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_with_their_labels_and_only_what_grew_counts() {
        let before = "# TYPE a counter\na_total{server=\"x\",status=\"401\"} 1\nb_total 7\n";
        let after = "a_total{server=\"x\",status=\"401\"} 2 1700000000\nb_total 7\na_seconds_bucket{server=\"x\",le=\"1.0\"} 3\n# EOF\n";
        let metrics = Metrics { before: before.into(), after: after.into() };
        let grown = grown(&metrics);
        assert_eq!(
            grown,
            [Sample {
                name: "a_total",
                labels: vec![("server", "x"), ("status", "401")],
                value: 2.0
            }]
        );
        assert!(
            grown[0].tells("x", &["401"])
                && !grown[0].tells("y", &["401"])
                && !grown[0].tells("x", &["403"])
        );
    }
}
