//! Observables of the response to the client, on hand-made traces.

use super::*;

#[test]
fn status_ending_and_time_are_those_of_the_last_exchange() {
    let hung = case("never").with_exchange(|exchange| {
        exchange.status = None;
        exchange.ending = Ending::HungBeforeHead;
        exchange.head_after_ms = None;
    });
    assert_eq!(
        (
            hung.observe("status"),
            hung.observe("ending"),
            hung.observe("response-head-time")
        ),
        ("none".into(), "hung-before-head".into(), "timeout".into())
    );
    let after = |ms| {
        case("200-json")
            .with_exchange(|exchange| exchange.head_after_ms = Some(ms))
            .observe("response-head-time")
    };
    assert_eq!(
        [after(1_500.0), after(1_501.0), after(5_501.0)],
        ["within-1-second", "within-probe-deadline", "late"]
    );
    let gone = case("200-json").with_exchange(|exchange| {
        exchange.status = None;
        exchange.ending = Ending::NoHead;
        exchange.head_after_ms = None;
    });
    assert_eq!(
        (gone.observe("response-head-time"), gone.observe("challenge")),
        ("not-applicable".into(), "not-applicable".into())
    );
}

#[test]
fn a_success_before_the_upstream_responded_is_early() {
    let committed = |upstream, ms| {
        case(upstream)
            .with_exchange(|exchange| exchange.head_after_ms = Some(ms))
            .observe("early-success")
    };
    assert_eq!(committed("slow-100", 99.0), "early");
    assert_eq!(committed("slow-100", 101.0), "after-upstream");
    assert_eq!(committed("never", 4_999.0), "early");
    assert_eq!(committed("never", 5_001.0), "after-upstream");
    assert_eq!(
        case("never").with_response(504, &[], "").observe("early-success"),
        "after-upstream"
    );
}

#[test]
fn challenges_are_parsed_strictly_and_leniently() {
    let told = |challenge: &str, observable: &str| {
        case("401-full")
            .with_response(401, &[("WWW-Authenticate", challenge)], "")
            .observe(observable)
    };
    let sound = concat!(
        r#"Bearer realm="x", error="invalid_token", authorization_uri="#,
        r#""http://127.0.0.1:8080/.well-known/oauth-authorization-server/mcp/alpha", "#,
        r#"resource_metadata="http://127.0.0.1:9001/.well-known/x""#,
    );
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
    let absent = case("401-full").with_response(401, &[], "");
    assert_eq!(
        (
            absent.observe("challenge"),
            absent.observe("bearer-challenge"),
            absent.observe("challenge-error")
        ),
        ("absent".into(), "not-applicable".into(), "not-applicable".into())
    );
}

#[test]
fn other_header_fields_have_distinct_values() {
    let head = |upstream, lines: &[(&str, &str)], observable: &str| {
        case(upstream).with_response(503, lines, "").observe(observable)
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
fn each_kind_of_hidden_refusal_has_its_own_value() {
    let json = [("content-type", "application/json")];
    let sse = [("content-type", "text/event-stream")];
    let refused = |lines: &[(&str, &str)], body: &str| {
        let mut asked = own_arrival();
        asked.answered = "401".into();
        case("401-full")
            .with_response(200, lines, body)
            .with_arrival(asked)
            .observe("result")
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
    let event = "event: message\r\ndata: \
        {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\r\n\r\ndata: \
        {\"jsonrpc\":\"2.0\",\"id\":7,\ndata: \"error\":{\"code\":1}}\n\n";
    assert_eq!(refused(&sse, event), "json-rpc-error-200");
    assert_eq!(
        refused(&[("Content-Type", "Text/Event-Stream;charset=utf-8")], event),
        "json-rpc-error-200"
    );
    assert_eq!(refused(&sse, ": nothing yet\n\n"), "opaque");
    assert_eq!(refused(&json, ""), "no-body");
    assert_eq!(case("401-full").with_response(401, &[], "").observe("result"), "absent");
    assert_eq!(case("200-json").with_arrival(own_arrival()).observe("result"), "upstream");
    assert_eq!(case("200-json").observe("result"), "cached-success");
    let broken = case("truncated")
        .with_response(200, &json, "{\"jsonrpc\"")
        .with_exchange(|exchange| exchange.ending = Ending::Broken);
    assert_eq!(broken.observe("result"), "broken");
    assert_eq!(
        broken
            .with_exchange(|exchange| exchange.ending = Ending::HungAfterHead)
            .observe("result"),
        "hung"
    );
}

#[test]
fn bodies_of_refusals_are_parsed() {
    let body = |status, body: &str, observable: &str| {
        case("403-bare").with_response(status, &[], body).observe(observable)
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
fn internal_details_are_found_in_errors_and_addresses_in_every_response() {
    let details = |status, body: &str| {
        case("500")
            .with_response(status, &[("content-type", "application/json")], body)
            .observe("internal-details")
    };
    assert_eq!(details(502, "cannot reach http://127.0.0.1:9002/mcp"), "upstream-address");
    assert_eq!(details(500, "Traceback (most recent call last):\n  File"), "stack-trace");
    assert_eq!(
        details(502, "tcp connect error: Connection refused (os error 111)"),
        "library-message"
    );
    assert_eq!(details(502, "bad gateway"), "none");
    assert_eq!(details(200, "Connection refused (os error 111)"), "not-applicable");
    assert_eq!(details(200, "for url 'http://127.0.0.1:9001/mcp'"), "upstream-address");
    assert_eq!(details(200, "for url 'http://localhost:9001/mcp'"), "upstream-address");
    assert_eq!(details(200, "port 127.0.0.1:90010"), "not-applicable");
    assert_eq!(
        details(200, r#"{"error":{"code":1,"message":"http://127.0.0.1:9001/"}}"#),
        "upstream-address"
    );
}
