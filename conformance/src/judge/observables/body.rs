//! Observes the body of the client's answer: what kind it is, what a client would take it for, and whom its text blames.
//!
//! A refused token can hide behind four masks, all of them HTTP 200. They are told apart here, because they hurt differently.

use serde_json::Value;

use super::{Observable, Observation, Subject, leak::authority};
use crate::trace::{Ending, Exchange, header};

/// What a client is told by the body of its answer.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "body-kind",
        description: "what the body is",
        values: &["empty", "json-rpc-error", "json-rpc-result", "json", "sse", "html", "text"],
        absence: None,
        look: kind,
    },
    Observable {
        name: "response-id",
        description: "which id a JSON-RPC answer bears",
        values: &["echoed", "absent", "null", "other"],
        absence: None,
        look: id,
    },
    Observable {
        name: "error-code",
        description: "whether the code of a JSON-RPC error is ours to choose or reserved",
        values: &["application", "reserved", "absent"],
        absence: None,
        look: error_code,
    },
    Observable {
        name: "result",
        description: "what a client would take the answer for; the -success words are masks over a refusal",
        values: &[
            "absent",
            "upstream",
            "cached-success",
            "empty-success",
            "error-in-success",
            "json-rpc-error-200",
            "broken",
            "hung",
            "no-body",
            "opaque",
        ],
        absence: None,
        look: result,
    },
    Observable {
        name: "status-wording",
        description: "whether the text of a refusal says 401 or 403 as the status does",
        values: &["matches", "contradicts", "not-mentioned"],
        absence: None,
        look: wording,
    },
    Observable {
        name: "named-refusing-server",
        description: "whether the text of a refusal names the server that refused",
        values: &["named", "unnamed"],
        absence: None,
        look: refuser,
    },
    Observable {
        name: "reauthorisation-advice",
        description: "whether the text of an error tells the client to authorise again",
        values: &["named", "unnamed"],
        absence: None,
        look: remedy,
    },
    Observable {
        name: "internal-details",
        description: "what the text of a failure tells of the inside",
        values: &["none", "upstream-address", "stack-trace", "library-message"],
        absence: None,
        look: disclosed,
    },
];

/// The JSON-RPC messages of a body: one, or one for each event of a stream.
pub(super) fn messages(exchange: &Exchange) -> Vec<Value> {
    if !is_stream(exchange) {
        return serde_json::from_str(&exchange.body).ok().into_iter().collect();
    }
    let lines = exchange.body.lines().map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut messages = Vec::new();
    let mut data = String::new();
    for line in lines.chain([""]) {
        if let Some(more) = line.strip_prefix("data:") {
            data.push_str(more);
            data.push('\n');
        } else if line.is_empty() {
            messages.extend(serde_json::from_str::<Value>(&data));
            data.clear();
        }
    }
    messages
}

fn is_stream(exchange: &Exchange) -> bool {
    let media = header(&exchange.headers, "content-type")
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    media.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The message that answers the request, rather than one on the way to it.
pub(super) fn answer(exchange: &Exchange) -> Option<Value> {
    messages(exchange).into_iter().find(|message| {
        message.get("result").is_some() || message.get("error").is_some_and(Value::is_object)
    })
}

fn of_head(subject: &Subject<'_>, look: impl FnOnce(&Exchange) -> Observation) -> Observation {
    match subject.exchange() {
        None => Observation::Unknown("no request was sent"),
        Some(exchange) if exchange.status.is_none() => Observation::NotApplicable,
        Some(exchange) => look(exchange),
    }
}

fn kind(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let start = exchange.body.trim_start().get(..9).unwrap_or_default().to_ascii_lowercase();
        match (answer(exchange), serde_json::from_str::<Value>(&exchange.body)) {
            _ if exchange.body.is_empty() => "empty",
            _ if is_stream(exchange) => "sse",
            (Some(message), _) if message.get("error").is_some() => "json-rpc-error",
            (Some(_), _) => "json-rpc-result",
            (None, Ok(_)) => "json",
            (None, Err(_)) if start.starts_with("<!doctype") || start.starts_with("<html") => {
                "html"
            }
            (None, Err(_)) => "text",
        }
        .into()
    })
}

fn id(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let Some(message) = answer(exchange) else {
            return Observation::NotApplicable;
        };
        let sent = serde_json::from_str::<Value>(&exchange.sent_body)
            .ok()
            .and_then(|sent| sent.get("id").cloned());
        match message.get("id") {
            None => "absent",
            Some(Value::Null) => "null",
            id if id == sent.as_ref() => "echoed",
            Some(_) => "other",
        }
        .into()
    })
}

fn error_code(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let Some(error) = answer(exchange).and_then(|message| message.get("error").cloned()) else {
            return Observation::NotApplicable;
        };
        match error.get("code").and_then(Value::as_i64) {
            None => "absent",
            Some(-32_768..=-32_000) => "reserved",
            Some(_) => "application",
        }
        .into()
    })
}

fn result(subject: &Subject<'_>) -> Observation {
    let Some(exchange) = subject.exchange() else {
        return Observation::Unknown("no request was sent");
    };
    if !matches!(exchange.status, Some(200..=299)) {
        return "absent".into();
    }
    let accepted = || subject.arrivals().any(|arrival| arrival.answered.starts_with('2'));
    match answer(exchange) {
        Some(message) if message.get("error").is_some() => "json-rpc-error-200",
        Some(message) if message.pointer("/result/isError") == Some(&Value::Bool(true)) => {
            "error-in-success"
        }
        Some(message) if is_empty(&message["result"]) => "empty-success",
        Some(_) if accepted() => "upstream",
        Some(_) => "cached-success",
        None => match exchange.ending {
            Ending::Broken | Ending::NoHead => "broken",
            Ending::HungAfterHead | Ending::HungBeforeHead => "hung",
            Ending::Complete if exchange.body.is_empty() => "no-body",
            Ending::Complete => "opaque",
        },
    }
    .into()
}

/// A result that offers nothing: lists that are empty or null, and nothing beside them.
fn is_empty(result: &Value) -> bool {
    let lists: Vec<&Value> = ["tools", "prompts", "resources", "resourceTemplates", "content"]
        .iter()
        .filter_map(|list| result.get(list))
        .collect();
    let empty = |list: &&Value| list.is_null() || list.as_array().is_some_and(Vec::is_empty);
    result.is_null() || (!lists.is_empty() && lists.iter().all(empty))
}

fn wording(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let text = words_of(&exchange.body).to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let (own, other) = match exchange.status {
            Some(401) => (says(&["401", "unauthorized"]), says(&["403", "forbidden"])),
            Some(403) => (says(&["403", "forbidden"]), says(&["401", "unauthorized"])),
            _ => return Observation::NotApplicable,
        };
        match (own, other) {
            (_, true) => "contradicts",
            (true, false) => "matches",
            (false, false) => "not-mentioned",
        }
        .into()
    })
}

/// The text of a body, read out of the escapes that JSON may have it in. The id of a message is the client's, and any number may be in it.
pub(super) fn words_of(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(mut message)) => {
            message.remove("id");
            Value::Object(message).to_string()
        }
        Ok(_) | Err(_) => body.to_owned(),
    }
}

fn refuser(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| match exchange.status {
        Some(401 | 403) => {
            let words = words_of(&exchange.body);
            let named = subject
                .context
                .deployment
                .servers
                .iter()
                .any(|server| subject.means(&server.name) && words.contains(&server.name));
            if named { "named" } else { "unnamed" }.into()
        }
        _ => Observation::NotApplicable,
    })
}

fn remedy(subject: &Subject<'_>) -> Observation {
    of_head(subject, |exchange| {
        let Some(error) =
            answer(exchange).and_then(|message| message.get("error").map(Value::to_string))
        else {
            return "unnamed".into();
        };
        let error = error.to_ascii_lowercase();
        let told = ["authori", "authenticat", "sign in", "log in", "token"]
            .iter()
            .any(|word| error.contains(word));
        if told { "named" } else { "unnamed" }.into()
    })
}

fn disclosed(subject: &Subject<'_>) -> Observation {
    const TRACES: [&str; 5] = [
        "Traceback (most recent call last)",
        "stack backtrace:",
        "panicked at",
        "\n    at ",
        "goroutine ",
    ];
    const LIBRARIES: [&str; 14] = [
        "ECONNREFUSED",
        "ECONNRESET",
        "os error",
        "hyper::",
        "hyper_util::",
        "reqwest::",
        "httpx.",
        "aiohttp.",
        "ConnectError",
        "ClientConnectorError",
        "dial tcp",
        "UnknownIssuer",
        "self-signed certificate",
        "unhandled errors in a TaskGroup",
    ];
    let servers = &subject.context.deployment.servers;
    of_head(subject, |exchange| {
        let text = [words_of(&exchange.body), exchange.body.clone()].concat();
        if matches!(exchange.status, Some(..=399))
            && answer(exchange).is_none_or(|message| message.get("error").is_none())
        {
            return Observation::NotApplicable;
        }
        if servers.iter().any(|server| text.contains(authority(&server.url))) {
            "upstream-address"
        } else if TRACES.iter().any(|trace| text.contains(trace)) {
            "stack-trace"
        } else if LIBRARIES.iter().any(|message| text.contains(message)) {
            "library-message"
        } else {
            "none"
        }
        .into()
    })
}
