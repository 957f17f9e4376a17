//! Where secrets turn up, on traces made by hand.

use super::*;

#[test]
fn secrets_are_found_in_any_place() {
    let at = |server: &str, name: &str, value: &str| {
        case("200-json").arrives(Arrival {
            server: server.into(),
            headers: headers(&[(name, value)]),
            ..own()
        })
    };
    assert_eq!(at("alpha", "X-Key", KEY).see("key-disclosure"), "gateway key to alpha in x-key");
    assert_eq!(at("alpha", "authorization", TOKEN).see("token-disclosure"), "none");
    assert_eq!(
        at("static", "authorization", TOKEN).see("token-disclosure"),
        "caller's token to static in authorization"
    );
    assert_eq!(
        at("alpha", "x-token", TOKEN).see("token-disclosure"),
        "caller's token to alpha in x-token"
    );
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        at("static", "x-trace", &hex).see("token-disclosure"),
        "caller's token to static in x-trace, hex"
    );
    assert_eq!(
        at("static", CANARY, "").see("token-disclosure"),
        "caller's token to static in c4n4ryc4n4ryc4n4"
    );
    assert_eq!(
        at("alpha", "authorization", &TOKEN[..18]).see("token-disclosure"),
        "caller's token to alpha in authorization, its first 11 characters"
    );
    let strange = at("alpha", "authorization", TOKEN)
        .with_arriving("x-other", "Bearer 0th3r0th3r0th3r0.pf1.c2.200-json");
    assert_eq!(strange.see("token-disclosure"), "another caller's token to alpha in x-other");
    assert_eq!(
        at("beta", "authorization", TOKEN).see("token-disclosure"),
        "caller's token to beta in authorization"
    );
    assert_eq!(
        at("elsewhere", "x", CANARY).see("token-disclosure"),
        "caller's token to elsewhere in x"
    );
    assert_eq!(
        at("static", "authorization", "Bearer st4t1cst4t1c").see("credential-disclosure"),
        "none"
    );
    assert_eq!(
        at("alpha", "authorization", "Bearer st4t1cst4t1c").see("credential-disclosure"),
        "static token to alpha in authorization"
    );
    assert_eq!(
        at("issuer", "authorization", "Basic s3cr3ts3cr3t").see("credential-disclosure"),
        "none"
    );
    let queried = case("200-json").arrives(Arrival { target: format!("/mcp?k={KEY}"), ..own() });
    assert_eq!(queried.see("key-disclosure"), "gateway key to alpha in the target");
    let told = case("401-full").answered(401, &[], &format!("{{\"token\":\"{CANARY}\"}}"));
    assert_eq!(told.see("disclosed-to-client"), "caller's token in the body");
    let echoed =
        case("200-json").answered(200, &[("x-mock-answer", "alpha/c1/1")], &format!("[{CANARY}]"));
    assert_eq!(echoed.see("disclosed-to-client"), "none", "the upstream speaks");
    let key =
        case("200-json").answered(200, &[("x-mock-answer", "alpha/c1/1")], &format!("[{KEY}]"));
    assert_eq!(
        key.see("disclosed-to-client"),
        "gateway key in the body",
        "which no upstream can know"
    );
    assert_eq!(
        case("302-login")
            .answered(302, &[("location", "http://127.0.0.1:9001/x")], "")
            .see("disclosed-to-client"),
        "none"
    );
    assert_eq!(
        case("401-full")
            .answered(401, &[("location", "http://127.0.0.1:9001/x")], "")
            .see("disclosed-to-client"),
        "upstream-address"
    );
}

#[test]
fn sessions_are_between_two() {
    let opened = |server: &str, id: &str| Arrival {
        server: server.into(),
        headers: Vec::new(),
        session_issued: Some(id.into()),
        ..own()
    };
    let names = |server: &str, name: &str, value: &str| {
        let named = Arrival {
            server: server.into(),
            headers: headers(&[(name, value)]),
            ..own()
        };
        let case = case("200-json")
            .arrives(opened("alpha", "a11a-a11a-a11a-a11a"))
            .arrives(opened("beta", "b22b-b22b-b22b-b22b"));
        let case = case
            .answered(200, &[("mcp-session-id", "5ea1ed5ea1ed5ea1ed5ea1ed")], "")
            .arrives(named);
        let matrix_case = case.matrix_case();
        let subject = Subject::of_matrix_case(&matrix_case, &case.context, &case.trace);
        subject.leaks().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
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
fn what_the_client_sent_along_is_followed() {
    let sent = case("200-json").with(|exchange| {
        exchange
            .sent_headers
            .extend(headers(&[("Cookie", "c=1"), ("X-Forwarded-For", "10.0.0.1")]))
    });
    let travelled = |lines: &[(&str, &str)]| {
        let case = Case {
            context: sent.context.clone(),
            trace: sent.trace.clone(),
            upstream: "200-json",
        };
        case.arrives(Arrival { headers: headers(lines), ..own() })
            .see("unexpected-forwarded-fields")
    };
    assert_eq!(travelled(&[("cookie", "c=1")]), "cookie");
    assert_eq!(travelled(&[("x-forwarded-for", "10.0.0.1, 127.0.0.1")]), "x-forwarded-for");
    assert_eq!(travelled(&[("x-forwarded-for", "127.0.0.1")]), "none");
    assert_eq!(case("200-json").see("unexpected-forwarded-fields"), "not-applicable");
    let query = |target: &str| {
        let asked = case("200-json")
            .with(|exchange| exchange.path = "/mcp/alpha?access_token=qu3ryt0ken".into());
        asked.arrives(Arrival { target: target.into(), ..own() }).see("query-token")
    };
    assert_eq!(
        [query("/mcp"), query("/mcp?access_token=x"), query("/mcp?t=qu3ryt0ken")],
        ["not-forwarded", "forwarded", "forwarded"]
    );
}

#[test]
fn outputs_are_searched_where_there_are_any() {
    let wrote = |output: &str, observable: &str| {
        let mut case = case("401-full");
        case.context.output = output.into();
        case.see(observable)
    };
    assert_eq!(wrote("", "secret-in-output"), "not-applicable");
    assert_eq!(wrote("INFO refused", "secret-in-output"), "none");
    assert_eq!(
        wrote(&format!("INFO token={}", &CANARY[..8]), "secret-in-output"),
        "caller's token in the log, its first 8 characters"
    );
    assert_eq!(wrote("INFO refused", "refusal-log-level"), "no-error");
    assert_eq!(wrote("2026 ERROR upstream", "refusal-log-level"), "error");
    assert_eq!(
        wrote("ERROR\nTraceback (most recent call last):", "refusal-log-level"),
        "traceback"
    );
}
