//! Observes several exchanges of one case: their statuses, their differences and their connections.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Observable, challenge::challenges, error_text::text_of_body, of_last_exchange, yes_or_no,
};
use crate::{
    judge::{observation::Observation, subject::Subject},
    trace::{Ending, Exchange, header},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "all-statuses",
        description: "The status of every exchange: one value if all are equal, otherwise a list.",
        values: &["100..599", "none", "*,*"],
        absence: None,
        observe: all_statuses,
    },
    Observable {
        name: "connections-per-exchange",
        description: "Whether the gateway reuses connections to the upstream.",
        values: &["reused", "some-reused", "not-reused"],
        absence: None,
        observe: connections_per_exchange,
    },
    Observable {
        name: "first-two-responses",
        description: "How the first two responses differ, apart from the name of the requested \
            server.",
        values: &["same", "different-status", "different-headers", "different-body"],
        absence: None,
        observe: first_two_responses,
    },
    Observable {
        name: "all-responses",
        description: "How any response differs from the first one, apart from the name of the \
            requested server and from the time that something took.",
        values: &["same", "different-status", "different-headers", "different-body"],
        absence: None,
        observe: all_responses,
    },
    Observable {
        name: "first-two-challenges",
        description: "Whether the challenges of the first two responses differ.",
        values: &["same", "different"],
        absence: None,
        observe: first_two_challenges,
    },
    Observable {
        name: "all-responses-complete",
        description: "Whether each request got a complete response.",
        values: &["complete", "incomplete: request *", "head-response-with-body"],
        absence: None,
        observe: all_responses_complete,
    },
    Observable {
        name: "event-delivery",
        description: "Whether the client received each event of a stream before the upstream sent \
            the next one.",
        values: &["immediate", "buffered"],
        absence: None,
        observe: event_delivery,
    },
    Observable {
        name: "session-issued",
        description: "Whether the client received a session id.",
        values: &["yes", "no"],
        absence: None,
        observe: session_issued,
    },
];

fn all_statuses(subject: &Subject<'_>) -> Observation {
    let status = |exchange: &Exchange| {
        exchange.status.map_or("none".to_owned(), |status| status.to_string())
    };
    let all: Vec<String> = subject.trace.exchanges.iter().map(status).collect();
    match all.iter().collect::<BTreeSet<_>>().len() {
        0 => Observation::Unknown("no request was sent"),
        1 => all[0].clone().into(),
        _ => all.join(",").into(),
    }
}

fn connections_per_exchange(subject: &Subject<'_>) -> Observation {
    let requests = subject.arrivals().count();
    let connections: BTreeSet<u64> = subject.arrivals().map(|arrival| arrival.connection).collect();
    match requests {
        0 | 1 => Observation::NotApplicable,
        _ if connections.len() * 4 <= requests => "reused".into(),
        _ if connections.len() < requests => "some-reused".into(),
        _ => "not-reused".into(),
    }
}

fn first_two<'a>(subject: &Subject<'a>) -> Option<(&'a Exchange, &'a Exchange)> {
    match subject.trace.exchanges.as_slice() {
        [one, two, ..] => Some((one, two)),
        _ => None,
    }
}

fn first_two_responses(subject: &Subject<'_>) -> Observation {
    match first_two(subject) {
        Some((one, two)) => difference(one, two).into(),
        None => Observation::NotApplicable,
    }
}

fn all_responses(subject: &Subject<'_>) -> Observation {
    let Some((first, others)) = subject.trace.exchanges.split_first() else {
        return "same".into();
    };
    others
        .iter()
        .map(|exchange| difference(first, exchange))
        .find(|difference| *difference != "same")
        .unwrap_or("same")
        .into()
}

/// The header fields that differ between any two responses.
const VARYING: [&str; 5] = ["date", "content-length", "x-request-id", "traceparent", "keep-alive"];

fn difference(one: &Exchange, two: &Exchange) -> &'static str {
    let fields = |exchange: &Exchange| -> Vec<(String, String)> {
        exchange
            .headers
            .iter()
            .map(|(name, value)| {
                (name.to_ascii_lowercase(), without_requested_name(exchange, value))
            })
            .filter(|(name, _)| !VARYING.contains(&name.as_str()) && !names_a_time(name))
            .collect()
    };
    let body =
        |exchange: &Exchange| without_requested_name(exchange, &body_without_times(&exchange.body));
    if one.status != two.status {
        "different-status"
    } else if fields(one) != fields(two) {
        "different-headers"
    } else if body(one) != body(two) {
        "different-body"
    } else {
        "same"
    }
}

/// Whether a header field or a member of a message says how long something took.
fn names_a_time(name: &str) -> bool {
    const WORDS: [&str; 5] = ["duration", "latency", "elapsed", "timing", "-time"];
    WORDS.iter().any(|word| name.contains(word)) || name.ends_with("_ms") || name.ends_with("-ms")
}

/// The text of a body without the numbers that say how long something took.
fn body_without_times(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(mut message) => {
            remove_times(&mut message);
            text_of_body(&message.to_string())
        }
        Err(_) => text_of_body(body),
    }
}

fn remove_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| !(value.is_number() && names_a_time(name)));
            members.values_mut().for_each(remove_times);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_times),
        _ => {}
    }
}

/// Replaces the server name of the request's path in a text of the response.
fn without_requested_name(exchange: &Exchange, text: &str) -> String {
    let mut segments = exchange.path.split(['/', '?']);
    match segments.find(|segment| !segment.is_empty() && *segment != "mcp") {
        Some(name) => text.replace(name, "{server}"),
        None => text.to_owned(),
    }
}

fn first_two_challenges(subject: &Subject<'_>) -> Observation {
    let Some((one, two)) = first_two(subject) else {
        return Observation::NotApplicable;
    };
    let parameters = |exchange: &Exchange| {
        let challenges = challenges(exchange);
        ["realm", "resource_metadata", "authorization_uri"].map(|name| {
            challenges
                .iter()
                .find_map(|challenge| challenge.parameter(name).map(str::to_owned))
        })
    };
    if parameters(one) == parameters(two) { "same" } else { "different" }.into()
}

fn all_responses_complete(subject: &Subject<'_>) -> Observation {
    for (index, exchange) in subject.trace.exchanges.iter().enumerate() {
        if exchange.status.is_none() || exchange.ending != Ending::Complete {
            return format!("incomplete: request {}", index + 1).into();
        }
        if exchange.method == "HEAD" && !exchange.body.is_empty() {
            return "head-response-with-body".into();
        }
    }
    "complete".into()
}

/// The mock upstream sends an event only after the client has received the one before. So a stream
/// that the gateway buffers never ends.
fn event_delivery(subject: &Subject<'_>) -> Observation {
    of_last_exchange(subject, |exchange| match exchange.ending {
        Ending::Complete => "immediate".into(),
        _ => "buffered".into(),
    })
}

fn session_issued(subject: &Subject<'_>) -> Observation {
    let has_session = |exchange: &Exchange| header(&exchange.headers, "mcp-session-id").is_some();
    yes_or_no(subject.trace.exchanges.iter().any(has_session))
}
