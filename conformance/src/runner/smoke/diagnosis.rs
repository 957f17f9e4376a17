//! What happened instead of the expected result of a call, and what to change in the description.

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

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What happened instead of the expected result.
    pub actual: String,
    /// What is probably wrong in the description, and what to change.
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
    let diagnosis = check_success(call, exchange, &arrivals, credential_layout);
    if diagnosis.is_some() || call.method == Method::Delete {
        return diagnosis;
    }
    check_upstream_credential(call, &arrivals, deployment, credential_layout)
}

fn diagnosis(exchange: &Exchange, hint: impl Into<String>) -> Diagnosis {
    Diagnosis { actual: response_in_words(exchange), hint: hint.into() }
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

/// Checks a call that must be answered with 4xx and must not reach an upstream.
fn check_rejected(call: &MatrixCase, exchange: &Exchange, trace: &Trace) -> Option<Diagnosis> {
    let is_rejected = exchange.status.is_some_and(|status| (400..500).contains(&status));
    if trace.arrivals.is_empty() && is_rejected {
        return None;
    }
    let hint = if call.server == ServerKind::NotPermitted {
        "the limited key may use every server; in the configuration template, grant `limited_key` \
         only the servers with `granted`, or do not declare `limited-keys`"
    } else {
        "the gateway accepts an unknown gateway key; configure `full_key` and `limited_key` as its \
         only keys"
    };
    Some(diagnosis(exchange, hint))
}

/// Checks a call that must reach its upstream and be answered with 2xx.
fn check_success(
    call: &MatrixCase,
    exchange: &Exchange,
    arrivals: &[&Arrival],
    credential_layout: &CredentialLayout,
) -> Option<Diagnosis> {
    let (server, route) = (server_of(call), &call.route);
    let Some(status) = exchange.status else {
        let hint = match exchange.ending {
            Ending::NoHead => {
                "nothing answers at the base URL; the gateway must listen on `{{ port }}` of \
                 127.0.0.1, and `ready.path` must respond only when the gateway serves"
            }
            _ => {
                "there was no response in time; `deadlines.answer-ms` must be longer than all \
                 deadlines of the gateway, and the gateway must be able to reach the upstreams on \
                 127.0.0.1"
            }
        };
        return Some(diagnosis(exchange, hint));
    };
    let has_reached_server = !arrivals.is_empty();
    let hint = match status {
        200..=299 if has_reached_server || call.method == Method::Delete => return None,
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
        404 => format!(
            "there is no endpoint at `{route}`; check `routes`, and that the configuration \
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
    let contains = |text: &str| authorization.is_some_and(|value| value.contains(text));
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
                 servers of the kind `forwarding`",
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
    Some(Diagnosis { actual, hint })
}
