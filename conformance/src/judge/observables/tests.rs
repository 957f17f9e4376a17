use super::*;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Strategy},
        deployment::{ConfiguredServer, names},
        token_script::CaseId,
    },
    trace::{Ending, Headers, Secret, SecretKind},
};

const TOKEN: &str = "Bearer c4n4ryc4n4ryc4n4.pf1.c1.200-json";
const CANARY: &str = "c4n4ryc4n4ryc4n4";
const KEY: &str = "k3yk3yk3yk3yk3yk";

/// A trace in the making: one exchange with `alpha`, and what the upstreams saw.
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
            features: BTreeSet::new(),
            profile: Profile::Seed,
            control: true,
            settled: None,
            output: String::new(),
            refused: false,
            metrics: None,
            surfaces: Surfaces::default(),
        },
        trace: Trace {
            case: CaseId("c1".into()),
            exchanges: vec![exchange],
            arrivals: Vec::new(),
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
    fn answered(mut self, status: u16, lines: &[(&str, &str)], body: &str) -> Self {
        let exchange = self.last();
        exchange.status = Some(status);
        exchange.headers = headers(lines);
        exchange.body = body.into();
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Exchange)) -> Self {
        change(self.last());
        self
    }

    fn last(&mut self) -> &mut Exchange {
        self.trace.exchanges.last_mut().unwrap()
    }

    /// Another exchange, like the last one.
    fn again(mut self, change: impl FnOnce(&mut Exchange)) -> Self {
        let mut exchange = self.last().clone();
        change(&mut exchange);
        self.trace.exchanges.push(exchange);
        self
    }

    fn arrives(mut self, arrival: Arrival) -> Self {
        self.trace.arrivals.push(arrival);
        self
    }

    /// With a line more in the head of the last request that arrived.
    fn with_arriving(mut self, name: &str, value: &str) -> Self {
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

    fn see(&self, observable: &str) -> String {
        let matrix_case = self.matrix_case();
        let seen = Observable::find(observable)
            .unwrap()
            .look(&Subject::of_matrix_case(&matrix_case, &self.context, &self.trace))
            .to_string();
        let values = Observable::find(observable).unwrap().values;
        let known = |value: &&str| {
            seen == "not-applicable"
                || *value == "100..599"
                || crate::cases::pattern::wild(value, &seen)
                || seen.starts_with("unknown")
        };
        assert!(
            values.iter().any(known),
            "`{observable}` says `{seen}`, which is not in its vocabulary"
        );
        seen
    }
}

/// A request with the caller's token, as `alpha` sees it.
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

fn own() -> Arrival {
    arrival(
        "POST",
        Some("tools/list"),
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#,
    )
}

fn probe() -> Arrival {
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"gateway","version":"1"}}}"#;
    arrival("POST", Some("initialize"), body)
}

fn end_of(session: &str) -> Arrival {
    let mut end = arrival("DELETE", None, "");
    end.headers.push(("Mcp-Session-Id".into(), session.into()));
    end
}

fn authorized_by(authorization: &str) -> Arrival {
    let mut own = own();
    own.headers = if authorization.is_empty() {
        Vec::new()
    } else {
        headers(&[("authorization", authorization)])
    };
    own
}

mod leaks;
mod traffic;

#[test]
fn names_are_unique_and_say_what_they_tell() {
    let names: Vec<&str> = Observable::all().map(|observable| observable.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(
        Observable::all()
            .all(|observable| !observable.description.is_empty() && !observable.values.is_empty())
    );
}

#[test]
fn status_ending_and_time_are_the_last_exchange_s() {
    let hung = case("never").with(|exchange| {
        exchange.status = None;
        exchange.ending = Ending::HungBeforeHead;
        exchange.head_after_ms = None;
    });
    assert_eq!(
        (hung.see("status"), hung.see("ending"), hung.see("response-head-time")),
        ("none".into(), "hung-before-head".into(), "timeout".into())
    );
    let after = |ms| {
        case("200-json")
            .with(|exchange| exchange.head_after_ms = Some(ms))
            .see("response-head-time")
    };
    assert_eq!(
        [after(1_500.0), after(1_501.0), after(5_501.0)],
        ["within-1-second", "within-probe-deadline", "late"]
    );
    let gone = case("200-json").with(|exchange| {
        exchange.status = None;
        exchange.ending = Ending::NoHead;
        exchange.head_after_ms = None;
    });
    assert_eq!(
        (gone.see("response-head-time"), gone.see("challenge")),
        ("not-applicable".into(), "not-applicable".into())
    );
}

#[test]
fn a_success_is_early_where_no_upstream_can_have_said_so() {
    let committed = |upstream, ms| {
        case(upstream)
            .with(|exchange| exchange.head_after_ms = Some(ms))
            .see("early-success")
    };
    assert_eq!(committed("slow-100", 99.0), "early");
    assert_eq!(committed("slow-100", 101.0), "after-upstream");
    assert_eq!(committed("never", 4_999.0), "early");
    assert_eq!(committed("never", 5_001.0), "after-upstream");
    assert_eq!(case("never").answered(504, &[], "").see("early-success"), "after-upstream");
}

#[test]
fn challenges_are_read_by_the_letter_and_then_for_their_meaning() {
    let told = |challenge: &str, observable: &str| {
        case("401-full")
            .answered(401, &[("WWW-Authenticate", challenge)], "")
            .see(observable)
    };
    let sound = r#"Bearer realm="x", error="invalid_token", authorization_uri="http://127.0.0.1:8080/.well-known/oauth-authorization-server/mcp/alpha", resource_metadata="http://127.0.0.1:9001/.well-known/x""#;
    for (observable, expected) in [
        ("challenge", "well-formed"),
        ("bearer-challenge", "with-parameters"),
        ("challenge-parameters", "valid"),
        ("authorization-uri", "gateway"),
        ("resource-metadata", "upstream"),
        ("challenge-error", "invalid_token"),
        ("challenge-realm", "present"),
        ("challenge-size", "small"),
    ] {
        assert_eq!(told(sound, observable), expected, "{observable}");
    }
    let unquoted = "Bearer authorization_uri=http://127.0.0.1:8080/mcp/beta, error=nonsense";
    for (observable, expected) in [
        ("challenge", "unquoted"),
        ("challenge-parameters", "unquoted: authorization_uri"),
        ("authorization-uri", "gateway-without-server"),
        ("resource-metadata", "absent"),
        ("challenge-error", "other: nonsense"),
        ("challenge-realm", "absent"),
    ] {
        assert_eq!(told(unquoted, observable), expected, "{observable}");
    }
    assert_eq!(told("Bearer", "bearer-challenge"), "bare");
    assert_eq!(told("Basic realm=\"x\"", "bearer-challenge"), "absent");
    assert_eq!(told("Bearer a=\"1\", A=\"2\"", "challenge-parameters"), "repeated: A");
    assert_eq!(
        told("Bearer authorization_uri=\"http://127.0.0.1:80801/alpha\"", "authorization-uri"),
        "foreign"
    );
    assert_eq!(told(", ,", "challenge"), "malformed: no challenge in it");
    assert_eq!(told("\"", "challenge"), "malformed: expected a scheme at byte 0");
    assert_eq!(
        told(&format!("Bearer realm=\"{}\"", "x".repeat(5_000)), "challenge-size"),
        "large"
    );
    let absent = case("401-full").answered(401, &[], "");
    assert_eq!(
        (
            absent.see("challenge"),
            absent.see("bearer-challenge"),
            absent.see("challenge-error")
        ),
        ("absent".into(), "not-applicable".into(), "not-applicable".into())
    );
}

#[test]
fn the_rest_of_the_head_is_told_apart() {
    let head = |upstream, lines: &[(&str, &str)], observable: &str| {
        case(upstream).answered(503, lines, "").see(observable)
    };
    assert_eq!(head("503-retry-after", &[("Retry-After", "11")], "retry-after"), "kept");
    assert_eq!(head("503-retry-after", &[("Retry-After", "12")], "retry-after"), "changed: 12");
    assert_eq!(head("503-retry-after", &[], "retry-after"), "absent");
    assert_eq!(head("503", &[], "retry-after"), "not-applicable");
    assert_eq!(head("407", &[("Proxy-Authenticate", "Basic")], "proxy-authenticate"), "present");
    assert_eq!(
        head("503", &[("Cache-Control", "private, No-Store")], "cache-control"),
        "no-store"
    );
    assert_eq!(head("503", &[("Cache-Control", "private")], "cache-control"), "other: private");
    assert_eq!(head("503", &[("X-Accel-Buffering", "no")], "buffering-hint"), "off");
    assert_eq!(head("503", &[("x-mock-answer", "alpha/c1/1")], "upstream-marker"), "present");
    assert_eq!(head("503", &[], "upstream-marker"), "absent");
    assert_eq!(
        head("401-hostile", &[("x", "a\u{1}")], "injected-bytes"),
        "control-character: x"
    );
    assert_eq!(head("401-hostile", &[("x", "é")], "injected-bytes"), "non-ascii: x");
    assert_eq!(
        head("401-hostile", &[("Set-Cookie", "stolen=1")], "injected-bytes"),
        "header: Set-Cookie"
    );
    assert_eq!(
        head("401-hostile", &[("X-Anything", "\", stolen=1")], "injected-bytes"),
        "header: X-Anything"
    );
    assert_eq!(
        head("401-hostile", &[("Set-Cookie", "affinity=b2; Path=/")], "injected-bytes"),
        "none"
    );
    assert_eq!(head("401-hostile", &[("x", "a\tb")], "injected-bytes"), "none");
}

#[test]
fn the_four_masks_have_names_of_their_own() {
    let json = [("content-type", "application/json")];
    let sse = [("content-type", "text/event-stream")];
    let refused = |lines: &[(&str, &str)], body: &str| {
        let mut asked = own();
        asked.answered = "401".into();
        case("401-full").answered(200, lines, body).arrives(asked).see("result")
    };
    assert_eq!(
        refused(&json, r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#),
        "empty-success"
    );
    assert_eq!(
        refused(&json, r#"{"jsonrpc":"2.0","id":7,"result":{"tools":null}}"#),
        "empty-success"
    );
    assert_eq!(
        refused(&json, r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"echo"}]}}"#),
        "cached-success"
    );
    assert_eq!(
        refused(
            &json,
            r#"{"jsonrpc":"2.0","id":7,"result":{"isError":true,"content":[{"type":"text"}]}}"#
        ),
        "error-in-success"
    );
    assert_eq!(
        refused(&json, r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"no"}}"#),
        "json-rpc-error-200"
    );
    let event = "event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\ndata: \"error\":{\"code\":1}}\n\n";
    assert_eq!(refused(&sse, event), "json-rpc-error-200");
    assert_eq!(
        refused(&[("Content-Type", "Text/Event-Stream;charset=utf-8")], event),
        "json-rpc-error-200"
    );
    assert_eq!(refused(&sse, ": nothing yet\n\n"), "opaque");
    assert_eq!(refused(&json, ""), "no-body");
    assert_eq!(case("401-full").answered(401, &[], "").see("result"), "absent");
    assert_eq!(case("200-json").arrives(own()).see("result"), "upstream");
    assert_eq!(case("200-json").see("result"), "cached-success");
    let broken = case("truncated")
        .answered(200, &json, "{\"jsonrpc\"")
        .with(|exchange| exchange.ending = Ending::Broken);
    assert_eq!(broken.see("result"), "broken");
    assert_eq!(
        broken.with(|exchange| exchange.ending = Ending::HungAfterHead).see("result"),
        "hung"
    );
}

#[test]
fn bodies_of_refusals_are_read() {
    let body = |status, body: &str, observable: &str| {
        case("403-bare").answered(status, &[], body).see(observable)
    };
    let error =
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":40301,"message":"alpha says 403 Forbidden"}}"#;
    for (observable, expected) in [
        ("body-kind", "json-rpc-error"),
        ("response-id", "echoed"),
        ("error-code", "application"),
        ("status-wording", "matches"),
        ("named-refusing-server", "named"),
    ] {
        assert_eq!(body(403, error, observable), expected, "{observable}");
    }
    assert_eq!(body(401, error, "status-wording"), "contradicts");
    assert_eq!(body(403, "no", "status-wording"), "not-mentioned");
    let numbered =
        r#"{"jsonrpc":"2.0","id":2403,"error":{"code":40103,"message":"401 Unauthorized"}}"#;
    assert_eq!(body(401, numbered, "status-wording"), "matches", "an id is no word");
    assert_eq!(body(403, "no", "named-refusing-server"), "unnamed");
    assert_eq!(body(200, error, "status-wording"), "not-applicable");
    assert_eq!(
        body(403, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001}}"#, "response-id"),
        "null"
    );
    assert_eq!(
        body(403, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001}}"#, "error-code"),
        "reserved"
    );
    assert_eq!(body(403, r#"{"jsonrpc":"2.0","error":{}}"#, "response-id"), "absent");
    assert_eq!(body(403, r#"{"jsonrpc":"2.0","error":{}}"#, "error-code"), "absent");
    assert_eq!(body(403, r#"{"jsonrpc":"2.0","id":8,"error":{}}"#, "response-id"), "other");
    assert_eq!(body(403, r#"{"error":"invalid_token"}"#, "body-kind"), "json");
    assert_eq!(body(403, "<!DOCTYPE html><p>", "body-kind"), "html");
    assert_eq!(body(403, "no", "body-kind"), "text");
    assert_eq!(body(403, "", "body-kind"), "empty");
}

#[test]
fn the_inside_is_recognised_in_errors_and_nowhere_else() {
    let told = |status, body: &str| {
        case("500")
            .answered(status, &[("content-type", "application/json")], body)
            .see("internal-details")
    };
    assert_eq!(told(502, "cannot reach http://127.0.0.1:9002/mcp"), "upstream-address");
    assert_eq!(told(500, "Traceback (most recent call last):\n  File"), "stack-trace");
    assert_eq!(
        told(502, "tcp connect error: Connection refused (os error 111)"),
        "library-message"
    );
    assert_eq!(told(502, "bad gateway"), "none");
    assert_eq!(told(200, "http://127.0.0.1:9001/"), "not-applicable");
    assert_eq!(
        told(200, r#"{"error":{"code":1,"message":"http://127.0.0.1:9001/"}}"#),
        "upstream-address"
    );
}

#[test]
fn several_exchanges_are_held_against_each_other() {
    let refused = |path: &str, body: &str| {
        let (path, body) = (path.to_owned(), body.to_owned());
        move |exchange: &mut Exchange| {
            exchange.path = path;
            exchange.status = Some(404);
            exchange.headers = headers(&[("date", "today"), ("content-type", "application/json")]);
            exchange.body = body;
        }
    };
    let pair = |body: &str| {
        case("200-json")
            .with(refused("/mcp/restricted", r#"{"id":1,"error":"no restricted"}"#))
            .again(refused("/mcp/nosuch", body))
    };
    assert_eq!(pair(r#"{"id":2,"error":"no nosuch"}"#).see("first-two-responses"), "same");
    assert_eq!(
        pair(r#"{"id":2,"error":"unknown"}"#).see("first-two-responses"),
        "different-body"
    );
    assert_eq!(
        pair("")
            .again(|_| ())
            .with(|exchange| exchange.status = None)
            .see("all-statuses"),
        "404,404,none"
    );
    assert_eq!(pair("").see("all-statuses"), "404");
    let other = case("200-json").again(|exchange| exchange.status = Some(403));
    assert_eq!(other.see("first-two-responses"), "different-status");
    let other =
        case("200-json").again(|exchange| exchange.headers.push(("x-why".into(), "policy".into())));
    assert_eq!(other.see("first-two-responses"), "different-headers");
    let challenged = |realm: &str| {
        let value = format!("Bearer realm=\"{realm}\"");
        case("401-full")
            .answered(401, &[("www-authenticate", "Bearer realm=\"gateway\"")], "")
            .again(|exchange| exchange.headers = headers(&[("www-authenticate", &value)]))
    };
    assert_eq!(
        [
            challenged("gateway").see("first-two-challenges"),
            challenged("alpha").see("first-two-challenges")
        ],
        ["same", "different"]
    );
    let connected = |connections: &[u64]| {
        connections
            .iter()
            .fold(case("200-json"), |case, id| case.arrives(Arrival { connection: *id, ..own() }))
            .see("connections-per-exchange")
    };
    assert_eq!(
        [
            connected(&[1, 1, 1, 1]),
            connected(&[1, 1, 2]),
            connected(&[1, 2]),
            connected(&[1])
        ],
        ["reused", "some-reused", "not-reused", "not-applicable"]
    );
}

#[test]
fn nothing_is_known_of_a_trace_without_a_request() {
    let mut empty = case("200-json");
    empty.trace.exchanges.clear();
    assert_eq!(empty.see("status"), "unknown: no request was sent");
    assert_eq!(empty.see("upstream-credential"), "no-request");
}
