//! Observes what only several exchanges show: whether things happened together, whether two answers are alike, whether a challenge
//! leads anywhere.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Observable, Observation, Subject, client::challenges};
use crate::{
    script::Script,
    trace::{Exchange, header},
};

/// What several exchanges show together.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "statuses",
        says: "the status of every exchange, where they agree, or the list of them",
        values: &["100..599", "none", "*,*"],
        absence: None,
        look: statuses,
    },
    Observable {
        name: "overlap",
        says: "whether requests to several servers waited for one another",
        values: &["together", "one-after-another"],
        absence: None,
        look: overlap,
    },
    Observable {
        name: "connections-per-exchange",
        says: "whether upstream connections are used again",
        values: &["pooled", "some", "one-each"],
        absence: None,
        look: connections,
    },
    Observable {
        name: "same-answer",
        says: "whether the first two answers can be told apart",
        values: &["same", "status", "headers", "body"],
        absence: None,
        look: same_answer,
    },
    Observable {
        name: "same-challenge",
        says: "whether the challenges of the first two answers can be told apart",
        values: &["same", "different"],
        absence: None,
        look: same_challenge,
    },
    Observable {
        name: "discovery",
        says: "where the metadata that the first answer leads to, asked for by the later exchanges, leads a client",
        values: &["served", "not-found: *", "not-json", "other-resource: *", "no-authorization-server"],
        absence: None,
        look: discovery,
    },
];

fn statuses(subject: &Subject<'_>) -> Observation {
    let name = |exchange: &Exchange| exchange.status.map_or("none".to_owned(), |status| status.to_string());
    let all: Vec<String> = subject.trace.exchanges.iter().map(name).collect();
    match all.iter().collect::<BTreeSet<_>>().len() {
        0 => Observation::Unknown("no request was sent"),
        1 => all[0].clone().into(),
        _ => all.join(",").into(),
    }
}

/// Each server is told to wait; where none waits for another, all are asked before the first may have answered.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of delays and numbers of servers are small")]
fn overlap(subject: &Subject<'_>) -> Observation {
    let mut firsts: Vec<(&str, f64)> = Vec::new();
    let mut delay = None;
    for arrival in &subject.trace.arrivals {
        if super::is_discovery(arrival) || firsts.iter().any(|(server, _)| *server == arrival.server) {
            continue;
        }
        firsts.push((&arrival.server, arrival.at_ms));
        let script = header(&arrival.headers, "authorization").and_then(Script::find);
        let ordered = script.as_ref().and_then(|script| script.order(&arrival.server)).and_then(|order| order.strip_prefix("slow-"));
        delay = delay.max(ordered.and_then(|delay| delay.parse::<u32>().ok()));
    }
    let (Some(delay), true) = (delay, firsts.len() > 1) else { return Observation::NotApplicable };
    let times = || firsts.iter().map(|(_, at)| *at);
    let spread = times().fold(f64::MIN, f64::max) - times().fold(f64::MAX, f64::min);
    let one_after_another = f64::from(delay) * (firsts.len() - 1) as f64;
    if spread < one_after_another / 2.0 { "together" } else { "one-after-another" }.into()
}

fn connections(subject: &Subject<'_>) -> Observation {
    let requests = subject.arrivals().count();
    let connections = subject.arrivals().map(|arrival| arrival.connection).collect::<BTreeSet<_>>().len();
    match requests {
        0 | 1 => Observation::NotApplicable,
        _ if connections * 4 <= requests => "pooled".into(),
        _ if connections < requests => "some".into(),
        _ => "one-each".into(),
    }
}

fn first_two<'a>(subject: &Subject<'a>) -> Option<(&'a Exchange, &'a Exchange)> {
    match subject.trace.exchanges.as_slice() {
        [one, two, ..] => Some((one, two)),
        _ => None,
    }
}

/// The name asked for, and what differs between any two answers, do not count.
fn same_answer(subject: &Subject<'_>) -> Observation {
    let Some((one, two)) = first_two(subject) else { return Observation::NotApplicable };
    let name = |exchange: &Exchange| exchange.path.split(['/', '?']).find(|part| !part.is_empty() && *part != "mcp").map(str::to_owned);
    let neutral = |exchange: &Exchange, text: &str| match name(exchange) {
        Some(name) => text.replace(&name, "{server}"),
        None => text.to_owned(),
    };
    let heads = |exchange: &Exchange| -> Vec<(String, String)> {
        let varies = ["date", "content-length", "x-request-id", "traceparent", "keep-alive"];
        let lines = exchange.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), neutral(exchange, value)));
        lines.filter(|(name, _)| !varies.contains(&name.as_str())).collect()
    };
    let body = |exchange: &Exchange| {
        let text = neutral(exchange, &exchange.body);
        let Ok(mut message) = serde_json::from_str::<Value>(&text) else { return text };
        if let Some(message) = message.as_object_mut() {
            message.remove("id");
        }
        message.to_string()
    };
    match () {
        () if one.status != two.status => "status",
        () if heads(one) != heads(two) => "headers",
        () if body(one) != body(two) => "body",
        () => "same",
    }
    .into()
}

fn same_challenge(subject: &Subject<'_>) -> Observation {
    let Some((one, two)) = first_two(subject) else { return Observation::NotApplicable };
    let told = |exchange: &Exchange| {
        let parameter = |name| challenges(exchange).iter().find_map(|challenge| challenge.parameter(name).map(str::to_owned));
        (parameter("realm"), parameter("resource_metadata"), parameter("authorization_uri"))
    };
    if told(one) == told(two) { "same" } else { "different" }.into()
}

/// RFC 9728 §3.3: the resource is the URL that the client used, character for character.
fn discovery(subject: &Subject<'_>) -> Observation {
    let Some((first, later)) = subject.trace.exchanges.split_first() else { return Observation::Unknown("no request was sent") };
    let used = format!("{}{}", subject.context.base_url, first.path);
    let mut asked = later.iter().filter(|exchange| exchange.path.contains("oauth-protected-resource")).peekable();
    if asked.peek().is_none() {
        return Observation::NotApplicable;
    }
    for exchange in asked {
        if exchange.status != Some(200) {
            return format!("not-found: {}", exchange.status.map_or("no answer".to_owned(), |status| status.to_string())).into();
        }
        let Ok(document) = serde_json::from_str::<Value>(&exchange.body) else { return "not-json".into() };
        match document.get("resource").and_then(Value::as_str) {
            Some(resource) if resource == used => {}
            resource => return format!("other-resource: {}", resource.unwrap_or("none")).into(),
        }
        if document.get("authorization_servers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return "no-authorization-server".into();
        }
    }
    "served".into()
}
