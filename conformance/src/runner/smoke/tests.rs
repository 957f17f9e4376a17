use super::*;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind},
        deployment::Deployment,
        matrix::server_of,
        token_script::CaseId,
    },
    implementations::{Implementation, builtin},
    trace::{Arrival, Ending, Exchange, Headers, Secret, SecretKind, Trace},
};

fn deployment() -> Deployment {
    Deployment {
        static_token: "static-1".into(),
        minted_token: "minted-1".into(),
        ..Deployment::default()
    }
}

fn implementation() -> Implementation {
    Implementation::resolve("builtin:reference", None).expect("it is built in")
}

fn call(matches: impl Fn(&MatrixCase) -> bool) -> MatrixCase {
    let implementation = implementation();
    let start = implementation.starts().next().expect("it has a start");
    calls(&implementation, start)
        .into_iter()
        .find(matches)
        .expect("there is such a call")
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

/// What the upstream got.
#[derive(Clone, Copy, Debug)]
enum UpstreamSaw {
    NoRequest,
    NoAuthorization,
    Token,
}
use UpstreamSaw::{NoAuthorization, NoRequest, Token};

fn arrival(server: &str, authorization: Option<&str>) -> Arrival {
    Arrival {
        server: server.into(),
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
    }
}

/// The hint for a call with this status at the client.
fn hint(call: &MatrixCase, status: Option<u16>, upstream_saw: UpstreamSaw) -> Option<String> {
    let server = server_of(call);
    let arrivals = match upstream_saw {
        NoRequest => Vec::new(),
        NoAuthorization => vec![arrival(server, None)],
        Token => vec![arrival(server, Some("Bearer x.pf1.c1.200-json"))],
    };
    let trace = Trace {
        case: CaseId("c1".into()),
        exchanges: vec![exchange(status)],
        arrivals,
        connections_without_request: Vec::new(),
        secrets: vec![Secret { kind: SecretKind::UpstreamToken, value: "x".into() }],
    };
    diagnose(call, &trace, &deployment(), &implementation().credential_layout)
        .map(|diagnosis| diagnosis.hint)
}

#[test]
fn a_call_with_the_expected_result_has_no_diagnosis() {
    let usual = call(|call| call.method == Method::ToolsCall);
    assert_eq!(hint(&usual, Some(200), Token), None);
    let rejected = call(|call| call.credentials == Credentials::WrongKeyAndToken);
    assert_eq!(hint(&rejected, Some(401), NoRequest), None);
    let open = call(|call| call.server == ServerKind::Open);
    assert_eq!(hint(&open, Some(200), NoAuthorization), None);
}

#[test]
fn each_failure_has_a_hint() {
    let usual = call(|call| call.method == Method::ToolsCall);
    let get = call(|call| call.method == Method::Get);
    let delete = call(|call| call.method == Method::Delete);
    let open = call(|call| call.server == ServerKind::Open);
    let static_token = call(|call| call.server == ServerKind::Static);
    let minted_token = call(|call| call.server == ServerKind::ClientCredentials);
    let ungranted = call(|call| call.server == ServerKind::NotPermitted);
    let wrong_key = call(|call| call.credentials == Credentials::WrongKeyAndToken);
    let key_in_authorization = call(|call| call.credentials == Credentials::KeyInAuthorization);
    for (call, status, upstream_saw, expected) in [
        (&usual, None, NoRequest, "nothing answers at the base URL"),
        (&usual, Some(401), NoRequest, "the gateway rejected the caller"),
        (&usual, Some(404), NoRequest, "there is no endpoint at /mcp/alpha;"),
        (&usual, Some(200), NoRequest, "the gateway responded without a request"),
        (&usual, Some(502), NoRequest, "the request did not reach"),
        (&usual, Some(307), NoRequest, "redirects /mcp/alpha to another URL"),
        (&usual, Some(400), Token, "if it requires a session"),
        (&usual, Some(500), Token, "read the log of the gateway"),
        (&usual, Some(200), NoAuthorization, "did not forward the caller's token"),
        (&get, Some(405), NoRequest, "do not declare `listening-stream`"),
        (&delete, Some(405), NoRequest, "do not declare `session-end`"),
        (&open, Some(200), Token, "must send no credential"),
        (&static_token, Some(200), Token, "must send `static_token`"),
        (&minted_token, Some(200), NoAuthorization, "obtained at `token_url`"),
        (&ungranted, Some(200), Token, "the limited key may use every server"),
        (&wrong_key, Some(200), Token, "accepts an unknown gateway key"),
        (
            &key_in_authorization,
            Some(401),
            NoRequest,
            "do not declare `key-in-authorization`",
        ),
    ] {
        let hint = hint(call, status, upstream_saw).unwrap_or_default();
        assert!(hint.contains(expected), "{call}: {status:?} {upstream_saw:?}: {hint}");
    }
}

#[test]
fn every_route_and_every_declared_feature_is_called() {
    let mut implementation = implementation();
    let start = implementation.starts().next().expect("it has a start");
    let with_features = calls(&implementation, start);
    assert!(
        builtin::ROUTES
            .iter()
            .all(|route| with_features.iter().any(|call| call.route == *route))
    );
    implementation.features.clear();
    assert!(calls(&implementation, start).len() < with_features.len());
}
