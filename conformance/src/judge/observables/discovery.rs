//! Observes the protected resource metadata that a client fetches after a challenge (RFC 9728).

use serde_json::Value;

use super::{Observable, count};
use crate::{
    judge::{observation::Observation, subject::Subject},
    trace::{Arrival, Exchange},
};

pub(super) const OBSERVABLES: &[Observable] = &[
    Observable {
        name: "discovery",
        description: "Whether a client that follows the challenge gets a JSON document.",
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
        observe: discovery,
    },
    Observable {
        name: "discovery-resource",
        description: "Whether the `resource` of the document is the URL that the client requested.",
        values: &["requested-url", "other-url", "other-origin", "absent"],
        absence: None,
        observe: |subject| of_document(subject, |document| resource(subject, document)),
    },
    Observable {
        name: "discovery-scopes",
        description: "Whether the document lists scopes, and whether `offline_access` is one of \
            them.",
        values: &["absent", "without-offline-access", "with-offline-access"],
        absence: None,
        observe: |subject| of_document(subject, scopes),
    },
    Observable {
        name: "discovery-fetches",
        description: "How often the gateway fetched the document of the requested server from it.",
        values: &["0", "1", "2", "3+"],
        absence: Some("0"),
        observe: discovery_fetches,
    },
    Observable {
        name: "discovery-authorization-servers",
        description: "Whether the document names an authorization server.",
        values: &["some", "none"],
        absence: None,
        observe: |subject| of_document(subject, authorization_servers),
    },
];

fn discovery(subject: &Subject<'_>) -> Observation {
    match document(subject) {
        Ok(_) => "served".into(),
        Err(reason) => reason.into(),
    }
}

fn of_document(subject: &Subject<'_>, observe: impl FnOnce(&Value) -> Observation) -> Observation {
    match document(subject) {
        Ok(document) => observe(&document),
        Err(_) => Observation::NotApplicable,
    }
}

/// The document that was fetched last; or, as a value of `discovery`, why there is none.
fn document(subject: &Subject<'_>) -> Result<Value, String> {
    let base_url = &subject.context.base_url;
    let exchanges = &subject.trace.exchanges;
    let named = exchanges.iter().find_map(Exchange::resource_metadata_url);
    let is_named =
        |path: &str| named.as_deref().and_then(|url| url.strip_prefix(base_url)) == Some(path);
    let is_fetch = |exchange: &&Exchange| {
        exchange.method == "GET"
            && (exchange.path.contains("/.well-known/") || is_named(&exchange.path))
    };
    let Some(exchange) = exchanges.iter().rfind(is_fetch) else {
        return Err(match &named {
            Some(url) if !url.starts_with(base_url) => "other-origin".to_owned(),
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

/// RFC 9728 §3.3: `resource` must be identical to the URL that the client used.
fn resource(subject: &Subject<'_>, document: &Value) -> Observation {
    let base_url = &subject.context.base_url;
    let refused = subject.trace.exchanges.iter().find(|exchange| exchange.status == Some(401));
    let requested = refused.map(|exchange| format!("{base_url}{}", exchange.path));
    match document.get("resource").and_then(Value::as_str) {
        None => "absent",
        Some(resource) if Some(resource) == requested.as_deref() => "requested-url",
        Some(resource) if resource.starts_with(base_url) => "other-url",
        Some(_) => "other-origin",
    }
    .into()
}

fn scopes(document: &Value) -> Observation {
    match document.get("scopes_supported").and_then(Value::as_array) {
        None => "absent",
        Some(scopes) if scopes.iter().any(|scope| scope == "offline_access") => {
            "with-offline-access"
        }
        Some(_) => "without-offline-access",
    }
    .into()
}

fn discovery_fetches(subject: &Subject<'_>) -> Observation {
    let is_fetch = |arrival: &&Arrival| {
        arrival.server == subject.server
            && arrival.target.contains("/.well-known/oauth-protected-resource")
    };
    count(subject.trace.arrivals.iter().filter(is_fetch).count())
}

fn authorization_servers(document: &Value) -> Observation {
    let is_named = document
        .get("authorization_servers")
        .and_then(Value::as_array)
        .is_some_and(|servers| servers.iter().any(Value::is_string));
    if is_named { "some" } else { "none" }.into()
}
