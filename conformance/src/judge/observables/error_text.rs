//! Observes the text of an error response: what it names, and which internal details it contains.

use serde_json::Value;

use super::{Observable, contains_address, of_response, response_body::response_message};
use crate::{
    judge::{observation::Observation, subject::Subject},
    trace::Exchange,
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "status-wording",
        description: "Whether the text of a refusal names the same status, 401 or 403, as the \
            status line.",
        values: &["matches", "contradicts", "not-mentioned"],
        absence: None,
        observe: status_wording,
    },
    Observable {
        name: "named-refusing-server",
        description: "Whether the text of a refusal names the server that refused the request.",
        values: &["named", "unnamed"],
        absence: None,
        observe: named_refusing_server,
    },
    Observable {
        name: "reauthorisation-advice",
        description: "Whether the text of an error advises the client to authorise again.",
        values: &["named", "unnamed"],
        absence: None,
        observe: reauthorisation_advice,
    },
    Observable {
        name: "conflict-named",
        description: "Whether the text of a refusal says that the credentials contradict each \
            other.",
        values: &["named", "unnamed"],
        absence: None,
        observe: conflict_named,
    },
    Observable {
        name: "internal-details",
        description: "Which internal details the text of an error contains, and whether any other \
            response contains the address of an upstream.",
        values: &["none", "upstream-address", "stack-trace", "library-message"],
        absence: None,
        observe: internal_details,
    },
];

const STACK_TRACES: [&str; 5] = [
    "Traceback (most recent call last)",
    "stack backtrace:",
    "panicked at",
    "\n    at ",
    "goroutine ",
];

const LIBRARY_MESSAGES: [&str; 14] = [
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

/// The text of a body without JSON escapes. The id of a message is left out: it is the client's,
/// and may contain any number.
pub(super) fn text_of_body(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(mut message)) => {
            message.remove("id");
            Value::Object(message).to_string()
        }
        Ok(_) | Err(_) => body.to_owned(),
    }
}

fn contains_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

fn named(is_named: bool) -> Observation {
    if is_named { "named" } else { "unnamed" }.into()
}

fn status_wording(subject: &Subject<'_>) -> Observation {
    const UNAUTHORIZED: [&str; 2] = ["401", "unauthorized"];
    const FORBIDDEN: [&str; 2] = ["403", "forbidden"];
    of_response(subject, |exchange| {
        let text = text_of_body(&exchange.body).to_ascii_lowercase();
        let (same, other) = match exchange.status {
            Some(401) => (UNAUTHORIZED, FORBIDDEN),
            Some(403) => (FORBIDDEN, UNAUTHORIZED),
            _ => return Observation::NotApplicable,
        };
        if contains_any(&text, &other) {
            "contradicts"
        } else if contains_any(&text, &same) {
            "matches"
        } else {
            "not-mentioned"
        }
        .into()
    })
}

fn named_refusing_server(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| match exchange.status {
        Some(401 | 403) => {
            let text = text_of_body(&exchange.body);
            let mut servers = subject.context.deployment.servers.iter();
            named(
                servers.any(|server| subject.requests(&server.name) && text.contains(&server.name)),
            )
        }
        _ => Observation::NotApplicable,
    })
}

fn reauthorisation_advice(subject: &Subject<'_>) -> Observation {
    const ADVICE: [&str; 5] = ["authori", "authenticat", "sign in", "log in", "token"];
    of_response(subject, |exchange| {
        let message = response_message(exchange);
        let error = message.as_ref().and_then(|message| message.get("error"));
        let text = error.map(Value::to_string).unwrap_or_default().to_ascii_lowercase();
        named(contains_any(&text, &ADVICE))
    })
}

fn conflict_named(subject: &Subject<'_>) -> Observation {
    match subject.exchange() {
        Some(exchange) if matches!(exchange.status, Some(400..=499)) => {
            let text = text_of_body(&exchange.body).to_ascii_lowercase();
            named(contains_any(&text, &["conflict", "contradict", "ambiguous"]))
        }
        _ => Observation::NotApplicable,
    }
}

/// Whether the response is a JSON-RPC error, or a tool result with `isError`.
fn reports_error(exchange: &Exchange) -> bool {
    response_message(exchange).is_some_and(|message| {
        message.get("error").is_some()
            || message.pointer("/result/isError") == Some(&Value::Bool(true))
    })
}

/// Whether the body of a response contains the address of an upstream. A body that the client sent
/// an address in, and a discovery document, are not judged.
pub(super) fn body_names_upstream(subject: &Subject<'_>, exchange: &Exchange) -> bool {
    // The text of a JSON document has no escaped slashes.
    let text = [text_of_body(&exchange.body), exchange.body.clone()].concat();
    let names_upstream = |text: &str| {
        let mut servers = subject.context.deployment.servers.iter();
        servers.any(|server| contains_address(text, &server.url))
    };
    !exchange.path.contains("/.well-known/")
        && names_upstream(&text)
        && !names_upstream(&exchange.sent_body)
}

fn internal_details(subject: &Subject<'_>) -> Observation {
    of_response(subject, |exchange| {
        if body_names_upstream(subject, exchange) {
            return "upstream-address".into();
        }
        if matches!(exchange.status, Some(..=399)) && !reports_error(exchange) {
            return Observation::NotApplicable;
        }
        let text = [text_of_body(&exchange.body), exchange.body.clone()].concat();
        // A line break is escaped in a JSON text.
        let text = text.replace("\\n", "\n");
        if contains_any(&text, &STACK_TRACES) {
            "stack-trace"
        } else if contains_any(&text, &LIBRARY_MESSAGES) {
            "library-message"
        } else {
            "none"
        }
        .into()
    })
}
