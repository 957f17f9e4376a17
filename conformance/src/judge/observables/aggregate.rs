//! Observes requests for several servers: which servers were contacted, and which server the
//! challenge names.
//!
//! The behaviour of each server is known from the case. What the gateway should do is decided by
//! rules.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observable, challenge::challenges, count, of_last_exchange};
use crate::{
    cases::{
        behaviour::{Behaviours, Class},
        matrix::behaviours_of,
        token_script::TokenScript,
    },
    judge::{
        observation::Observation,
        subject::{Subject, is_discovery},
    },
    trace::{Arrival, header},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "servers-contacted",
        description: "Which of the requested servers received a request.",
        values: &["none", "all", "target", "some: *", "others: *"],
        absence: Some("none"),
        observe: servers_contacted,
    },
    Observable {
        name: "challenge-names",
        description: "Which requested server the URLs of the Bearer challenge name.",
        values: &[
            "first-refusing-server",
            "other-refusing-server",
            "non-refusing-server",
            "none",
            "several",
        ],
        absence: None,
        observe: challenge_names,
    },
    Observable {
        name: "repeated-upstream-requests",
        description: "How often one server received the same kind of message, at most.",
        values: &["0", "1", "2", "3+"],
        absence: Some("0"),
        observe: repeated_upstream_requests,
    },
    Observable {
        name: "protection-spaces-reached",
        description: "How many protection spaces received the token of the request.",
        values: &["0", "1", "2+"],
        absence: Some("0"),
        observe: protection_spaces_reached,
    },
    Observable {
        name: "re-authorisation",
        description: "Whether a client that obtains the token that each challenge asks for reaches \
            an end.",
        values: &["terminates", "loops", "unexpected-status: *"],
        absence: None,
        observe: re_authorisation,
    },
];

/// The requested servers with the class of their behaviour, in the order of the configuration.
pub(super) fn requested_servers(subject: &Subject<'_>) -> Vec<(String, Class)> {
    if let Some(matrix_case) = subject.matrix_case {
        return behaviours_of(matrix_case)
            .into_iter()
            .map(|(server, behaviour)| (server.to_owned(), class_of(behaviour)))
            .collect();
    }
    let script = subject.exchange().and_then(|exchange| {
        let token = header(&exchange.sent_headers, &subject.context.token_header)?;
        TokenScript::find(token)
    });
    let Some(script) = script else { return Vec::new() };
    let mut requested: Vec<(String, Class)> = script
        .behaviours
        .iter()
        .filter(|(server, _)| !server.is_empty())
        .map(|(server, behaviour)| (server.clone(), class_of(behaviour)))
        .collect();
    let configured = &subject.context.deployment.servers;
    requested.sort_by_key(|(server, _)| configured.iter().position(|other| other.name == *server));
    requested
}

fn class_of(behaviour: &str) -> Class {
    Behaviours::embedded()
        .find(behaviour)
        .map_or(Class::Inconclusive, |found| found.class)
}

/// The requests to the MCP endpoints of configured servers.
fn endpoint_requests<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Arrival> {
    let (deployment, trace) = (&subject.context.deployment, subject.trace);
    trace
        .arrivals
        .iter()
        .filter(|arrival| deployment.server(&arrival.server).is_some() && !is_discovery(arrival))
}

fn servers_contacted(subject: &Subject<'_>) -> Observation {
    let requested = requested_servers(subject);
    let requested: BTreeSet<&str> = requested.iter().map(|(server, _)| server.as_str()).collect();
    let contacted: BTreeSet<&str> =
        endpoint_requests(subject).map(|arrival| arrival.server.as_str()).collect();
    let others: Vec<&str> = contacted.difference(&requested).copied().collect();
    if contacted.is_empty() {
        "none".into()
    } else if contacted == requested {
        "all".into()
    } else if !others.is_empty() {
        format!("others: {}", others.join(", ")).into()
    } else if contacted.len() == 1 && contacted.contains(subject.server) {
        "target".into()
    } else {
        format!("some: {}", contacted.into_iter().collect::<Vec<_>>().join(", ")).into()
    }
}

fn challenge_names(subject: &Subject<'_>) -> Observation {
    of_last_exchange(subject, |exchange| {
        let challenges = challenges(exchange);
        let Some(bearer) = challenges.iter().find(|challenge| challenge.is("Bearer")) else {
            return Observation::NotApplicable;
        };
        let urls = ["resource_metadata", "authorization_uri"].map(|name| bearer.parameter(name));
        let is_named = |server: &str| {
            let mut parts = urls.iter().flatten().flat_map(|url| url.split(['/', '?', '&', '=']));
            parts.any(|part| part == server)
        };
        let requested = requested_servers(subject);
        let first_refusing = requested.iter().find(|(_, class)| *class == Class::Unauthorized);
        let named: Vec<&(String, Class)> =
            requested.iter().filter(|(server, _)| is_named(server)).collect();
        match named.as_slice() {
            [] => "none",
            [one] if Some(*one) == first_refusing => "first-refusing-server",
            [(_, Class::Unauthorized)] => "other-refusing-server",
            [_] => "non-refusing-server",
            _ => "several",
        }
        .into()
    })
}

fn repeated_upstream_requests(subject: &Subject<'_>) -> Observation {
    let mut counts: BTreeMap<(&str, &str, Option<&str>), usize> = BTreeMap::new();
    for arrival in endpoint_requests(subject) {
        let kind = (&*arrival.server, &*arrival.method, arrival.rpc_method.as_deref());
        *counts.entry(kind).or_default() += 1;
    }
    count(counts.into_values().max().unwrap_or_default())
}

fn protection_spaces_reached(subject: &Subject<'_>) -> Observation {
    let has_token = |arrival: &&Arrival| {
        header(&arrival.headers, "authorization").and_then(TokenScript::find).is_some()
    };
    let space = |arrival: &Arrival| {
        let server = subject.context.deployment.server(&arrival.server);
        server
            .and_then(|server| server.space.clone())
            .unwrap_or_else(|| arrival.server.clone())
    };
    let spaces: BTreeSet<String> =
        endpoint_requests(subject).filter(has_token).map(space).collect();
    match spaces.len() {
        0 => "0",
        1 => "1",
        _ => "2+",
    }
    .into()
}

/// How many consecutive 401 responses a client accepts.
const MAXIMUM_ROUNDS: usize = 5;

fn re_authorisation(subject: &Subject<'_>) -> Observation {
    let mut rounds = 0;
    for exchange in &subject.trace.exchanges {
        rounds = if exchange.status == Some(401) { rounds + 1 } else { 0 };
        if rounds > MAXIMUM_ROUNDS {
            return "loops".into();
        }
        if !matches!(exchange.status, Some(200 | 401 | 403)) {
            return format!("unexpected-status: {}", exchange.status.unwrap_or_default()).into();
        }
    }
    "terminates".into()
}
