//! The canonical form of a run: what two runs with one seed against one implementation have in common.
//!
//! Times, ports, connection numbers and ids drawn at random are taken out, and what arrives in no certain order is sorted. What is left is
//! one line of JSON for each case, in the order of their ids, so that two runs can be compared with any tool that compares lines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cases::scenario::Scenario,
    judge::{
        Finding, Verdict,
        run_file::{Header, JudgedCase, Run, Setup},
    },
    trace::{Arrival, Exchange, Headers, Trace, all_headers},
};

/// Header lines whose values are drawn anew each time.
const VOLATILE: [&str; 6] =
    ["date", "mcp-session-id", "x-request-id", "x-mock-answer", "age", "traceparent"];
/// Observables that depend on how busy the machine is, and whose being met is therefore no part of the form.
const TIMED: [&str; 6] = [
    "response-head-time",
    "probe-session-end",
    "connections-per-exchange",
    "event-delivery",
    "probe-wait",
    "upstream-settled",
];

#[derive(Serialize)]
struct Case<'a> {
    case: &'a str,
    findings: Vec<Finding>,
    client: Vec<Sent>,
    upstream: Vec<Arrived>,
}

#[derive(Serialize)]
struct Sent {
    method: String,
    path: String,
    status: Option<u16>,
    headers: Headers,
    body: String,
    ending: crate::trace::Ending,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Arrived {
    server: String,
    method: String,
    target: String,
    rpc_method: Option<String>,
    answered: String,
    headers: Headers,
    body: String,
}

/// The lines.
pub(super) fn canonical(run: &Run) -> String {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for JudgedCase { id, only, matrix_case, gateway, trace, findings, .. } in run.cases() {
        let scenario = if matrix_case.is_none() { Scenario::find(&only) } else { None };
        let together =
            scenario.is_some_and(|scenario| scenario.steps.iter().any(|step| step.together));
        let plain = Plain::new(run.setup.as_ref(), gateway, trace);
        let told = |finding: &&Finding| {
            finding.verdict != Verdict::Pass || !TIMED.contains(&finding.observable.as_str())
        };
        let mut client: Vec<Sent> =
            trace.exchanges.iter().map(|exchange| plain.exchange(exchange)).collect();
        if together {
            // They were sent at once; which one came first says nothing.
            client.sort_by(|one, other| (&one.path, &one.body).cmp(&(&other.path, &other.body)));
        }
        let mut upstream: Vec<Arrived> =
            trace.arrivals.iter().map(|arrival| plain.arrival(arrival)).collect();
        upstream.sort();
        let case = Case {
            case: &id,
            findings: findings
                .iter()
                .filter(told)
                .map(|finding| Finding { actual: plain.text(&finding.actual), ..finding.clone() })
                .collect(),
            client,
            upstream,
        };
        let line = serde_json::to_string(&case).unwrap_or_else(|error| error.to_string());
        lines.insert(id, line);
    }
    let mut text = head(&run.header);
    for line in lines.values() {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// What was run; which version of the suite judged it is part of that.
fn head(header: &Header) -> String {
    let mut head = serde_json::to_string(header).unwrap_or_else(|error| error.to_string());
    head.push('\n');
    head
}

/// Takes out of a case's texts what changes from run to run.
struct Plain {
    /// What is replaced, and by what; the longest first.
    names: Vec<(String, String)>,
}

impl Plain {
    fn new(setup: Option<&Setup>, gateway: &str, trace: &Trace) -> Self {
        let origin = |url: &str| {
            url.split("://")
                .nth(1)
                .map(|rest| rest.split('/').next().unwrap_or(rest).to_owned())
        };
        let mut names: Vec<(String, String)> = Vec::new();
        names.extend(origin(gateway).map(|origin| (origin, "GATEWAY".to_owned())));
        for server in setup.iter().flat_map(|setup| &setup.deployment.servers) {
            names.extend(origin(&server.url).map(|origin| (origin, server.name.to_uppercase())));
        }
        names.extend(
            setup
                .and_then(|setup| origin(&setup.deployment.issuer))
                .map(|origin| (origin, "ISSUER".to_owned())),
        );
        let issued = trace
            .arrivals
            .iter()
            .flat_map(|arrival| [&arrival.session_issued, &arrival.session_ended])
            .flatten()
            .cloned();
        let kept = trace
            .exchanges
            .iter()
            .flat_map(|exchange| all_headers(&exchange.headers, "mcp-session-id"))
            .map(str::to_owned);
        names.extend(
            issued
                .chain(kept)
                .filter(|id| id.len() > 8)
                .map(|id| (id, "SESSION".to_owned())),
        );
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { names }
    }

    fn text(&self, text: &str) -> String {
        let named = self
            .names
            .iter()
            .fold(text.to_owned(), |text, (name, stands)| text.replace(name, stands));
        without_ports(&named)
    }

    fn headers(&self, headers: &Headers) -> Headers {
        let value = |name: &str, value: &str| {
            if VOLATILE.contains(&name.to_ascii_lowercase().as_str()) {
                "*".to_owned()
            } else {
                self.text(value)
            }
        };
        headers.iter().map(|(name, said)| (name.clone(), value(name, said))).collect()
    }

    fn exchange(&self, exchange: &Exchange) -> Sent {
        let Exchange { method, path, status, headers, body, ending, .. } = exchange;
        let (path, headers, body) = (self.text(path), self.headers(headers), self.text(body));
        Sent {
            method: method.clone(),
            path,
            status: *status,
            headers,
            body,
            ending: *ending,
        }
    }

    fn arrival(&self, arrival: &Arrival) -> Arrived {
        let Arrival {
            server, method, target, rpc_method, answered, headers, body, ..
        } = arrival;
        Arrived {
            server: server.clone(),
            method: method.clone(),
            target: self.text(target),
            rpc_method: rpc_method.clone(),
            answered: answered.clone(),
            headers: self.headers(headers),
            body: self.text(body),
        }
    }
}

/// Ports of loopback that no name stands for.
fn without_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str("127.0.0.1:PORT");
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::without_ports;

    #[test]
    fn a_port_is_only_what_stands_behind_the_address() {
        assert_eq!(
            without_ports("http://127.0.0.1:41733/mcp 41733 127.0.0.1"),
            "http://127.0.0.1:PORT/mcp 41733 127.0.0.1"
        );
    }
}
