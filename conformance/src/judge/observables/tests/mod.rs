//! Observables on hand-made traces.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Strategy},
        deployment::{ConfiguredServer, Deployment, names},
        matrix_case::MatrixCase,
        pattern::wildcard_match,
        token_script::CaseId,
    },
    catalogue::{Feature, Profile, ProtocolVersion},
    implementations::Surfaces,
    judge::subject::{Context, Deadlines},
    trace::{Arrival, Ending, Headers, Secret, SecretKind, Trace},
};

mod probe;
mod response;
mod secret_disclosure;
mod sequence;
mod upstream_requests;

const TOKEN: &str = "Bearer c4n4ryc4n4ryc4n4.pf1.c1.200-json";
const CANARY: &str = "c4n4ryc4n4ryc4n4";
const KEY: &str = "k3yk3yk3yk3yk3yk";

/// A trace of one exchange with `alpha`, to be changed by a test.
struct Case {
    context: Context,
    trace: Trace,
    upstream: &'static str,
}

fn headers(lines: &[(&str, &str)]) -> Headers {
    lines
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn case(upstream: &'static str) -> Case {
    let server = |name: &str, kind, port: u16| {
        ConfiguredServer::new(name, kind, format!("http://127.0.0.1:{port}/mcp"))
    };
    let deployment = Deployment {
        servers: vec![
            server("alpha", ServerKind::Forwarding, 9001),
            server("beta", ServerKind::Forwarding, 9002),
            server(names::STATIC, ServerKind::Static, 9003),
        ],
        toolsets: Vec::new(),
        full_key: "full".into(),
        limited_key: KEY.into(),
        static_token: "st4t1cst4t1c".into(),
        client_id: "id".into(),
        client_secret: "s3cr3ts3cr3t".into(),
        token_url: "http://127.0.0.1:9009/token".into(),
        minted_token: "m1ntedm1nted".into(),
        issuer: "http://127.0.0.1:9009".into(),
        ..Deployment::default()
    };
    let exchange = Exchange {
        method: "POST".into(),
        path: "/mcp/alpha".into(),
        sent_headers: headers(&[
            ("x-key", KEY),
            ("authorization", TOKEN),
            ("user-agent", "client"),
        ]),
        sent_body: r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#.into(),
        status: Some(200),
        headers: headers(&[("content-type", "application/json")]),
        body: r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"echo"}]}}"#.into(),
        ending: Ending::Complete,
        head_after_ms: Some(20.0),
    };
    let secret = |kind, value: &str| Secret { kind, value: value.into() };
    Case {
        context: Context {
            base_url: "http://127.0.0.1:8080".into(),
            deployment: Arc::new(deployment),
            key_header: "x-key".into(),
            token_header: "authorization".into(),
            name_separator: "-".into(),
            deadlines: Deadlines { probe: 5_000, commit: 5_000, slack: 500 },
            features: Feature::ALL.iter().map(ToString::to_string).collect(),
            gateway_kind: None,
            profile: Profile::Seed,
            control: true,
            settled: None,
            output: String::new(),
            refused: false,
            metrics: None,
            no_evidence: None,
            surfaces: Surfaces::default(),
        },
        trace: Trace {
            case: CaseId("c1".into()),
            exchanges: vec![exchange],
            arrivals: Vec::new(),
            connections_without_request: Vec::new(),
            secrets: vec![
                secret(SecretKind::GatewayKey, KEY),
                secret(SecretKind::UpstreamToken, CANARY),
                secret(SecretKind::StaticToken, "st4t1cst4t1c"),
                secret(SecretKind::MintedToken, "m1ntedm1nted"),
                secret(SecretKind::ClientSecret, "s3cr3ts3cr3t"),
            ],
        },
        upstream,
    }
}

impl Case {
    fn with_response(mut self, status: u16, lines: &[(&str, &str)], body: &str) -> Self {
        let exchange = self.last_exchange();
        exchange.status = Some(status);
        exchange.headers = headers(lines);
        exchange.body = body.into();
        self
    }

    fn with_exchange(mut self, change: impl FnOnce(&mut Exchange)) -> Self {
        change(self.last_exchange());
        self
    }

    fn last_exchange(&mut self) -> &mut Exchange {
        self.trace.exchanges.last_mut().unwrap()
    }

    /// Adds a changed copy of the last exchange.
    fn followed_by(mut self, change: impl FnOnce(&mut Exchange)) -> Self {
        let mut exchange = self.last_exchange().clone();
        change(&mut exchange);
        self.trace.exchanges.push(exchange);
        self
    }

    fn with_arrival(mut self, arrival: Arrival) -> Self {
        self.trace.arrivals.push(arrival);
        self
    }

    /// Adds a header field to the last upstream request.
    fn with_arriving_field(mut self, name: &str, value: &str) -> Self {
        self.trace
            .arrivals
            .last_mut()
            .unwrap()
            .headers
            .push((name.to_owned(), value.to_owned()));
        self
    }

    fn matrix_case(&self) -> MatrixCase {
        MatrixCase {
            credentials: Credentials::KeyAndToken,
            server: ServerKind::Forwarding,
            upstream: self.upstream.to_owned(),
            method: Method::ToolsList,
            route: "/mcp/{server}".to_owned(),
            strategy: Strategy::Probe,
            profile: Profile::Seed,
            protocol_version: ProtocolVersion::default(),
        }
    }

    fn observe(&self, name: &str) -> String {
        let matrix_case = self.matrix_case();
        let subject = Subject::of_matrix_case(&matrix_case, &self.context, &self.trace);
        let observable = Observable::find(name).unwrap();
        let observed = observable.observe(&subject).to_string();
        let is_possible = |value: &&str| {
            observed == "not-applicable"
                || *value == "100..599"
                || wildcard_match(value, &observed)
                || observed.starts_with("unknown")
        };
        assert!(
            observable.values.iter().any(is_possible),
            "`{observed}` is not a listed value of `{name}`"
        );
        observed
    }
}

/// A request with the caller's token, as `alpha` receives it.
fn arrival(method: &str, rpc: Option<&str>, body: &str) -> Arrival {
    Arrival {
        server: "alpha".into(),
        connection: 1,
        at_ms: 100.0,
        method: method.into(),
        target: "/mcp".into(),
        headers: headers(&[
            ("Authorization", TOKEN),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Type", "application/json"),
        ]),
        body: body.into(),
        rpc_method: rpc.map(str::to_owned),
        answered: "200".into(),
        session_issued: None,
        session_ended: None,
    }
}

fn own_arrival() -> Arrival {
    arrival(
        "POST",
        Some("tools/list"),
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#,
    )
}

fn probe_arrival() -> Arrival {
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":"#,
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"#,
        r#""clientInfo":{"name":"gateway","version":"1"}}}"#,
    );
    arrival("POST", Some("initialize"), body)
}

fn session_end(session: &str) -> Arrival {
    let mut end = arrival("DELETE", None, "");
    end.headers.push(("Mcp-Session-Id".into(), session.into()));
    end
}

fn arrival_with(authorization: &str) -> Arrival {
    let mut own = own_arrival();
    own.headers = if authorization.is_empty() {
        Vec::new()
    } else {
        headers(&[("authorization", authorization)])
    };
    own
}

#[test]
fn names_are_unique_and_observables_are_described() {
    let names: Vec<&str> = Observable::all().map(|observable| observable.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(
        Observable::all()
            .all(|observable| !observable.description.is_empty() && !observable.values.is_empty())
    );
}

#[test]
fn a_trace_without_a_request_has_unknown_observations() {
    let mut empty = case("200-json");
    empty.trace.exchanges.clear();
    assert_eq!(empty.observe("status"), "unknown: no request was sent");
    assert_eq!(empty.observe("upstream-credential"), "no-request");
}
