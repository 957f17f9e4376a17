//! Observes the requests that upstream servers received: which servers, how often, and with which
//! credential.
//!
//! Counts are per message, not per request, because a gateway that opens a session for each call
//! needs more requests than another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observable, count, yes_or_no};
use crate::{
    cases::token_script::TokenScript,
    judge::{
        disclosure::table::SecretClass,
        observation::Observation,
        subject::{Subject, is_discovery},
    },
    trace::{Arrival, Exchange, all_headers, header},
    upstreams::ISSUER,
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "upstream-credential",
        description: "Which credentials the requested server received in Authorization, over all \
            requests.",
        values: &[
            "no-request",
            "token",
            "no-credential",
            "server-credential",
            "gateway-key",
            "altered-token",
            "other",
            "*+*",
        ],
        absence: Some("no-request"),
        observe: upstream_credential,
    },
    Observable {
        name: "other-servers-contacted",
        description: "Whether a server that the client did not request received an MCP request.",
        values: &["none", "some"],
        absence: Some("none"),
        observe: other_servers_contacted,
    },
    Observable {
        name: "redirect-target-contacted",
        description: "Whether the target of a redirect received a request: on another origin, or \
            on another path of the same origin.",
        values: &["none", "same-origin", "request", "request-with-token"],
        absence: Some("none"),
        observe: redirect_target_contacted,
    },
    Observable {
        name: "upstream-attempts",
        description: "How often the client's own message arrived.",
        values: &["0", "1", "2", "3+"],
        absence: None,
        observe: |subject| count(subject.traffic().own.len()),
    },
    Observable {
        name: "upstream-status",
        description: "The status with which the upstream answered the client's own message.",
        values: &["100..599", "*"],
        absence: None,
        observe: upstream_status,
    },
    Observable {
        name: "refused-request",
        description: "With which status the requested servers refused a request that the gateway \
            made for the client's: a probe, a request of the gateway's own, or the client's \
            message. The end of a session and a listening stream count only if the client asked \
            for them.",
        values: &["none", "401", "403", "401+403"],
        absence: None,
        observe: refused_request,
    },
    Observable {
        name: "forwarded-schemes",
        description: "How often the forwarded credential repeats the scheme prefix `Bearer`.",
        values: &["one", "repeated", "none"],
        absence: None,
        observe: forwarded_schemes,
    },
    Observable {
        name: "tokens-received",
        description: "Whether the upstream servers received the token of every request of the \
            client.",
        values: &["all", "not-of-request: *"],
        absence: None,
        observe: tokens_received,
    },
    Observable {
        name: "connections-without-request",
        description: "Whether a server accepted connections on which no request arrived: one for \
            each request of the client, fewer, or none. Fewer can be a health check.",
        values: &["none", "some", "for-each-request: *"],
        absence: Some("none"),
        observe: connections_without_request,
    },
    Observable {
        name: "server-specific-token",
        description: "Which token each server received, if the client sent tokens for single \
            servers.",
        values: &["own-server", "request-wide", "other-server", "none"],
        absence: None,
        observe: server_specific_token,
    },
    Observable {
        name: "upstream-authorization",
        description: "The form of Authorization in all requests to all servers.",
        values: &["one-bearer", "none", "several-field-lines", "other", "*+*"],
        absence: Some("none"),
        observe: upstream_authorization,
    },
    Observable {
        name: "mcp-requests",
        description: "Whether any MCP endpoint received a request.",
        values: &["none", "some"],
        absence: Some("none"),
        observe: mcp_requests_observed,
    },
    Observable {
        name: "unrequested-servers",
        description: "Which servers received a request although no path of the client names them.",
        values: &["none", "*"],
        absence: Some("none"),
        observe: unrequested_servers,
    },
    Observable {
        name: "forwarded-origin",
        description: "Whether every request to an MCP endpoint has the Origin of a request of the \
            client.",
        values: &["unchanged", "dropped", "changed"],
        absence: None,
        observe: forwarded_origin,
    },
    Observable {
        name: "upstream-cancellation",
        description: "Whether an upstream received notifications/cancelled.",
        values: &["no", "yes"],
        absence: None,
        observe: upstream_cancellation,
    },
    Observable {
        name: "upstream-settled",
        description: "Whether every upstream request had ended shortly after the response.",
        values: &["settled", "in-flight"],
        absence: None,
        observe: upstream_settled,
    },
];

/// The requests to all servers, without requests for discovery documents and tokens.
pub(super) fn mcp_requests<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Arrival> {
    subject
        .trace
        .arrivals
        .iter()
        .filter(|arrival| !is_discovery(arrival) && arrival.server != ISSUER)
}

/// The values of several requests, each once, joined by `+`.
fn joined(values: BTreeSet<&str>, if_empty: &str) -> Observation {
    if values.is_empty() {
        if_empty.into()
    } else {
        values.into_iter().collect::<Vec<_>>().join("+").into()
    }
}

fn upstream_credential(subject: &Subject<'_>) -> Observation {
    let credentials = subject.arrivals().flat_map(|arrival| credentials(subject, arrival));
    joined(credentials.collect(), "no-request")
}

/// The kind of credential in each Authorization field line of a request.
fn credentials(subject: &Subject<'_>, arrival: &Arrival) -> BTreeSet<&'static str> {
    let credential = |line: &str| {
        let classes = subject.secrets().classes_in(line);
        let contains = |some: &[SecretClass]| some.iter().any(|class| classes.contains(class));
        if contains(&[SecretClass::GatewayKey, SecretClass::AdmissionBearer]) {
            "gateway-key"
        } else if contains(&[SecretClass::StaticToken, SecretClass::MintedToken]) {
            "server-credential"
        } else if is_token_as_sent(subject, line) {
            "token"
        } else if contains(&[SecretClass::CallersToken]) {
            "altered-token"
        } else {
            "other"
        }
    };
    let mut found: BTreeSet<&str> =
        all_headers(&arrival.headers, "authorization").map(credential).collect();
    if found.is_empty() {
        found.insert("no-credential");
    }
    found
}

/// Whether the client sent this token in any request.
fn is_token_as_sent(subject: &Subject<'_>, line: &str) -> bool {
    let mut exchanges = subject.trace.exchanges.iter();
    exchanges.any(|exchange| sends_token(subject, exchange, line))
}

/// Whether a request of the client has this token. The case of the scheme does not matter (RFC 9110
/// §11.1). A token from another header field than Authorization gets a scheme prefix.
fn sends_token(subject: &Subject<'_>, exchange: &Exchange, line: &str) -> bool {
    let token_header = &subject.context.token_header;
    let is_same = |value: &str| {
        if token_header == "authorization" {
            value == line || is_same_but_for_scheme_case(value, line)
        } else {
            line.ends_with(value)
        }
    };
    all_headers(&exchange.sent_headers, token_header).any(is_same)
}

fn is_same_but_for_scheme_case(one: &str, other: &str) -> bool {
    match (one.split_once(' '), other.split_once(' ')) {
        (Some((scheme, token)), Some((other_scheme, other_token))) => {
            scheme.eq_ignore_ascii_case(other_scheme) && token == other_token
        }
        _ => false,
    }
}

fn tokens_received(subject: &Subject<'_>) -> Observation {
    let has_arrived = |exchange: &Exchange| {
        mcp_requests(subject)
            .flat_map(|arrival| all_headers(&arrival.headers, "authorization"))
            .any(|line| sends_token(subject, exchange, line))
    };
    let exchanges = &subject.trace.exchanges;
    match exchanges.iter().position(|exchange| !has_arrived(exchange)) {
        Some(missing) => format!("not-of-request: {}", missing + 1).into(),
        None => "all".into(),
    }
}

/// A connection that one request causes would also be accepted for the others. A single connection
/// can have another cause, such as a health check or a pool.
fn connections_without_request(subject: &Subject<'_>) -> Observation {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for server in &subject.trace.connections_without_request {
        *counts.entry(server).or_default() += 1;
    }
    let requests = subject.trace.exchanges.len();
    match counts.iter().find(|(_, count)| **count >= requests) {
        Some((server, _)) => format!("for-each-request: {server}").into(),
        None if counts.is_empty() => "none".into(),
        None => "some".into(),
    }
}

fn other_servers_contacted(subject: &Subject<'_>) -> Observation {
    let is_other = |arrival: &Arrival| {
        !subject.requests(&arrival.server)
            && subject.context.deployment.server(&arrival.server).is_some()
            && !is_discovery(arrival)
    };
    if subject.trace.arrivals.iter().any(is_other) {
        "some"
    } else {
        "none"
    }
    .into()
}

fn redirect_target_contacted(subject: &Subject<'_>) -> Observation {
    let elsewhere: Vec<&Arrival> = subject
        .trace
        .arrivals
        .iter()
        .filter(|arrival| arrival.server == "elsewhere")
        .collect();
    let has_token = |arrival: &&Arrival| header(&arrival.headers, "authorization").is_some();
    if elsewhere.iter().any(has_token) {
        return "request-with-token".into();
    }
    if !elsewhere.is_empty() {
        return "request".into();
    }
    let is_at_other_path = |arrival: &Arrival| {
        let path = arrival.target.split('?').next().unwrap_or_default();
        endpoint_path(subject).is_some_and(|endpoint| path != endpoint)
    };
    if subject.arrivals().any(is_at_other_path) {
        "same-origin"
    } else {
        "none"
    }
    .into()
}

/// The path of the requested server, as the implementation is configured with it.
pub(super) fn endpoint_path<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let url = &subject.context.deployment.server(subject.server)?.url;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    rest.find('/').map(|at| &rest[at..])
}

fn upstream_status(subject: &Subject<'_>) -> Observation {
    match subject.traffic().own.last() {
        Some(own) => own.answered.clone().into(),
        None => Observation::NotApplicable,
    }
}

fn refused_request(subject: &Subject<'_>) -> Observation {
    let is_for_client = |arrival: &&Arrival| {
        let method = arrival.method.as_str();
        let mut exchanges = subject.trace.exchanges.iter();
        !matches!(method, "GET" | "DELETE") || exchanges.any(|sent| sent.method == method)
    };
    let refusal = |arrival: &Arrival| {
        ["401", "403"].into_iter().find(|status| arrival.answered.starts_with(status))
    };
    let refusals = mcp_requests(subject)
        .filter(|arrival| subject.requests(&arrival.server))
        .filter(is_for_client)
        .filter_map(refusal);
    joined(refusals.collect(), "none")
}

fn forwarded_schemes(subject: &Subject<'_>) -> Observation {
    let prefixes = |line: &str| {
        line.split_ascii_whitespace()
            .filter(|word| word.eq_ignore_ascii_case("bearer"))
            .count()
    };
    let most = subject
        .arrivals()
        .flat_map(|arrival| all_headers(&arrival.headers, "authorization"))
        .map(prefixes)
        .max();
    match most {
        None => Observation::NotApplicable,
        Some(0) => "none".into(),
        Some(1) => "one".into(),
        Some(_) => "repeated".into(),
    }
}

/// A token for one server ends with the name of that server.
fn server_specific_token(subject: &Subject<'_>) -> Observation {
    let token = |arrival: &Arrival| {
        let suffix = TokenScript::find(header(&arrival.headers, "authorization")?)?.suffix;
        Some(if suffix == arrival.server {
            "own-server"
        } else if suffix.is_empty() {
            "request-wide"
        } else {
            "other-server"
        })
    };
    let tokens: BTreeSet<&str> = mcp_requests(subject).filter_map(token).collect();
    ["other-server", "request-wide", "own-server"]
        .into_iter()
        .find(|value| tokens.contains(value))
        .unwrap_or("none")
        .into()
}

fn upstream_authorization(subject: &Subject<'_>) -> Observation {
    let canary = subject.trace.canary();
    let is_one_bearer = |line: &str| match line.split_once(' ') {
        Some((scheme, token)) => {
            scheme.eq_ignore_ascii_case("bearer")
                && token.starts_with(canary)
                && !token.contains(' ')
        }
        None => false,
    };
    let form = |arrival: &Arrival| {
        let lines: Vec<&str> = all_headers(&arrival.headers, "authorization").collect();
        match lines.as_slice() {
            [] => "none",
            [line] if is_one_bearer(line) => "one-bearer",
            [_] => "other",
            _ => "several-field-lines",
        }
    };
    joined(mcp_requests(subject).map(form).collect(), "none")
}

fn mcp_requests_observed(subject: &Subject<'_>) -> Observation {
    if mcp_requests(subject).next().is_some() { "some" } else { "none" }.into()
}

fn unrequested_servers(subject: &Subject<'_>) -> Observation {
    let is_named = |server: &str| {
        let mut exchanges = subject.trace.exchanges.iter();
        exchanges.any(|exchange| exchange.path.split('/').any(|part| part == server))
    };
    let unrequested: BTreeSet<&str> = subject
        .trace
        .arrivals
        .iter()
        .map(|arrival| arrival.server.as_str())
        .filter(|server| !is_named(server))
        .collect();
    if unrequested.is_empty() {
        "none".into()
    } else {
        unrequested.into_iter().collect::<Vec<_>>().join(", ").into()
    }
}

fn forwarded_origin(subject: &Subject<'_>) -> Observation {
    let sent: BTreeSet<&str> = subject
        .trace
        .exchanges
        .iter()
        .filter_map(|exchange| header(&exchange.sent_headers, "origin"))
        .collect();
    if sent.is_empty() {
        return Observation::NotApplicable;
    }
    let received: BTreeSet<Option<&str>> = mcp_requests(subject)
        .map(|arrival| header(&arrival.headers, "origin"))
        .collect();
    if received.contains(&None) {
        "dropped"
    } else if received.into_iter().flatten().all(|origin| sent.contains(origin)) {
        "unchanged"
    } else {
        "changed"
    }
    .into()
}

fn upstream_cancellation(subject: &Subject<'_>) -> Observation {
    let is_cancellation =
        |arrival: &Arrival| arrival.rpc_method.as_deref() == Some("notifications/cancelled");
    yes_or_no(subject.trace.arrivals.iter().any(is_cancellation))
}

fn upstream_settled(subject: &Subject<'_>) -> Observation {
    match subject.context.settled {
        Some(true) => "settled".into(),
        Some(false) => "in-flight".into(),
        None => Observation::NotApplicable,
    }
}
