//! Says whether an implementation is described rightly: healthy calls that must come through, and for each that does not, what is
//! probably wrong with the description.
//!
//! Judges no requirement. An implementation that passes here is one whose verdicts mean something.

use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start},
        deployment::{Deployment, names},
        matrix::server_of,
        matrix_case::MatrixCase,
    },
    catalogue::ProtocolVersion,
    implementations::{CredentialLayout, resolve::Implementation},
    trace::{Arrival, Ending, Exchange, Trace, header},
};

/// The calls that must come through, for one start of an implementation: each kind of server, each route, each feature that it declares.
#[must_use]
pub fn calls(target: &Implementation, start: Start) -> Vec<MatrixCase> {
    let has =
        |feature: &str| target.features.iter().any(|declared| declared.to_string() == feature);
    let route = target.routes.first().cloned().unwrap_or_default();
    let call = |credentials, server, method, route: &str| MatrixCase {
        credentials,
        server,
        upstream: "200-json".to_owned(),
        method,
        route: route.to_owned(),
        strategy: start.strategy,
        profile: start.profile,
        protocol_version: ProtocolVersion::default(),
    };
    let usual = Credentials::KeyAndToken;
    let mut calls = vec![call(usual, ServerKind::Forwarding, Method::Initialize, &route)];
    calls.extend(
        target
            .routes
            .iter()
            .map(|route| call(usual, ServerKind::Forwarding, Method::ToolsList, route)),
    );
    calls.push(call(usual, ServerKind::Forwarding, Method::ToolsCall, &route));
    calls.push(call(usual, ServerKind::Open, Method::ToolsList, &route));
    calls.push(call(
        Credentials::WrongKeyAndToken,
        ServerKind::Forwarding,
        Method::ToolsList,
        &route,
    ));
    for (feature, credentials, server, method) in [
        ("static-credential", usual, ServerKind::Static, Method::ToolsList),
        ("client-credentials", usual, ServerKind::ClientCredentials, Method::ToolsList),
        ("limited-keys", usual, ServerKind::NotPermitted, Method::ToolsList),
        (
            "key-in-authorization",
            Credentials::KeyInAuthorization,
            ServerKind::Open,
            Method::ToolsList,
        ),
        ("listening-stream", usual, ServerKind::Forwarding, Method::Get),
        ("session-end", usual, ServerKind::Forwarding, Method::Delete),
    ] {
        if has(feature) {
            calls.push(call(credentials, server, method, &route));
        }
    }
    calls
}

/// What is wrong with one call, and what is probably wrong with the description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What was seen instead.
    pub seen: String,
    /// Where to look.
    pub look: String,
}

/// What a call that comes through shows, in words.
#[must_use]
pub fn shows(matrix_case: &MatrixCase) -> String {
    let asked = match matrix_case.method {
        Method::Initialize => "initialize",
        Method::ToolsList => "tools/list",
        Method::ToolsCall => "tools/call",
        Method::Notification => "a notification",
        Method::Get => "GET, a listening stream",
        Method::Delete => "DELETE, the end of a session",
        Method::Discover => "server/discover",
        Method::Listen => "subscriptions/listen",
        Method::ResourcesRead => "resources/read",
        Method::PromptsGet => "prompts/get",
    };
    let path = matrix_case.route.replace("{server}", server_of(matrix_case));
    match (matrix_case.credentials, matrix_case.server) {
        (Credentials::WrongKeyAndToken, _) => {
            format!("{asked} at {path} with a key that nobody issued is turned away")
        }
        (_, ServerKind::NotPermitted) => {
            format!("{asked} at {path}, which the limited key may not use, is turned away")
        }
        (Credentials::KeyInAuthorization, _) => {
            format!("{asked} at {path} with the key in Authorization comes through")
        }
        (_, ServerKind::Static) => format!("{asked} at {path} arrives with the static token"),
        (_, ServerKind::ClientCredentials) => {
            format!("{asked} at {path} arrives with a minted token")
        }
        (_, ServerKind::Open) => format!("{asked} at {path} arrives without any credential"),
        (_, ServerKind::Aggregate) => format!("{asked} at {path} asks every server that it means"),
        (_, ServerKind::Forwarding | ServerKind::Unknown) => {
            format!("{asked} at {path} arrives with the caller's token")
        }
    }
}

/// What a call says about the description; nothing where it went as it should.
#[must_use]
pub fn diagnose(
    matrix_case: &MatrixCase,
    trace: &Trace,
    deployment: &Deployment,
    credential_layout: &CredentialLayout,
) -> Option<Diagnosis> {
    let exchange = trace.exchanges.last()?;
    let server = server_of(matrix_case);
    let arrivals: Vec<&Arrival> = trace
        .arrivals
        .iter()
        .filter(|arrival| arrival.server == server && arrival.method != "DELETE")
        .collect();
    let refused = matrix_case.credentials == Credentials::WrongKeyAndToken
        || matrix_case.server == ServerKind::NotPermitted;
    let found = if refused {
        turned_away(matrix_case, exchange, trace)
    } else {
        came_through(matrix_case, exchange, &arrivals, credential_layout)
    };
    found.or_else(|| {
        if refused || matrix_case.method == Method::Delete {
            None
        } else {
            credential(matrix_case, &arrivals, deployment, credential_layout)
        }
    })
}

fn said(exchange: &Exchange) -> String {
    let Some(status) = exchange.status else {
        return crate::trace::ending_in_words(exchange.ending).to_owned();
    };
    let body: String = exchange.body.chars().take(120).collect();
    if body.is_empty() {
        status.to_string()
    } else {
        format!("{status} {}", body.replace(char::is_control, " "))
    }
}

fn wrong(exchange: &Exchange, look: impl Into<String>) -> Option<Diagnosis> {
    Some(Diagnosis { seen: said(exchange), look: look.into() })
}

/// A call that nothing may come of.
fn turned_away(matrix_case: &MatrixCase, exchange: &Exchange, trace: &Trace) -> Option<Diagnosis> {
    if trace.arrivals.is_empty()
        && exchange.status.is_some_and(|status| (400..500).contains(&status))
    {
        return None;
    }
    wrong(
        exchange,
        if matrix_case.server == ServerKind::NotPermitted {
            "the limited key opens every server: give `limited_key` only the servers with `granted` in the configuration's template, or do not declare `limited-keys`"
        } else {
            "any key opens it: the gateway key is not asked for; configure `full_key` and `limited_key` as its only keys"
        },
    )
}

/// A call that must arrive and be answered.
fn came_through(
    matrix_case: &MatrixCase,
    exchange: &Exchange,
    arrivals: &[&Arrival],
    credential_layout: &CredentialLayout,
) -> Option<Diagnosis> {
    let (server, route) = (server_of(matrix_case), &matrix_case.route);
    let key = format!("{}: {}…", credential_layout.key_header, credential_layout.key_prefix);
    let Some(status) = exchange.status else {
        return wrong(
            exchange,
            match exchange.ending {
                Ending::NoHead => {
                    "nothing answers there: does it listen on `{{ port }}` of 127.0.0.1, and is `ready.path` answered only when it serves?"
                }
                _ => {
                    "no answer in time: is `deadlines.answer-ms` longer than its own deadlines, and can it reach the upstreams on 127.0.0.1?"
                }
            },
        );
    };
    match (status, arrivals.is_empty()) {
        (200..=299, false) => None,
        (200..=299, true) if matrix_case.method == Method::Delete => None,
        (200..=299, true) => wrong(
            exchange,
            format!(
                "it answers by itself, and {server} never hears of it: does the template give every server the `url` of the plan?"
            ),
        ),
        (401 | 403, true) if matrix_case.credentials == Credentials::KeyInAuthorization => wrong(
            exchange,
            "it does not take the key in Authorization: do not declare `key-in-authorization`",
        ),
        (401 | 403, true) => wrong(
            exchange,
            format!(
                "the caller is turned away: is the key expected in `{key}` (`credentials`), and is `limited_key` one of its keys, for {server} too?"
            ),
        ),
        (404, _) => wrong(
            exchange,
            format!(
                "there is nothing at `{route}`: check `routes`, and that the template configures a server called `{server}`"
            ),
        ),
        (405, _) if matches!(matrix_case.method, Method::Get | Method::Delete) => wrong(
            exchange,
            format!(
                "it does not take {}: do not declare `{}`",
                if matrix_case.method == Method::Get { "GET" } else { "DELETE" },
                if matrix_case.method == Method::Get {
                    "listening-stream"
                } else {
                    "session-end"
                }
            ),
        ),
        (400, _) if matrix_case.method != Method::Initialize => wrong(
            exchange,
            "it wants a session first, or another form of message: do not declare `sessionless-requests` unless it serves calls without one",
        ),
        (_, true) => wrong(
            exchange,
            format!("{server} never heard of it: can it reach {server} at the `url` of the plan?"),
        ),
        (_, false) => wrong(
            exchange,
            format!("{server} answered 200, and the client got something else: look into its log"),
        ),
    }
}

/// Whether the upstream was shown the credential that its kind stands for.
fn credential(
    matrix_case: &MatrixCase,
    arrivals: &[&Arrival],
    deployment: &Deployment,
    credential_layout: &CredentialLayout,
) -> Option<Diagnosis> {
    let server = server_of(matrix_case);
    let carried = arrivals.last().and_then(|arrival| header(&arrival.headers, "authorization"));
    let (right, look) = match matrix_case.server {
        ServerKind::Static => (
            carried.is_some_and(|value| value.contains(&deployment.static_token)),
            format!(
                "{} must be sent `static_token`: check how the template spells a server's own credential",
                names::STATIC
            ),
        ),
        ServerKind::ClientCredentials => (
            carried.is_some_and(|value| value.contains(&deployment.minted_token)),
            format!(
                "{} must be sent a token minted at `token_url` with `client_id` and `client_secret`",
                names::MINTED
            ),
        ),
        ServerKind::Open => (
            carried.is_none(),
            format!(
                "{} must be sent nothing: forward `Authorization` only to servers of the kind `forwarding`",
                names::OPEN
            ),
        ),
        _ => (
            carried.is_some_and(|value| value.contains(".pf1.")),
            format!(
                "the caller's token stays behind: forward `Authorization` to servers of the kind `forwarding`, and check that callers send it as `{}: {}…` (`credentials.token-header`)",
                credential_layout.token_header, credential_layout.token_prefix
            ),
        ),
    };
    let seen = carried.map_or_else(
        || format!("{server} saw no Authorization"),
        |_| format!("{server} saw another Authorization"),
    );
    (!right).then_some(Diagnosis { seen, look })
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cases::token_script::CaseId,
        implementations::builtin,
        trace::{Headers, SecretKind},
    };

    fn credential_layout() -> CredentialLayout {
        target().credential_layout
    }

    fn deployment() -> Deployment {
        Deployment {
            static_token: "static-1".into(),
            minted_token: "minted-1".into(),
            ..Deployment::default()
        }
    }

    fn target() -> Implementation {
        Implementation::resolve("builtin:reference", None).expect("it is built in")
    }

    fn call(wanted: impl Fn(&MatrixCase) -> bool) -> MatrixCase {
        let target = target();
        let start = target.starts().next().expect("it can be started");
        calls(&target, start).into_iter().find(wanted).expect("there is such a call")
    }

    fn exchange(status: Option<u16>) -> Exchange {
        Exchange {
            method: "POST".into(),
            path: "/".into(),
            sent_headers: Headers::new(),
            sent_body: String::new(),
            status,
            headers: Headers::new(),
            body: String::new(),
            ending: if status.is_some() { Ending::Complete } else { Ending::NoHead },
            head_after_ms: None,
        }
    }

    /// What is said of a call that was answered so, where the server saw a request with this Authorization, or none at all.
    fn said(
        matrix_case: &MatrixCase,
        status: Option<u16>,
        saw: Option<Option<&str>>,
    ) -> Option<String> {
        let arrival = |authorization: Option<&str>| Arrival {
            server: server_of(matrix_case).into(),
            connection: 1,
            at_ms: 0.0,
            method: "POST".into(),
            target: "/mcp".into(),
            headers: authorization
                .iter()
                .map(|value| ("authorization".to_owned(), (*value).to_owned()))
                .collect(),
            body: String::new(),
            rpc_method: None,
            answered: "200".into(),
            session_issued: None,
            session_ended: None,
        };
        let trace = Trace {
            case: CaseId("c1".into()),
            exchanges: vec![exchange(status)],
            arrivals: saw.map(arrival).into_iter().collect(),
            secrets: vec![crate::trace::Secret {
                kind: SecretKind::UpstreamToken,
                value: "x".into(),
            }],
        };
        diagnose(matrix_case, &trace, &deployment(), &credential_layout())
            .map(|diagnosis| diagnosis.look)
    }

    #[test]
    fn a_call_that_arrives_as_it_should_is_no_trouble() {
        let usual = call(|matrix_case| matrix_case.method == Method::ToolsList);
        assert_eq!(said(&usual, Some(200), Some(Some("Bearer x.pf1.c1.200-json"))), None);
        let refused = call(|matrix_case| matrix_case.credentials == Credentials::WrongKeyAndToken);
        assert_eq!(said(&refused, Some(401), None), None);
        assert_eq!(
            said(
                &call(|matrix_case| matrix_case.server == ServerKind::Open),
                Some(200),
                Some(None)
            ),
            None
        );
    }

    #[test]
    fn each_way_to_go_wrong_says_where_to_look() {
        let usual = call(|matrix_case| matrix_case.method == Method::ToolsList);
        let token = Some(Some("Bearer x.pf1.c1.200-json"));
        for (matrix_case, status, saw, look) in [
            (&usual, None, None, "nothing answers there"),
            (&usual, Some(401), None, "the caller is turned away"),
            (&usual, Some(404), None, "there is nothing at `/mcp/{server}`"),
            (&usual, Some(200), None, "it answers by itself"),
            (&usual, Some(502), None, "never heard of it"),
            (&usual, Some(400), token, "it wants a session first"),
            (&usual, Some(500), token, "look into its log"),
            (&usual, Some(200), Some(None), "the caller's token stays behind"),
            (
                &call(|matrix_case| matrix_case.method == Method::Get),
                Some(405),
                None,
                "do not declare `listening-stream`",
            ),
            (
                &call(|matrix_case| matrix_case.method == Method::Delete),
                Some(405),
                None,
                "do not declare `session-end`",
            ),
            (
                &call(|matrix_case| matrix_case.server == ServerKind::Open),
                Some(200),
                token,
                "must be sent nothing",
            ),
            (
                &call(|matrix_case| matrix_case.server == ServerKind::Static),
                Some(200),
                token,
                "must be sent `static_token`",
            ),
            (
                &call(|matrix_case| matrix_case.server == ServerKind::ClientCredentials),
                Some(200),
                Some(None),
                "minted at `token_url`",
            ),
            (
                &call(|matrix_case| matrix_case.server == ServerKind::NotPermitted),
                Some(200),
                token,
                "the limited key opens every server",
            ),
            (
                &call(|matrix_case| matrix_case.credentials == Credentials::WrongKeyAndToken),
                Some(200),
                token,
                "any key opens it",
            ),
            (
                &call(|matrix_case| matrix_case.credentials == Credentials::KeyInAuthorization),
                Some(401),
                None,
                "do not declare `key-in-authorization`",
            ),
        ] {
            let said = said(matrix_case, status, saw).unwrap_or_default();
            assert!(said.contains(look), "{matrix_case}: {status:?} {saw:?}: {said}");
        }
    }

    #[test]
    fn every_route_and_every_declared_feature_is_tried() {
        let target = target();
        let start = target.starts().next().expect("it can be started");
        let calls = calls(&target, start);
        assert!(
            builtin::ROUTES
                .iter()
                .all(|route| calls.iter().any(|matrix_case| matrix_case.route == *route))
        );
        let mut bare = target;
        bare.features.clear();
        assert!(super::calls(&bare, start).len() < calls.len());
    }
}
