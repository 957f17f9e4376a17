//! Observes what several servers in one request come to: who was asked, whom a refusal names, what a partial answer says of the rest.
//!
//! What each server was told to do is known, and so is what an honest gateway can make of it; what it ought to do about that is not
//! said here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Observable, Observation, Subject, body::answer, client::challenges, is_discovery};
use crate::{
    cases::{
        behaviour::{Behaviours, Class},
        token_script::TokenScript,
    },
    trace::{Arrival, header},
};

/// What a request to several servers shows.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "servers-contacted",
        description: "which servers were asked, of those that the request is meant for",
        values: &["none", "all", "target", "some: *", "others: *"],
        absence: Some("none"),
        look: asked,
    },
    Observable {
        name: "challenge-names",
        description: "which server's documents the challenge leads to",
        values: &[
            "first-refusing-server",
            "other-refusing-server",
            "non-refusing-server",
            "none",
            "several",
        ],
        absence: None,
        look: challenge_names,
    },
    Observable {
        name: "failures-named",
        description: "whether a vendor's member of `_meta` names each server that has failed, and how",
        values: &["all", "missing: *", "reserved-key: *"],
        absence: None,
        look: failures_named,
    },
    Observable {
        name: "tools-listed",
        description: "whose tools are listed, under which names",
        values: &["healthy-servers", "missing: *", "extra: *"],
        absence: None,
        look: offered,
    },
    Observable {
        name: "repeated-upstream-requests",
        description: "how often one server was sent one kind of message, at most",
        values: &["0", "1", "2", "3+"],
        absence: Some("0"),
        look: repeats,
    },
    Observable {
        name: "protection-spaces-reached",
        description: "how many protection spaces were shown the request's one token",
        values: &["0", "1", "2+"],
        absence: Some("0"),
        look: spaces,
    },
    Observable {
        name: "re-authorisation",
        description: "whether a client that gets the token that it is told to get comes to an end",
        values: &["terminates", "loops", "unexpected-status: *"],
        absence: None,
        look: re_authorisation,
    },
    Observable {
        name: "list-caching",
        description: "what a list says of how it may be kept",
        values: &["private-0-ms", "private", "public", "absent"],
        absence: None,
        look: caching,
    },
    Observable {
        name: "any-list-caching",
        description: "whether any list says that it may be kept for others",
        values: &["private", "public"],
        absence: None,
        look: every_caching,
    },
];

/// The servers that the request is meant for, with what each may be taken to say, in the order of the configuration.
fn meant(subject: &Subject<'_>) -> Vec<(String, Class)> {
    let class = |behaviour: &str| {
        Behaviours::embedded()
            .find(behaviour)
            .map_or(Class::Inconclusive, |found| found.class)
    };
    if let Some(matrix_case) = subject.matrix_case {
        return crate::cases::matrix::orders_of(matrix_case)
            .into_iter()
            .map(|(server, behaviour)| (server.to_owned(), class(behaviour)))
            .collect();
    }
    let Some(exchange) = subject.exchange() else { return Vec::new() };
    let Some(script) =
        header(&exchange.sent_headers, &subject.context.token_header).and_then(TokenScript::find)
    else {
        return Vec::new();
    };
    let order = |server: &String| {
        subject
            .context
            .deployment
            .servers
            .iter()
            .position(|planned| planned.name == *server)
    };
    let mut meant: Vec<(String, Class)> = script
        .orders
        .iter()
        .map(|(server, behaviour)| (server.clone(), class(behaviour)))
        .collect();
    meant.retain(|(server, _)| !server.is_empty());
    meant.sort_by_key(|(server, _)| order(server));
    meant
}

/// The names of servers of the plan that were asked at their MCP endpoints.
fn at_endpoints<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Arrival> {
    let (deployment, trace) = (&subject.context.deployment, subject.trace);
    trace
        .arrivals
        .iter()
        .filter(|arrival| deployment.server(&arrival.server).is_some() && !is_discovery(arrival))
}

fn asked(subject: &Subject<'_>) -> Observation {
    let asked: BTreeSet<&str> =
        at_endpoints(subject).map(|arrival| arrival.server.as_str()).collect();
    let meant: Vec<(String, Class)> = meant(subject);
    let meant: BTreeSet<&str> = meant.iter().map(|(server, _)| server.as_str()).collect();
    let listed =
        |names: &mut dyn Iterator<Item = &&str>| names.copied().collect::<Vec<_>>().join(", ");
    if asked.is_empty() {
        "none".into()
    } else if asked == meant {
        "all".into()
    } else if !asked.is_subset(&meant) {
        format!("others: {}", listed(&mut asked.difference(&meant))).into()
    } else if asked.len() == 1 && asked.contains(subject.server) {
        "target".into()
    } else {
        format!("some: {}", listed(&mut asked.iter())).into()
    }
}

fn challenge_names(subject: &Subject<'_>) -> Observation {
    let Some(exchange) = subject.exchange() else {
        return Observation::Unknown("no request was sent");
    };
    let challenges = challenges(exchange);
    let Some(bearer) = challenges.iter().find(|challenge| challenge.is("Bearer")) else {
        return Observation::NotApplicable;
    };
    let meant = meant(subject);
    let is_named = |server: &str| {
        let urls = ["resource_metadata", "authorization_uri"]
            .into_iter()
            .filter_map(|name| bearer.parameter(name));
        urls.into_iter()
            .any(|url| url.split(['/', '?', '&', '=']).any(|part| part == server))
    };
    let named: Vec<&(String, Class)> =
        meant.iter().filter(|(server, _)| is_named(server)).collect();
    let first = meant.iter().find(|(_, class)| *class == Class::Unauthorized);
    match named.as_slice() {
        [] => "none",
        [one] if Some(*one) == first => "first-refusing-server",
        [(_, Class::Unauthorized)] => "other-refusing-server",
        [_] => "non-refusing-server",
        _ => "several",
    }
    .into()
}

/// What a list says, where the answer is one.
fn list(subject: &Subject<'_>) -> Option<Value> {
    let exchange = subject.exchange().filter(|exchange| exchange.status == Some(200))?;
    answer(exchange)?.get_mut("result").map(Value::take)
}

/// A vendor's key has a prefix whose second label is neither `modelcontextprotocol` nor `mcp` (MCP, basic, `_meta`).
fn is_reserved(key: &str) -> bool {
    match key.rsplit_once('/') {
        None => true,
        Some((prefix, _)) => {
            let labels: Vec<&str> = prefix.split('.').collect();
            labels
                .iter()
                .take(2)
                .any(|label| ["modelcontextprotocol", "mcp"].contains(label))
        }
    }
}

fn failures_named(subject: &Subject<'_>) -> Observation {
    let Some(result) = list(subject) else {
        return Observation::NotApplicable;
    };
    let nothing = serde_json::Map::new();
    let meta = result["_meta"].as_object().unwrap_or(&nothing);
    let failed: Vec<(String, Class)> = meant(subject)
        .into_iter()
        .filter(|(_, class)| *class != Class::Accepted)
        .collect();
    if failed.is_empty() {
        return Observation::NotApplicable;
    }
    for (server, class) in &failed {
        let words: &[&str] = match class {
            Class::Unauthorized => &["unauthorized", "401"],
            Class::Forbidden => &["forbidden", "403"],
            Class::Inconclusive | Class::Accepted => &[""],
        };
        let says = |text: &str| words.iter().any(|word| text.to_ascii_lowercase().contains(word));
        let found = meta
            .iter()
            .find(|(_, told)| of_server(told, server).is_some_and(|told| says(&told)));
        match found {
            None => return format!("missing: {server}").into(),
            Some((key, _)) if is_reserved(key) => return format!("reserved-key: {key}").into(),
            Some(_) => {}
        }
    }
    "all".into()
}

/// What is told of a server: under its name, or in the one entry of a list that names it.
fn of_server(told: &Value, server: &str) -> Option<String> {
    match told {
        Value::Object(members) => members.get(server).map(Value::to_string).or_else(|| {
            let names = |value: &Value| value.as_str() == Some(server);
            if members.values().any(names) {
                Some(told.to_string())
            } else {
                members.values().find_map(|value| of_server(value, server))
            }
        }),
        Value::Array(entries) => entries.iter().find_map(|entry| match entry {
            Value::String(text)
                if text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == server) =>
            {
                Some(text.clone())
            }
            entry => of_server(entry, server),
        }),
        _ => None,
    }
}

/// Every healthy server of the mock upstreams offers the same two tools.
fn offered(subject: &Subject<'_>) -> Observation {
    let Some(result) = list(subject) else {
        return Observation::NotApplicable;
    };
    let Some(tools) = result["tools"].as_array() else {
        return Observation::NotApplicable;
    };
    let offered: BTreeSet<String> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str().map(str::to_owned))
        .collect();
    let healthy = meant(subject).into_iter().filter(|(_, class)| *class == Class::Accepted);
    let separator = &subject.context.name_separator;
    let due: BTreeSet<String> = healthy
        .flat_map(|(server, _)| ["echo", "add"].map(|tool| format!("{server}{separator}{tool}")))
        .collect();
    match (due.difference(&offered).next(), offered.difference(&due).next()) {
        (Some(lacking), _) => format!("missing: {lacking}").into(),
        (None, Some(more)) => format!("extra: {more}").into(),
        (None, None) => "healthy-servers".into(),
    }
}

fn repeats(subject: &Subject<'_>) -> Observation {
    let mut counts = std::collections::BTreeMap::<(&str, &str, Option<&str>), usize>::new();
    for arrival in at_endpoints(subject) {
        *counts
            .entry((&arrival.server, &arrival.method, arrival.rpc_method.as_deref()))
            .or_default() += 1;
    }
    match counts.into_values().max().unwrap_or_default() {
        0 => "0",
        1 => "1",
        2 => "2",
        _ => "3+",
    }
    .into()
}

fn spaces(subject: &Subject<'_>) -> Observation {
    let deployment = &subject.context.deployment;
    let shown = at_endpoints(subject).filter(|arrival| {
        header(&arrival.headers, "authorization")
            .is_some_and(|line| TokenScript::find(line).is_some())
    });
    let space = |arrival: &'_ Arrival| {
        deployment
            .server(&arrival.server)
            .and_then(|server| server.space.clone())
            .unwrap_or_else(|| arrival.server.clone())
    };
    match shown.map(space).collect::<BTreeSet<_>>().len() {
        0 => "0",
        1 => "1",
        _ => "2+",
    }
    .into()
}

fn caching(subject: &Subject<'_>) -> Observation {
    let Some(result) = list(subject) else {
        return Observation::NotApplicable;
    };
    match (result["cacheScope"].as_str(), result["ttlMs"].as_u64()) {
        (Some("private"), Some(0)) => "private-0-ms",
        (Some("private"), _) => "private",
        (Some(_), _) => "public",
        (None, _) => "absent",
    }
    .into()
}

fn every_caching(subject: &Subject<'_>) -> Observation {
    let results = subject.trace.exchanges.iter().filter_map(answer);
    let mut scopes =
        results.filter_map(|message| message["result"]["cacheScope"].as_str().map(str::to_owned));
    if scopes.any(|scope| scope != "private") {
        "public"
    } else {
        "private"
    }
    .into()
}

/// Whoever sends the requests begins anew after any answer but 401, and gives up after more of these than a client would bear.
fn re_authorisation(subject: &Subject<'_>) -> Observation {
    let mut rounds = 0;
    for exchange in &subject.trace.exchanges {
        rounds = if exchange.status == Some(401) { rounds + 1 } else { 0 };
        match exchange.status {
            _ if rounds > 5 => return "loops".into(),
            Some(200 | 401 | 403) => {}
            status => return format!("unexpected-status: {}", status.unwrap_or_default()).into(),
        }
    }
    "terminates".into()
}
