//! What happened instead of the expected result of a call, and what to change in the description.

use std::collections::BTreeSet;

use super::calls::path_of;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind},
        deployment::{Deployment, names},
        matrix::server_of,
        matrix_case::MatrixCase,
    },
    implementations::CredentialLayout,
    trace::{Arrival, Ending, Exchange, Trace, header},
};

/// Why a call did not have its expected result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The description, or the configuration that it renders. `run` would judge something else than
    /// the gateway.
    Description,
    /// A defect of the gateway, which `run` judges.
    Gateway,
}

/// What is known about a call without its expected result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Why.
    pub cause: Cause,
    /// What happened instead of the expected result.
    pub actual: String,
    /// What is probably wrong, and what to change.
    pub hint: String,
}

/// Compares the trace of a call with its expected result. `None` if they agree.
#[must_use]
pub fn diagnose(
    call: &MatrixCase,
    trace: &Trace,
    deployment: &Deployment,
    credential_layout: &CredentialLayout,
) -> Option<Diagnosis> {
    let exchange = trace.exchanges.last()?;
    if call.credentials == Credentials::WrongKeyAndToken || call.server == ServerKind::NotPermitted
    {
        return check_rejected(call, exchange, trace);
    }
    let server = server_of(call);
    let arrivals: Vec<&Arrival> = trace
        .arrivals
        .iter()
        .filter(|arrival| arrival.server == server && arrival.method != "DELETE")
        .collect();
    let diagnosis = check_success(call, exchange, &arrivals, credential_layout)
        .or_else(|| check_selected_servers(call, exchange, trace));
    if diagnosis.is_some() || !is_answered_by_upstream(call.method) {
        return diagnosis;
    }
    check_upstream_credential(call, &arrivals, deployment, credential_layout)
}

/// Whether only an upstream can answer the message. A gateway can also open sessions and listening
/// streams of its own.
fn is_answered_by_upstream(method: Method) -> bool {
    !matches!(method, Method::Initialize | Method::Get | Method::Delete)
}

fn diagnosis(exchange: &Exchange, hint: impl Into<String>) -> Diagnosis {
    Diagnosis {
        cause: Cause::Description,
        actual: response_in_words(exchange),
        hint: hint.into(),
    }
}

fn defect(exchange: &Exchange, hint: impl Into<String>) -> Diagnosis {
    Diagnosis { cause: Cause::Gateway, ..diagnosis(exchange, hint) }
}

fn response_in_words(exchange: &Exchange) -> String {
    let Some(status) = exchange.status else {
        return exchange.ending.description().to_owned();
    };
    let body: String = exchange.body.chars().take(120).collect();
    if body.is_empty() {
        status.to_string()
    } else {
        format!("{status} {}", body.replace(char::is_control, " "))
    }
}

/// The names of the servers that received a request, joined by commas.
fn contacted(trace: &Trace) -> String {
    let servers: BTreeSet<&str> =
        trace.arrivals.iter().map(|arrival| arrival.server.as_str()).collect();
    servers.into_iter().collect::<Vec<_>>().join(", ")
}

/// Checks a call that must be answered with 4xx and must not reach an upstream.
fn check_rejected(call: &MatrixCase, exchange: &Exchange, trace: &Trace) -> Option<Diagnosis> {
    let is_not_permitted = call.server == ServerKind::NotPermitted;
    let server = server_of(call);
    if trace.arrivals.iter().any(|arrival| arrival.server == server) {
        return Some(diagnosis(
            exchange,
            if is_not_permitted {
                "the limited key may use every server; in the configuration template, grant \
                 `limited_key` only the servers with `granted`, or do not declare `limited-keys`"
            } else {
                "the gateway accepts an unknown gateway key; configure `full_key` and \
                 `limited_key` as its only keys, or do not declare `gateway-keys`"
            },
        ));
    }
    if !trace.arrivals.is_empty() {
        let (servers, requirement) =
            (contacted(trace), if is_not_permitted { "GATE-01" } else { "CRD-16" });
        return Some(defect(
            exchange,
            format!(
                "the gateway widened the set of servers: the request is for {server}, and it \
                 contacted {servers}; the description is right, and `run` judges this as \
                 {requirement}"
            ),
        ));
    }
    match exchange.status {
        Some(400..=499) => None,
        Some(status @ 500..) => {
            let requirement = if is_not_permitted { "GATE-07" } else { "CRD-16" };
            Some(defect(
                exchange,
                format!(
                    "the gateway rejected the caller, but with {status} instead of 4xx; the \
                     description is right, and `run` judges this as {requirement}"
                ),
            ))
        }
        Some(_) => Some(defect(
            exchange,
            "the gateway contacted no upstream, but its answer does not say that it rejected the \
             caller; the description is right, and `run` judges the answer",
        )),
        None => Some(diagnosis(exchange, unanswered(exchange))),
    }
}

/// The hint for a call that got no response.
fn unanswered(exchange: &Exchange) -> &'static str {
    match exchange.ending {
        Ending::NoHead => {
            "nothing answers at the base URL; the gateway must listen on `{{ port }}` of \
             127.0.0.1, and `ready.path` must respond only when the gateway serves"
        }
        _ => {
            "there was no response in time; `deadlines.answer-ms` must be longer than all \
             deadlines of the gateway, and the gateway must be able to reach the upstreams on \
             127.0.0.1"
        }
    }
}

/// Checks a call that must be answered with 2xx and, if only an upstream can answer it, must reach
/// its upstream.
fn check_success(
    call: &MatrixCase,
    exchange: &Exchange,
    arrivals: &[&Arrival],
    credential_layout: &CredentialLayout,
) -> Option<Diagnosis> {
    let (server, path) = (server_of(call), path_of(call));
    let Some(status) = exchange.status else {
        return Some(diagnosis(exchange, unanswered(exchange)));
    };
    let has_reached_server = !arrivals.is_empty();
    let hint = match status {
        200..=299 if has_reached_server || !is_answered_by_upstream(call.method) => return None,
        200..=299 => format!(
            "the gateway responded without a request to {server}; the configuration template must \
             give every server its `url`"
        ),
        401 | 403 if !has_reached_server => {
            if call.credentials == Credentials::KeyInAuthorization {
                "the gateway does not accept its key in Authorization; do not declare \
                 `key-in-authorization`"
                    .to_owned()
            } else {
                format!(
                    "the gateway rejected the caller; check that it expects its key in `{}: {}…` \
                     (`credentials`), and that `limited_key` is configured and may use {server}",
                    credential_layout.key_header, credential_layout.key_prefix
                )
            }
        }
        404 if call.server == ServerKind::Aggregate => {
            format!("there is no endpoint at {path}; check `aggregate.routes`")
        }
        404 => format!(
            "there is no endpoint at {path}; check `routes`, and that the configuration \
             template contains a server with the name `{server}`"
        ),
        405 if call.method == Method::Get => {
            "the gateway does not support GET; do not declare `listening-stream`".to_owned()
        }
        405 if call.method == Method::Delete => {
            "the gateway does not support DELETE; do not declare `session-end`".to_owned()
        }
        400 if call.method != Method::Initialize => {
            "the gateway rejected the message; if it requires a session, do not declare \
             `sessionless-requests`"
                .to_owned()
        }
        300..=399 => {
            let location = header(&exchange.headers, "location").unwrap_or("another URL");
            format!("the gateway redirects {path} to {location}; state the final path in `routes`")
        }
        _ if has_reached_server => format!(
            "{server} answered 200, but the client got another response; read the log of the \
             gateway"
        ),
        _ => format!(
            "the request did not reach {server}; check that the gateway can connect to the `url` \
             of {server}"
        ),
    };
    Some(diagnosis(exchange, hint))
}

/// Checks that a request for several servers reaches each of them and no other.
fn check_selected_servers(
    call: &MatrixCase,
    exchange: &Exchange,
    trace: &Trace,
) -> Option<Diagnosis> {
    if call.server != ServerKind::Aggregate || call.method != Method::ToolsList {
        return None;
    }
    let (path, servers) = (path_of(call), contacted(trace));
    let is_contacted = |name: &str| trace.arrivals.iter().any(|arrival| arrival.server == name);
    let selected = names::AGGREGATE.join(", ");
    let hint = if !names::AGGREGATE.into_iter().all(is_contacted) {
        format!(
            "{path} contacted only {servers} of {selected}; check `[aggregate]`, and that the \
             configuration template contains all of them"
        )
    } else if trace.arrivals.iter().any(|arrival| {
        let name = arrival.server.as_str();
        names::FORWARDING.contains(&name) && !names::AGGREGATE.contains(&name)
    }) {
        format!(
            "{path} contacted {servers}, and the request is for {selected}; check `[aggregate]`; \
             if it is right, the gateway widens the set of servers, which `run` judges as GATE-01"
        )
    } else {
        return None;
    };
    Some(diagnosis(exchange, hint))
}

/// Checks that the upstream got the credential that the kind of its server requires.
fn check_upstream_credential(
    call: &MatrixCase,
    arrivals: &[&Arrival],
    deployment: &Deployment,
    credential_layout: &CredentialLayout,
) -> Option<Diagnosis> {
    let server = server_of(call);
    let authorization =
        arrivals.last().and_then(|arrival| header(&arrival.headers, "authorization"));
    let contains =
        |text: &str| !text.is_empty() && authorization.is_some_and(|value| value.contains(text));
    if contains(&deployment.limited_key) {
        return Some(Diagnosis {
            cause: Cause::Gateway,
            actual: format!("{server} got the gateway key in Authorization"),
            hint: "the gateway forwards its own key; the description is right, and `run` judges \
                   this as CRD-02 or CRD-03"
                .to_owned(),
        });
    }
    let (is_correct, hint) = match call.server {
        ServerKind::Static => (
            contains(&deployment.static_token),
            format!(
                "the gateway must send `static_token` to {}; check the credential of this server \
                 in the configuration template",
                names::STATIC
            ),
        ),
        ServerKind::ClientCredentials => (
            contains(&deployment.minted_token),
            format!(
                "the gateway must send {} a token that it obtained at `token_url` with `client_id` \
                 and `client_secret`",
                names::MINTED
            ),
        ),
        ServerKind::Open => (
            authorization.is_none(),
            format!(
                "the gateway must send no credential to {}; forward `Authorization` only to \
                 servers of the kind `forwarding`, or do not declare `servers-without-credential`",
                names::OPEN
            ),
        ),
        _ => (
            contains(".pf1."),
            format!(
                "the gateway did not forward the caller's token; forward `Authorization` to \
                 servers of the kind `forwarding`, and check that callers send the token as `{}: \
                 {}…` (`credentials.token-header`)",
                credential_layout.token_header, credential_layout.token_prefix
            ),
        ),
    };
    if is_correct {
        return None;
    }
    let actual = match authorization {
        None => format!("{server} got a request without Authorization"),
        Some(_) => format!("{server} got a request with another Authorization"),
    };
    Some(Diagnosis { cause: Cause::Description, actual, hint })
}
