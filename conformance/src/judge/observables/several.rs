//! Observes what only several exchanges show: whether connections are used again, whether two answers can be told apart.

use std::collections::BTreeSet;

use super::{Observable, Observation, Subject, body::words_of, client::challenges};
use crate::trace::Exchange;

/// What several exchanges show together.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "all-statuses",
        description: "the status of every exchange, where they agree, or the list of them",
        values: &["100..599", "none", "*,*"],
        absence: None,
        look: statuses,
    },
    Observable {
        name: "connections-per-exchange",
        description: "whether upstream connections are used again",
        values: &["reused", "some-reused", "not-reused"],
        absence: None,
        look: connections,
    },
    Observable {
        name: "first-two-responses",
        description: "whether the first two answers can be told apart",
        values: &["same", "different-status", "different-headers", "different-body"],
        absence: None,
        look: same_answer,
    },
    Observable {
        name: "all-responses",
        description: "whether any two answers can be told apart",
        values: &["same", "different-status", "different-headers", "different-body"],
        absence: None,
        look: all_answers,
    },
    Observable {
        name: "first-two-challenges",
        description: "whether the challenges of the first two answers can be told apart",
        values: &["same", "different"],
        absence: None,
        look: same_challenge,
    },
];

fn statuses(subject: &Subject<'_>) -> Observation {
    let name = |exchange: &Exchange| {
        exchange.status.map_or("none".to_owned(), |status| status.to_string())
    };
    let all: Vec<String> = subject.trace.exchanges.iter().map(name).collect();
    match all.iter().collect::<BTreeSet<_>>().len() {
        0 => Observation::Unknown("no request was sent"),
        1 => all[0].clone().into(),
        _ => all.join(",").into(),
    }
}

fn connections(subject: &Subject<'_>) -> Observation {
    let requests = subject.arrivals().count();
    let connections = subject
        .arrivals()
        .map(|arrival| arrival.connection)
        .collect::<BTreeSet<_>>()
        .len();
    match requests {
        0 | 1 => Observation::NotApplicable,
        _ if connections * 4 <= requests => "reused".into(),
        _ if connections < requests => "some-reused".into(),
        _ => "not-reused".into(),
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
    first_two(subject).map_or(Observation::NotApplicable, |(one, two)| difference(one, two).into())
}

fn all_answers(subject: &Subject<'_>) -> Observation {
    let exchanges = &subject.trace.exchanges;
    let differences = exchanges.iter().skip(1).map(|exchange| difference(&exchanges[0], exchange));
    differences
        .into_iter()
        .find(|difference| *difference != "same")
        .unwrap_or("same")
        .into()
}

fn difference(one: &Exchange, two: &Exchange) -> &'static str {
    let name = |exchange: &Exchange| {
        exchange
            .path
            .split(['/', '?'])
            .find(|part| !part.is_empty() && *part != "mcp")
            .map(str::to_owned)
    };
    let neutral = |exchange: &Exchange, text: &str| match name(exchange) {
        Some(name) => text.replace(&name, "{server}"),
        None => text.to_owned(),
    };
    let heads = |exchange: &Exchange| -> Vec<(String, String)> {
        let varies = ["date", "content-length", "x-request-id", "traceparent", "keep-alive"];
        let lines = exchange
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), neutral(exchange, value)));
        lines.filter(|(name, _)| !varies.contains(&name.as_str())).collect()
    };
    let body = |exchange: &Exchange| neutral(exchange, &words_of(&exchange.body));
    match () {
        () if one.status != two.status => "different-status",
        () if heads(one) != heads(two) => "different-headers",
        () if body(one) != body(two) => "different-body",
        () => "same",
    }
}

fn same_challenge(subject: &Subject<'_>) -> Observation {
    let Some((one, two)) = first_two(subject) else {
        return Observation::NotApplicable;
    };
    let told = |exchange: &Exchange| {
        let parameter = |name| {
            challenges(exchange)
                .iter()
                .find_map(|challenge| challenge.parameter(name).map(str::to_owned))
        };
        (
            parameter("realm"),
            parameter("resource_metadata"),
            parameter("authorization_uri"),
        )
    };
    if told(one) == told(two) { "same" } else { "different" }.into()
}
