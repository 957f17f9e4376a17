//! Observes what only scenarios show: the use of one connection, events that are let go one by one, documents that are followed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Observable, Observation, Subject, is_discovery};
use crate::{
    trace::{Arrival, Ending, Exchange, SecretKind, all_headers, challenge},
    upstreams::ISSUER,
};

/// What the steps of a scenario show together.
pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "all-responses-complete",
        description: "whether each request got an answer that came to its end",
        values: &["complete", "incomplete: request *", "head-response-with-body"],
        absence: None,
        look: every_answer,
    },
    Observable {
        name: "event-delivery",
        description: "whether each event arrived before the next one was let go",
        values: &["immediate", "buffered"],
        absence: None,
        look: pace,
    },
    Observable {
        name: "upstream-authorization",
        description: "what stood in Authorization, over all servers and requests",
        values: &["one-bearer", "none", "several-field-lines", "other", "*+*"],
        absence: Some("none"),
        look: bearer_upstream,
    },
    Observable {
        name: "mcp-requests",
        description: "how many requests reached any MCP endpoint",
        values: &["none", "some"],
        absence: Some("none"),
        look: |subject| {
            if subject.trace.arrivals.iter().any(is_mcp) {
                "some"
            } else {
                "none"
            }
            .into()
        },
    },
    Observable {
        name: "unrequested-servers",
        description: "which servers were asked that the client had not named in its path",
        values: &["none", "*"],
        absence: Some("none"),
        look: strangers,
    },
    Observable {
        name: "discovery",
        description: "what a client finds that follows the challenge",
        values: &[
            "served",
            "not-in-challenge",
            "other-origin",
            "not-fetched",
            "not-json",
            "no-response",
            "100..599",
        ],
        absence: None,
        look: |subject| metadata(subject).map_or_else(Observation::Seen, |_| "served".into()),
    },
    Observable {
        name: "discovery-resource",
        description: "what the document calls its resource",
        values: &["requested-url", "other-url", "other-origin", "absent"],
        absence: None,
        look: |subject| {
            metadata(subject)
                .map_or(Observation::NotApplicable, |document| resource(subject, &document))
        },
    },
    Observable {
        name: "discovery-scopes",
        description: "whether the document offers scopes, and among them one for refreshing",
        values: &["absent", "without-offline-access", "with-offline-access"],
        absence: None,
        look: |subject| {
            metadata(subject).map_or(Observation::NotApplicable, |document| scopes(&document))
        },
    },
    Observable {
        name: "discovery-fetches",
        description: "how often the document of the server asked for was fetched from it",
        values: &["0", "1", "2", "3+"],
        absence: Some("0"),
        look: metadata_fetches,
    },
    Observable {
        name: "discovery-authorization-servers",
        description: "whether the document names an authorization server",
        values: &["some", "none"],
        absence: None,
        look: |subject| {
            metadata(subject).map_or(Observation::NotApplicable, |document| servers(&document))
        },
    },
];

fn every_answer(subject: &Subject<'_>) -> Observation {
    for (n, exchange) in subject.trace.exchanges.iter().enumerate() {
        if exchange.status.is_none() || exchange.ending != Ending::Complete {
            return format!("incomplete: request {}", n + 1).into();
        }
        if exchange.method == "HEAD" && !exchange.body.is_empty() {
            return "head-response-with-body".into();
        }
    }
    "complete".into()
}

/// The suite lets an event go only when the one before it has arrived: a stream that is held back never ends.
fn pace(subject: &Subject<'_>) -> Observation {
    match subject.exchange() {
        Some(exchange) if exchange.ending == Ending::Complete => "immediate".into(),
        Some(_) => "buffered".into(),
        None => Observation::Unknown("no request was sent"),
    }
}

fn bearer_upstream(subject: &Subject<'_>) -> Observation {
    let token = subject
        .trace
        .secrets
        .iter()
        .find(|secret| secret.kind == SecretKind::UpstreamToken);
    let canary = token.map_or("", |secret| secret.value.as_str());
    let name = |arrival: &Arrival| match all_headers(&arrival.headers, "authorization")
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => "none",
        [line] => match line.split_once(' ') {
            Some((scheme, token))
                if scheme.eq_ignore_ascii_case("bearer")
                    && token.starts_with(canary)
                    && !token.contains(' ') =>
            {
                "one-bearer"
            }
            Some(_) | None => "other",
        },
        _ => "several-field-lines",
    };
    let seen: BTreeSet<&str> = subject
        .trace
        .arrivals
        .iter()
        .filter(|arrival| is_mcp(arrival))
        .map(name)
        .collect();
    if seen.is_empty() {
        "none".into()
    } else {
        seen.into_iter().collect::<Vec<_>>().join("+").into()
    }
}

fn is_mcp(arrival: &Arrival) -> bool {
    !is_discovery(arrival) && arrival.server != ISSUER
}

fn strangers(subject: &Subject<'_>) -> Observation {
    let named = |arrival: &&Arrival| {
        subject
            .trace
            .exchanges
            .iter()
            .any(|exchange| exchange.path.split('/').any(|part| part == arrival.server))
    };
    let strangers: BTreeSet<&str> = subject
        .trace
        .arrivals
        .iter()
        .filter(|arrival| !named(arrival))
        .map(|arrival| arrival.server.as_str())
        .collect();
    if strangers.is_empty() {
        "none".into()
    } else {
        strangers.into_iter().collect::<Vec<_>>().join(", ").into()
    }
}

/// The resource-metadata document that was fetched last, or what came instead.
fn metadata(subject: &Subject<'_>) -> Result<Value, String> {
    let exchanges = &subject.trace.exchanges;
    let named = exchanges.iter().find_map(named_metadata);
    let is_named = |path: &str| {
        named.as_deref().and_then(|url| url.strip_prefix(&subject.context.base_url)) == Some(path)
    };
    let asks = |exchange: &&Exchange| {
        exchange.method == "GET"
            && (exchange.path.contains("/.well-known/") || is_named(&exchange.path))
    };
    let Some(exchange) = exchanges.iter().rfind(asks) else {
        return Err(match named {
            Some(url) if !url.starts_with(&subject.context.base_url) => "other-origin".to_owned(),
            Some(_) => "not-fetched".to_owned(),
            None => "not-in-challenge".to_owned(),
        });
    };
    match exchange.status {
        Some(200) => serde_json::from_str(&exchange.body).map_err(|_| "not-json".to_owned()),
        Some(status) => Err(status.to_string()),
        None => Err("no-response".to_owned()),
    }
}

/// The URL that the answer's challenge names as resource metadata.
#[must_use]
pub fn named_metadata(exchange: &Exchange) -> Option<String> {
    let challenges = all_headers(&exchange.headers, "www-authenticate")
        .flat_map(|line| challenge::parse_leniently(line).unwrap_or_default());
    challenges
        .into_iter()
        .find_map(|challenge| challenge.parameter("resource_metadata").map(str::to_owned))
}

/// RFC 9728 §3.3: the URL that the client used, character for character.
fn resource(subject: &Subject<'_>, document: &Value) -> Observation {
    let base_url = &subject.context.base_url;
    let refused = subject.trace.exchanges.iter().find(|exchange| exchange.status == Some(401));
    let asked = refused.map(|exchange| format!("{base_url}{}", exchange.path));
    match document.get("resource").and_then(Value::as_str) {
        None => "absent",
        Some(resource) if Some(resource) == asked.as_deref() => "requested-url",
        Some(resource) if resource.starts_with(base_url) => "other-url",
        Some(_) => "other-origin",
    }
    .into()
}

fn scopes(document: &Value) -> Observation {
    let Some(scopes) = document.get("scopes_supported").and_then(Value::as_array) else {
        return "absent".into();
    };
    if scopes.iter().any(|scope| scope == "offline_access") {
        "with-offline-access"
    } else {
        "without-offline-access"
    }
    .into()
}

fn metadata_fetches(subject: &Subject<'_>) -> Observation {
    let fetched = |arrival: &&Arrival| {
        arrival.server == subject.server
            && arrival.target.contains("/.well-known/oauth-protected-resource")
    };
    match subject.trace.arrivals.iter().filter(fetched).count() {
        0 => "0",
        1 => "1",
        2 => "2",
        _ => "3+",
    }
    .into()
}

fn servers(document: &Value) -> Observation {
    let some = document
        .get("authorization_servers")
        .and_then(Value::as_array)
        .is_some_and(|servers| servers.iter().any(Value::is_string));
    if some { "some" } else { "none" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(challenge: &str) -> Exchange {
        Exchange {
            method: "POST".into(),
            path: "/mcp/alpha".into(),
            sent_headers: Vec::new(),
            sent_body: String::new(),
            status: Some(401),
            headers: vec![("WWW-Authenticate".into(), challenge.into())],
            body: String::new(),
            ending: Ending::Complete,
            head_after_ms: Some(1.0),
        }
    }

    #[test]
    fn the_metadata_of_a_challenge_is_found_quoted_or_not() {
        for value in [
            "Bearer resource_metadata=\"http://x/y\", error=\"invalid_token\"",
            "Bearer a=b, resource_metadata=http://x/y",
        ] {
            assert_eq!(named_metadata(&answered(value)).as_deref(), Some("http://x/y"));
        }
        assert_eq!(named_metadata(&answered("Basic realm=\"x\"")), None);
    }
}
