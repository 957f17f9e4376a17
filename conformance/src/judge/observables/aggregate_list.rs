//! Observes list responses of aggregate endpoints: the listed tools, the named failures and the
//! caching members.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Observable, aggregate::requested_servers, response_body::response_message};
use crate::{
    cases::behaviour::Class,
    judge::{observation::Observation, subject::Subject},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "failures-named",
        description: "Whether a vendor member of `_meta` names each failed server and its failure.",
        values: &["all", "missing: *", "reserved-key: *"],
        absence: None,
        observe: failures_named,
    },
    Observable {
        name: "tools-listed",
        description: "Whether the list has exactly the tools of the healthy servers, with prefixed \
            names.",
        values: &["healthy-servers", "missing: *", "extra: *"],
        absence: None,
        observe: tools_listed,
    },
    Observable {
        name: "list-caching",
        description: "The caching members of a list: its scope, and whether its lifetime is 0 ms.",
        values: &["private-0-ms", "private", "public", "absent"],
        absence: None,
        observe: list_caching,
    },
    Observable {
        name: "any-list-caching",
        description: "Whether any list may be cached for other callers.",
        values: &["private", "public"],
        absence: None,
        observe: any_list_caching,
    },
];

/// Observes the result of the last response; not applicable if it is not a success.
fn of_result(subject: &Subject<'_>, observe: impl FnOnce(&Value) -> Observation) -> Observation {
    let exchange = subject.exchange().filter(|exchange| exchange.status == Some(200));
    let message = exchange.and_then(response_message);
    match message.as_ref().and_then(|message| message.get("result")) {
        Some(result) => observe(result),
        None => Observation::NotApplicable,
    }
}

/// A vendor's key has a prefix whose first two labels are neither `modelcontextprotocol` nor `mcp`
/// (MCP, `_meta`).
fn is_reserved(key: &str) -> bool {
    let Some((prefix, _)) = key.rsplit_once('/') else { return true };
    prefix
        .split('.')
        .take(2)
        .any(|label| ["modelcontextprotocol", "mcp"].contains(&label))
}

fn failures_named(subject: &Subject<'_>) -> Observation {
    of_result(subject, |result| {
        let empty = Map::new();
        let meta = result["_meta"].as_object().unwrap_or(&empty);
        let failed: Vec<(String, Class)> = requested_servers(subject)
            .into_iter()
            .filter(|(_, class)| *class != Class::Accepted)
            .collect();
        if failed.is_empty() {
            return Observation::NotApplicable;
        }
        for (server, class) in &failed {
            match key_of_failure(meta, server, *class) {
                None => return format!("missing: {server}").into(),
                Some(key) if is_reserved(key) => return format!("reserved-key: {key}").into(),
                Some(_) => {}
            }
        }
        "all".into()
    })
}

/// The key of the member of `_meta` that names the failure of a server.
fn key_of_failure<'a>(meta: &'a Map<String, Value>, server: &str, class: Class) -> Option<&'a str> {
    let words: &[&str] = match class {
        Class::Unauthorized => &["unauthorized", "401"],
        Class::Forbidden => &["forbidden", "403"],
        Class::Inconclusive | Class::Accepted => &[""],
    };
    let names_failure = |value: &Value| {
        let text = text_about(value, server).unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let mut members = meta.iter().filter(|(_, value)| text_about(value, server).is_some());
    members.find(|(_, value)| names_failure(value)).map(|(key, _)| key.as_str())
}

/// What a value says about a server: the member with its name, or the entry of a list that names
/// it.
fn text_about(value: &Value, server: &str) -> Option<String> {
    match value {
        Value::Object(members) => {
            if let Some(member) = members.get(server) {
                return Some(member.to_string());
            }
            if members.values().any(|member| member.as_str() == Some(server)) {
                return Some(value.to_string());
            }
            members.values().find_map(|member| text_about(member, server))
        }
        Value::Array(entries) => entries.iter().find_map(|entry| match entry {
            Value::String(text) if contains_word(text, server) => Some(text.clone()),
            entry => text_about(entry, server),
        }),
        _ => None,
    }
}

fn contains_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|other| other == word)
}

/// The tools of every healthy mock upstream.
const TOOLS: [&str; 2] = ["echo", "add"];

fn tools_listed(subject: &Subject<'_>) -> Observation {
    of_result(subject, |result| {
        let Some(tools) = result["tools"].as_array() else {
            return Observation::NotApplicable;
        };
        let listed: BTreeSet<String> = tools
            .iter()
            .filter_map(|tool| tool["name"].as_str().map(str::to_owned))
            .collect();
        let separator = &subject.context.name_separator;
        let expected: BTreeSet<String> = requested_servers(subject)
            .into_iter()
            .filter(|(_, class)| *class == Class::Accepted)
            .flat_map(|(server, _)| TOOLS.map(|tool| format!("{server}{separator}{tool}")))
            .collect();
        if let Some(missing) = expected.difference(&listed).next() {
            format!("missing: {missing}").into()
        } else if let Some(extra) = listed.difference(&expected).next() {
            format!("extra: {extra}").into()
        } else {
            "healthy-servers".into()
        }
    })
}

fn list_caching(subject: &Subject<'_>) -> Observation {
    of_result(subject, |result| {
        match (result["cacheScope"].as_str(), result["ttlMs"].as_u64()) {
            (Some("private"), Some(0)) => "private-0-ms",
            (Some("private"), _) => "private",
            (Some(_), _) => "public",
            (None, _) => "absent",
        }
        .into()
    })
}

fn any_list_caching(subject: &Subject<'_>) -> Observation {
    let messages = subject.trace.exchanges.iter().filter_map(response_message);
    let is_shared = |message: &Value| {
        message["result"]["cacheScope"].as_str().is_some_and(|scope| scope != "private")
    };
    if messages.into_iter().any(|message| is_shared(&message)) {
        "public"
    } else {
        "private"
    }
    .into()
}
