//! Observes the body of the response to the client: its kind, and what a client takes it for.
//!
//! A gateway can hide a refused token in four kinds of responses with status 200. They have
//! different values, because their impact differs.

use serde_json::Value;

use super::{Observable, of_last_exchange, of_response};
use crate::{
    judge::{observation::Observation, subject::Subject},
    trace::{Ending, Exchange, header},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "body-kind",
        description: "The kind of the response body.",
        values: &["empty", "json-rpc-error", "json-rpc-result", "json", "sse", "html", "text"],
        absence: None,
        observe: body_kind,
    },
    Observable {
        name: "response-id",
        description: "Whether the id of a JSON-RPC response is the id of the request.",
        values: &["echoed", "absent", "null", "other"],
        absence: None,
        observe: response_id,
    },
    Observable {
        name: "error-code",
        description: "Whether the code of a JSON-RPC error is in the range that JSON-RPC reserves.",
        values: &["application", "reserved", "absent"],
        absence: None,
        observe: error_code,
    },
    Observable {
        name: "result",
        description: "What a client takes the response for; `cached-success`, `empty-success`, \
            `error-in-success` and `json-rpc-error-200` hide a refusal.",
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
        observe: result,
    },
];

/// The JSON-RPC messages of a body: one, or one for each event of a stream.
///
/// A line of an event stream ends with CR, LF or both, and a byte order mark may precede the first
/// one (HTML standard, "Parsing an event stream").
pub(super) fn messages(exchange: &Exchange) -> Vec<Value> {
    if !is_event_stream(exchange) {
        return serde_json::from_str(&exchange.body).ok().into_iter().collect();
    }
    let text = exchange.body.strip_prefix('\u{feff}').unwrap_or(&exchange.body);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut messages = Vec::new();
    let mut data = String::new();
    for line in text.lines().chain([""]) {
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

fn is_event_stream(exchange: &Exchange) -> bool {
    let media_type = header(&exchange.headers, "content-type")
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The message with the result or error of the request; other messages may precede it.
pub(super) fn response_message(exchange: &Exchange) -> Option<Value> {
    messages(exchange).into_iter().find(|message| {
        message.get("result").is_some() || message.get("error").is_some_and(Value::is_object)
    })
}

fn body_kind(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        let start = exchange.body.trim_start().get(..9).unwrap_or_default().to_ascii_lowercase();
        let is_html = start.starts_with("<!doctype") || start.starts_with("<html");
        match (response_message(exchange), serde_json::from_str::<Value>(&exchange.body)) {
            _ if exchange.body.is_empty() => "empty",
            _ if is_event_stream(exchange) => "sse",
            (Some(message), _) if message.get("error").is_some() => "json-rpc-error",
            (Some(_), _) => "json-rpc-result",
            (None, Ok(_)) => "json",
            (None, Err(_)) if is_html => "html",
            (None, Err(_)) => "text",
        }
        .into()
    })
}

fn response_id(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        let Some(message) = response_message(exchange) else {
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
    of_response(subject, |exchange| {
        let message = response_message(exchange);
        let Some(error) = message.as_ref().and_then(|message| message.get("error")) else {
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
    of_last_exchange(subject, |exchange| {
        if !matches!(exchange.status, Some(200..=299)) {
            return "absent".into();
        }
        let upstream_succeeded =
            || subject.arrivals().any(|arrival| arrival.answered.starts_with('2'));
        match response_message(exchange) {
            Some(message) if message.get("error").is_some() => "json-rpc-error-200",
            Some(message) if message.pointer("/result/isError") == Some(&Value::Bool(true)) => {
                "error-in-success"
            }
            Some(message) if is_empty_result(&message["result"]) => "empty-success",
            Some(_) if upstream_succeeded() => "upstream",
            Some(_) => "cached-success",
            None => match exchange.ending {
                Ending::Broken | Ending::NoHead => "broken",
                Ending::HungAfterHead | Ending::HungBeforeHead => "hung",
                Ending::Complete if exchange.body.is_empty() => "no-body",
                Ending::Complete => "opaque",
            },
        }
        .into()
    })
}

/// Whether a result is null, or has lists that are all empty or null.
fn is_empty_result(result: &Value) -> bool {
    let lists: Vec<&Value> = ["tools", "prompts", "resources", "resourceTemplates", "content"]
        .iter()
        .filter_map(|list| result.get(list))
        .collect();
    let is_empty = |list: &&Value| list.is_null() || list.as_array().is_some_and(Vec::is_empty);
    result.is_null() || (!lists.is_empty() && lists.iter().all(is_empty))
}
