//! The canonical form of a run: the same for two runs of one implementation with one random seed.
//!
//! Times, ports, connection numbers and random ids are removed, and records whose order varies are
//! sorted. Each case is one line of JSON, in the order of the case ids, so that any tool that
//! compares lines can compare two runs.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Serialize;

use crate::{
    cases::scenario::{Scenario, Step},
    judge::{
        Finding, Verdict,
        run_file::{Header, JudgedCase, Run, Setup},
    },
    trace::{Arrival, Ending, Exchange, Headers, Trace, all_headers, printable::printable_json},
};

/// Header fields whose values differ from run to run.
const VARYING_FIELDS: [&str; 6] =
    ["date", "mcp-session-id", "x-request-id", "x-mock-answer", "age", "traceparent"];
/// Observables that depend on the load of the machine. Whether they are judged may differ from run
/// to run, so a finding about them is left out if it passes.
const TIMED_OBSERVABLES: [&str; 6] = [
    "response-head-time",
    "probe-session-end",
    "connections-per-exchange",
    "event-delivery",
    "probe-wait",
    "upstream-settled",
];

#[derive(Serialize)]
struct CanonicalCase<'a> {
    case: &'a str,
    findings: Vec<Finding>,
    client: Vec<CanonicalExchange>,
    upstream: Vec<CanonicalArrival>,
}

#[derive(Serialize)]
struct CanonicalExchange {
    method: String,
    path: String,
    status: Option<u16>,
    headers: Headers,
    body: String,
    ending: Ending,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct CanonicalArrival {
    server: String,
    method: String,
    target: String,
    rpc_method: Option<String>,
    answered: String,
    headers: Headers,
    body: String,
}

/// The header and the cases, one on each line.
pub(super) fn canonical(run: &Run) -> String {
    let lines: BTreeMap<String, String> = run
        .cases()
        .map(|case| (case.id.clone(), case_line(run.setup.as_ref(), &case)))
        .collect();
    let mut text = header_line(&run.header);
    for line in lines.values() {
        text.push_str(line);
        text.push('\n');
    }
    printable_json(&text)
}

fn header_line(header: &Header) -> String {
    let mut line = serde_json::to_string(header).unwrap_or_else(|error| error.to_string());
    line.push('\n');
    line
}

fn case_line(setup: Option<&Setup>, case: &JudgedCase<'_>) -> String {
    let JudgedCase { id, gateway, trace, findings, .. } = case;
    let placeholders = Placeholders::new(setup, gateway, trace);
    let mut client: Vec<CanonicalExchange> =
        trace.exchanges.iter().map(|exchange| placeholders.exchange(exchange)).collect();
    if sends_concurrently(case) {
        client.sort_by(|one, other| (&one.path, &one.body).cmp(&(&other.path, &other.body)));
    }
    let mut upstream: Vec<CanonicalArrival> =
        trace.arrivals.iter().map(|arrival| placeholders.arrival(arrival)).collect();
    upstream.sort();
    let repeatable = findings.iter().filter(|finding| {
        finding.verdict != Verdict::Pass
            || !TIMED_OBSERVABLES.contains(&finding.observable.as_str())
    });
    let findings = repeatable.map(|finding| Finding {
        actual: placeholders.replace_in(&finding.actual),
        ..finding.clone()
    });
    let canonical = CanonicalCase { case: id, findings: findings.collect(), client, upstream };
    serde_json::to_string(&canonical).unwrap_or_else(|error| error.to_string())
}

/// Whether a case sends requests at the same time, so that their order varies.
fn sends_concurrently(case: &JudgedCase<'_>) -> bool {
    case.matrix_case.is_none()
        && Scenario::find(&case.only).is_some_and(|scenario| {
            scenario.steps.iter().any(|step| matches!(step, Step::ConcurrentRequests(_)))
        })
}

/// Replaces everything in a case's texts that differs from run to run.
struct Placeholders {
    /// Each text and its placeholder, the longest text first.
    replacements: Vec<(String, String)>,
}

impl Placeholders {
    fn new(setup: Option<&Setup>, gateway: &str, trace: &Trace) -> Self {
        let mut origins: Vec<(&str, String)> = vec![(gateway, "GATEWAY".to_owned())];
        if let Some(setup) = setup {
            let servers = setup.deployment.servers.iter();
            origins.extend(servers.map(|server| (server.url.as_str(), server.name.to_uppercase())));
            origins.push((&setup.deployment.issuer, "ISSUER".to_owned()));
        }
        let mut replacements: Vec<(String, String)> = origins
            .into_iter()
            .filter_map(|(url, placeholder)| Some((authority(url)?, placeholder)))
            .collect();
        let session_ids = session_ids(trace).filter(|id| id.len() > 8);
        replacements.extend(session_ids.map(|id| (id.to_owned(), "SESSION".to_owned())));
        replacements.sort_by_key(|(text, _)| Reverse(text.len()));
        Self { replacements }
    }

    fn replace_in(&self, text: &str) -> String {
        let mut replaced = text.to_owned();
        for (text, placeholder) in &self.replacements {
            replaced = replaced.replace(text, placeholder);
        }
        without_ports(&replaced)
    }

    fn headers(&self, headers: &Headers) -> Headers {
        let fields = headers.iter().map(|(name, value)| {
            let varies = VARYING_FIELDS.contains(&name.to_ascii_lowercase().as_str());
            let value = if varies { "*".to_owned() } else { self.replace_in(value) };
            (name.clone(), value)
        });
        fields.collect()
    }

    fn exchange(&self, exchange: &Exchange) -> CanonicalExchange {
        let Exchange { method, path, status, headers, body, ending, .. } = exchange;
        CanonicalExchange {
            method: method.clone(),
            path: self.replace_in(path),
            status: *status,
            headers: self.headers(headers),
            body: self.replace_in(body),
            ending: *ending,
        }
    }

    fn arrival(&self, arrival: &Arrival) -> CanonicalArrival {
        let Arrival {
            server, method, target, rpc_method, answered, headers, body, ..
        } = arrival;
        CanonicalArrival {
            server: server.clone(),
            method: method.clone(),
            target: self.replace_in(target),
            rpc_method: rpc_method.clone(),
            answered: answered.clone(),
            headers: self.headers(headers),
            body: self.replace_in(body),
        }
    }
}

/// Host and port of a URL.
fn authority(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    Some(rest.split('/').next().unwrap_or(rest).to_owned())
}

/// The session ids that the mock upstreams issued or that the client received.
fn session_ids(trace: &Trace) -> impl Iterator<Item = &str> {
    let issued = trace
        .arrivals
        .iter()
        .flat_map(|arrival| [&arrival.session_issued, &arrival.session_ended])
        .flatten()
        .map(String::as_str);
    let received = trace
        .exchanges
        .iter()
        .flat_map(|exchange| all_headers(&exchange.headers, "mcp-session-id"));
    issued.chain(received)
}

/// The text with the remaining loopback ports replaced.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        replaced.push_str("127.0.0.1:PORT");
        replaced.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::without_ports;

    #[test]
    fn only_a_number_after_the_loopback_address_is_a_port() {
        assert_eq!(
            without_ports("http://127.0.0.1:41733/mcp 41733 127.0.0.1"),
            "http://127.0.0.1:PORT/mcp 41733 127.0.0.1"
        );
    }
}
