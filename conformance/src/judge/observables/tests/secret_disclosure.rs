//! Observables of disclosed secrets, on hand-made traces.

use super::*;

#[test]
fn secrets_are_found_at_every_location() {
    let at = |server: &str, name: &str, value: &str| {
        case("200-json").with_arrival(Arrival {
            server: server.into(),
            headers: headers(&[(name, value)]),
            ..own_arrival()
        })
    };
    assert_eq!(
        at("alpha", "X-Key", KEY).observe("key-disclosure"),
        "gateway key to alpha in x-key"
    );
    assert_eq!(at("alpha", "authorization", TOKEN).observe("token-disclosure"), "none");
    assert_eq!(
        at("static", "authorization", TOKEN).observe("token-disclosure"),
        "caller's token to static in authorization"
    );
    assert_eq!(
        at("alpha", "x-token", TOKEN).observe("token-disclosure"),
        "caller's token to alpha in x-token"
    );
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        at("static", "x-trace", &hex).observe("token-disclosure"),
        "caller's token to static in x-trace, hex"
    );
    assert_eq!(
        at("static", CANARY, "").observe("token-disclosure"),
        "caller's token to static in c4n4ryc4n4ryc4n4"
    );
    assert_eq!(
        at("alpha", "authorization", &TOKEN[..18]).observe("token-disclosure"),
        "caller's token to alpha in authorization, 11 of its characters"
    );
    let strange = at("alpha", "authorization", TOKEN)
        .with_arriving_field("x-other", "Bearer 0th3r0th3r0th3r0.pf1.c2.200-json");
    assert_eq!(
        strange.observe("token-disclosure"),
        "another caller's token to alpha in x-other"
    );
    assert_eq!(
        at("beta", "authorization", TOKEN).observe("token-disclosure"),
        "caller's token to beta in authorization"
    );
    assert_eq!(
        at("elsewhere", "x", CANARY).observe("token-disclosure"),
        "caller's token to elsewhere in x"
    );
    assert_eq!(
        at("static", "authorization", "Bearer st4t1cst4t1c").observe("credential-disclosure"),
        "none"
    );
    assert_eq!(
        at("alpha", "authorization", "Bearer st4t1cst4t1c").observe("credential-disclosure"),
        "static token to alpha in authorization"
    );
    assert_eq!(
        at("issuer", "authorization", "Basic s3cr3ts3cr3t").observe("credential-disclosure"),
        "none"
    );
    let queried =
        case("200-json").with_arrival(Arrival { target: format!("/mcp?k={KEY}"), ..own_arrival() });
    assert_eq!(queried.observe("key-disclosure"), "gateway key to alpha in the target");
    let told = case("401-full").with_response(401, &[], &format!("{{\"token\":\"{CANARY}\"}}"));
    assert_eq!(told.observe("disclosed-to-client"), "caller's token in the body");
    let echoed = case("200-json").with_response(
        200,
        &[("x-mock-answer", "alpha/c1/1")],
        &format!("[{CANARY}]"),
    );
    assert_eq!(echoed.observe("disclosed-to-client"), "none", "the upstream speaks");
    let key = case("200-json").with_response(
        200,
        &[("x-mock-answer", "alpha/c1/1")],
        &format!("[{KEY}]"),
    );
    assert_eq!(
        key.observe("disclosed-to-client"),
        "gateway key in the body",
        "which no upstream can know"
    );
    assert_eq!(
        case("302-login")
            .with_response(302, &[("location", "http://127.0.0.1:9001/x")], "")
            .observe("disclosed-to-client"),
        "none"
    );
    assert_eq!(
        case("401-full")
            .with_response(401, &[("location", "http://127.0.0.1:9001/x")], "")
            .observe("disclosed-to-client"),
        "upstream-address"
    );
}

#[test]
fn a_token_field_that_the_gateway_does_not_know_is_an_unexpected_field() {
    let mut unknown = case("200-json")
        .with_exchange(|sent| {
            sent.sent_headers = headers(&[("authorization", KEY), ("x-token", TOKEN)]);
        })
        .with_arrival(Arrival {
            server: names::STATIC.into(),
            headers: headers(&[("authorization", "Bearer st4t1cst4t1c"), ("X-Token", TOKEN)]),
            ..own_arrival()
        });
    unknown.context.token_header = "x-token".into();
    assert_eq!(unknown.observe("token-disclosure"), "caller's token to static in x-token");
    unknown.context.features.remove("token-forwarding");
    assert_eq!(unknown.observe("token-disclosure"), "none");
    assert_eq!(unknown.observe("unexpected-forwarded-fields"), "x-token");
}

#[test]
fn a_session_id_is_disclosed_to_a_third_party() {
    let opened = |server: &str, id: &str| Arrival {
        server: server.into(),
        headers: Vec::new(),
        session_issued: Some(id.into()),
        ..own_arrival()
    };
    let names = |server: &str, name: &str, value: &str| {
        let named = Arrival {
            server: server.into(),
            headers: headers(&[(name, value)]),
            ..own_arrival()
        };
        let case = case("200-json")
            .with_arrival(opened("alpha", "a11a-a11a-a11a-a11a"))
            .with_arrival(opened("beta", "b22b-b22b-b22b-b22b"));
        let case = case
            .with_response(200, &[("mcp-session-id", "5ea1ed5ea1ed5ea1ed5ea1ed")], "")
            .with_arrival(named);
        let matrix_case = case.matrix_case();
        let subject = Subject::of_matrix_case(&matrix_case, &case.context, &case.trace);
        subject
            .disclosures()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(names("alpha", "mcp-session-id", "a11a-a11a-a11a-a11a"), "");
    assert_eq!(
        names("alpha", "x-session", "a11a-a11a-a11a-a11a"),
        "session id to alpha in x-session"
    );
    assert_eq!(
        names("alpha", "mcp-session-id", "b22b-b22b-b22b-b22b"),
        "another server's session id to alpha in mcp-session-id"
    );
    assert_eq!(
        names("alpha", "mcp-session-id", "5ea1ed5ea1ed5ea1ed5ea1ed"),
        "client's session id to alpha in mcp-session-id"
    );
}

#[test]
fn forwarded_fields_and_query_tokens_of_the_client_are_found() {
    let sent = case("200-json").with_exchange(|exchange| {
        exchange
            .sent_headers
            .extend(headers(&[("Cookie", "c=1"), ("X-Forwarded-For", "10.0.0.1")]));
    });
    let travelled = |lines: &[(&str, &str)]| {
        let case = Case {
            context: sent.context.clone(),
            trace: sent.trace.clone(),
            upstream: "200-json",
        };
        case.with_arrival(Arrival { headers: headers(lines), ..own_arrival() })
            .observe("unexpected-forwarded-fields")
    };
    assert_eq!(travelled(&[("cookie", "c=1")]), "cookie");
    assert_eq!(travelled(&[("x-forwarded-for", "10.0.0.1, 127.0.0.1")]), "x-forwarded-for");
    assert_eq!(travelled(&[("x-forwarded-for", "127.0.0.1")]), "none");
    assert_eq!(case("200-json").observe("unexpected-forwarded-fields"), "not-applicable");
    let query = |target: &str| {
        let asked = case("200-json")
            .with_exchange(|exchange| exchange.path = "/mcp/alpha?access_token=qu3ryt0ken".into());
        asked
            .with_arrival(Arrival { target: target.into(), ..own_arrival() })
            .observe("query-token")
    };
    assert_eq!(
        [query("/mcp"), query("/mcp?access_token=x"), query("/mcp?t=qu3ryt0ken")],
        ["not-forwarded", "forwarded", "forwarded"]
    );
}

#[test]
fn outputs_are_searched_if_they_were_read() {
    let wrote = |output: &str, observable: &str| {
        let mut case = case("401-full");
        case.context.output = output.into();
        case.observe(observable)
    };
    assert_eq!(wrote("", "secret-in-output"), "not-applicable");
    assert_eq!(wrote("INFO refused", "secret-in-output"), "none");
    assert_eq!(
        wrote(&format!("INFO token={}", &CANARY[..8]), "secret-in-output"),
        "caller's token in the log, 8 of its characters"
    );
    assert_eq!(wrote("INFO refused", "refusal-log-level"), "no-error");
    assert_eq!(wrote("2026 ERROR upstream", "refusal-log-level"), "error");
    assert_eq!(
        wrote("ERROR\nTraceback (most recent call last):", "refusal-log-level"),
        "traceback"
    );
}
