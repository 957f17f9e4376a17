//! Observes what operators see: metrics, audit lines, and the start with an unsafe configuration.
//!
//! It knows no metric names of an implementation. A sample is about a server if a label names the
//! server, and about an outcome if another label does.

use std::collections::BTreeSet;

use super::{
    Observable,
    metrics::{Sample, grown, samples},
};
use crate::{
    cases::deployment::{DISTANT_HOST, names},
    judge::{
        disclosure::table::Location,
        observation::Observation,
        subject::{Context, Metrics, Subject},
    },
    trace::{Exchange, header},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "request-counts",
        description: "Whether requests are counted by server and outcome, with labels from the \
            configuration only.",
        values: &["by-server-and-outcome", "missing: *", "unbounded: *"],
        absence: None,
        observe: |subject| of_metrics(subject, |grown, all| request_counts(subject, grown, all)),
    },
    Observable {
        name: "failure-counts",
        description: "Whether requests that failed open are counted by server and cause.",
        values: &["by-cause", "without-cause", "not-counted"],
        absence: None,
        observe: |subject| of_metrics(subject, |grown, _| failure_counts(subject, grown)),
    },
    Observable {
        name: "probe-time-metric",
        description: "Whether the duration of probes is measured separately from the duration of \
            requests.",
        values: &["separate", "not-separate"],
        absence: None,
        observe: |subject| of_metrics(subject, |grown, _| probe_time_metric(subject, grown)),
    },
    Observable {
        name: "start-outcome",
        description: "Whether the implementation refused to start with an unsafe configuration, or \
            warned about it.",
        values: &["refused", "warned", "no-warning"],
        absence: None,
        observe: start_outcome,
    },
    Observable {
        name: "audit-line",
        description: "Whether each response has a request id, and a line with this id names \
            caller, server and outcome.",
        values: &["complete", "no-request-id", "no-line", "missing: *"],
        absence: None,
        observe: audit_line,
    },
];

fn of_metrics(
    subject: &Subject<'_>,
    observe: impl FnOnce(&[Sample<'_>], &Metrics) -> Observation,
) -> Observation {
    match &subject.context.metrics {
        Some(metrics) => observe(&grown(metrics), metrics),
        None => Observation::Unknown("its metrics could not be read"),
    }
}

fn request_counts(subject: &Subject<'_>, grown: &[Sample<'_>], metrics: &Metrics) -> Observation {
    const OUTCOMES: [(&str, &[&str]); 3] = [
        ("success", &["200", "2xx", "ok", "accept", "success"]),
        ("401", &["401", "unauth", "refus"]),
        ("403", &["403", "forbid", "denied"]),
    ];
    if subject
        .disclosures()
        .iter()
        .any(|disclosure| disclosure.location == Location::Metrics)
    {
        return "unbounded: secret".into();
    }
    let has_unknown_server =
        |sample: &Sample<'_>| sample.labels.iter().any(|(_, value)| value.contains(names::UNKNOWN));
    if let Some(sample) = samples(&metrics.after).find(has_unknown_server) {
        return format!("unbounded: {}", sample.name).into();
    }
    let is_counted =
        |words: &[&str]| grown.iter().any(|sample| sample.is_about_outcome(subject.server, words));
    match OUTCOMES.iter().find(|(_, words)| !is_counted(words)) {
        Some((outcome, _)) => format!("missing: {outcome}").into(),
        None => "by-server-and-outcome".into(),
    }
}

fn failure_counts(subject: &Subject<'_>, grown: &[Sample<'_>]) -> Observation {
    let names_fail_open = |sample: &&Sample<'_>| {
        let labels = sample.labels.iter().map(|(_, value)| *value);
        let mut words = std::iter::once(sample.name).chain(labels);
        sample.is_about(subject.server)
            && words.any(|word| word.to_ascii_lowercase().contains("open"))
    };
    let samples: Vec<&Sample<'_>> = grown.iter().filter(names_fail_open).collect();
    let names: BTreeSet<&str> = samples.iter().map(|sample| sample.name).collect();
    let causes = names
        .iter()
        .map(|name| samples.iter().filter(|sample| sample.name == *name).count())
        .max();
    match causes.unwrap_or_default() {
        0 => "not-counted",
        1 => "without-cause",
        _ => "by-cause",
    }
    .into()
}

fn probe_time_metric(subject: &Subject<'_>, grown: &[Sample<'_>]) -> Observation {
    const TIME_NAMES: [&str; 5] = ["second", "_ms", "duration", "latency", "micros"];
    let is_time = |sample: &&Sample<'_>| {
        sample.is_about(subject.server) && TIME_NAMES.iter().any(|word| sample.name.contains(word))
    };
    let (of_probes, of_requests): (Vec<&Sample<'_>>, Vec<&Sample<'_>>) =
        grown.iter().filter(is_time).partition(|sample| sample.name.contains("probe"));
    if of_probes.is_empty() || of_requests.is_empty() {
        "not-separate"
    } else {
        "separate"
    }
    .into()
}

fn audit_line(subject: &Subject<'_>) -> Observation {
    let Some(audit) = &subject.context.surfaces.audit else {
        return Observation::NotApplicable;
    };
    let output = &subject.context.output;
    if output.is_empty() {
        return Observation::Unknown("its output could not be read");
    }
    for exchange in &subject.trace.exchanges {
        let Some(request_id) = header(&exchange.headers, &audit.request_id) else {
            return "no-request-id".into();
        };
        let Some(line) = output.lines().find(|line| line.contains(request_id)) else {
            return "no-line".into();
        };
        let status = exchange.status.map(|status| status.to_string()).unwrap_or_default();
        let mut required = vec![
            ("caller", audit.caller.as_str()),
            ("server", subject.server),
            ("outcome", status.as_str()),
        ];
        if is_key_in_token_header(subject, exchange) {
            required.push(("stripped-key", audit.stripped.as_str()));
        }
        if let Some((name, _)) = required.into_iter().find(|(_, text)| !line.contains(text)) {
            return format!("missing: {name}").into();
        }
    }
    "complete".into()
}

/// Whether the client sent the limited key in the token header field as well as in its own.
fn is_key_in_token_header(subject: &Subject<'_>, exchange: &Exchange) -> bool {
    let contains_key = |name: &str| {
        header(&exchange.sent_headers, name)
            .is_some_and(|value| value.ends_with(&subject.context.deployment.limited_key))
    };
    contains_key(&subject.context.key_header) && contains_key(&subject.context.token_header)
}

/// A start can also fail for another reason, and a log can contain other warnings. So the output
/// must name the server and say that its tokens would be sent without TLS.
fn start_outcome(subject: &Subject<'_>) -> Observation {
    let Context { output, refused, .. } = subject.context;
    if !refused {
        let is_warned = output.lines().any(is_cleartext_warning);
        return if is_warned { "warned" } else { "no-warning" }.into();
    }
    // A message about a configuration can have several lines.
    let text = output.to_ascii_lowercase();
    if names_distant_server(&text) && contains_any(&text, &CLEARTEXT)
        || text.lines().any(is_about_cleartext)
    {
        return "refused".into();
    }
    Observation::Unknown("it did not start, and its output does not name missing TLS as the reason")
}

const CLEARTEXT: [&str; 7] = [
    "cleartext",
    "clear text",
    "plaintext",
    "plain text",
    "plain http",
    "unencrypted",
    "insecure",
];

fn contains_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

fn names_distant_server(text: &str) -> bool {
    contains_any(text, &[names::DISTANT, DISTANT_HOST])
}

/// Whether a line in lower case names the server without TLS and says what is wrong with it.
fn is_about_cleartext(line: &str) -> bool {
    names_distant_server(line)
        && (contains_any(line, &CLEARTEXT) || contains_any(line, &["tls", "https"]))
}

fn is_cleartext_warning(line: &str) -> bool {
    const WARNING: [&str; 4] = ["warn", "refus", "insecure", "error"];
    let line = line.to_ascii_lowercase();
    is_about_cleartext(&line) && contains_any(&line, &WARNING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_warning_about_the_server_without_tls_counts() {
        for line in [
            "WARNING server distant sends tokens unencrypted",
            "warn: http://192.0.2.10/mcp has no TLS",
            "level=warn msg=\"insecure upstream\" url=http://192.0.2.10/mcp",
        ] {
            assert!(is_cleartext_warning(line), "{line}");
        }
        for line in [
            "WARNING the key store is insecure",
            "WARNING cannot connect to http://192.0.2.10/mcp",
            "INFO server distant uses TLS",
            "WARNING server distant is slow",
        ] {
            assert!(!is_cleartext_warning(line), "{line}");
        }
    }
}
