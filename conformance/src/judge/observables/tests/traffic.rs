//! What the upstreams' face shows, on traces made by hand.

use super::*;

#[test]
fn what_an_upstream_is_shown_is_told_by_kind() {
    let saw = |authorization: &str| {
        case("200-json")
            .arrives(authorized_by(authorization))
            .see("upstream-credential")
    };
    assert_eq!(saw(TOKEN), "token");
    assert_eq!(saw(""), "no-credential");
    assert_eq!(saw(&format!("Bearer {TOKEN}")), "altered-token");
    assert_eq!(saw(&format!("Bearer {KEY}")), "gateway-key");
    assert_eq!(saw("Bearer st4t1cst4t1c"), "server-credential");
    assert_eq!(saw("Basic eDp5"), "other");
    assert_eq!(case("200-json").see("upstream-credential"), "no-request");
    let both = case("200-json").arrives(own()).arrives(authorized_by(""));
    assert_eq!(both.see("upstream-credential"), "no-credential+token");
    let mut discovery = own();
    discovery.target = "/.well-known/oauth-protected-resource/mcp".into();
    assert_eq!(case("200-json").arrives(discovery).see("upstream-credential"), "no-request");
    let mut renamed = case("200-json").arrives(own());
    renamed.context.token_header = "x-upstream-authorization".into();
    renamed.last().sent_headers =
        headers(&[("x-upstream-authorization", &TOKEN["Bearer ".len()..])]);
    assert_eq!(renamed.see("upstream-credential"), "token");
    let scheme = |authorization: &str| {
        case("200-json").arrives(authorized_by(authorization)).see("forwarded-schemes")
    };
    assert_eq!(
        [scheme(TOKEN), scheme(&format!("bearer {TOKEN}")), scheme("Basic x"), scheme("")],
        ["one", "repeated", "none", "not-applicable"]
    );
}

#[test]
fn other_servers_and_other_places_are_noticed() {
    let at = |server: &str, target: &str| {
        case("307-other-origin").arrives(Arrival {
            server: server.into(),
            target: target.into(),
            ..own()
        })
    };
    assert_eq!(at("beta", "/mcp").see("other-servers-contacted"), "some");
    assert_eq!(
        at("beta", "/.well-known/oauth-protected-resource").see("other-servers-contacted"),
        "none"
    );
    assert_eq!(at("issuer", "/token").see("other-servers-contacted"), "none");
    assert_eq!(at("elsewhere", "/mcp").see("redirect-target-contacted"), "request-with-token");
    assert_eq!(at("alpha", "/moved").see("redirect-target-contacted"), "same-origin");
    assert_eq!(at("alpha", "/mcp").see("redirect-target-contacted"), "none");
}

#[test]
fn a_probe_is_what_neither_is_the_client_s_nor_rides_with_it() {
    let mut session = probe();
    session.session_issued = Some("s-probe".into());
    let probed = case("200-json")
        .arrives(session.clone())
        .arrives(end_of("s-probe"))
        .arrives(own());
    assert_eq!(
        (probed.see("probe"), probed.see("probes"), probed.see("upstream-attempts")),
        ("post-initialize".into(), "1".into(), "1".into())
    );
    assert_eq!(probed.see("probe-session"), "ended");
    assert_eq!(
        case("200-json").arrives(session.clone()).arrives(own()).see("probe-session"),
        "not-ended"
    );
    let mut tokenless = end_of("s-probe");
    tokenless.headers.remove(0);
    assert_eq!(
        case("200-json")
            .arrives(session.clone())
            .arrives(tokenless)
            .see("probe-session"),
        "ended-without-token"
    );

    // A gateway that opens a session for each call: nothing of that is a probe.
    let mut riding = own();
    riding.headers.push(("mcp-session-id".into(), "s-probe".into()));
    let opened = case("200-json")
        .arrives(session.clone())
        .arrives(riding.clone())
        .arrives(end_of("s-probe"));
    assert_eq!(
        (opened.see("probe"), opened.see("probe-session")),
        ("none".into(), "none".into())
    );
    // Unless it asked before it opened one.
    let mut asked_before = probe();
    asked_before.session_issued = Some("s-first".into());
    assert_eq!(
        case("200-json")
            .arrives(asked_before)
            .arrives(session)
            .arrives(riding)
            .see("probes"),
        "1"
    );
}

#[test]
fn a_message_that_means_the_same_is_the_gateway_s_where_the_message_itself_arrived() {
    let mut alike = own();
    alike.body = r#"{"jsonrpc":"2.0","id":0,"method":"tools/list"}"#.into();
    let both = case("200-json").arrives(alike.clone()).arrives(own());
    assert_eq!(
        (both.see("upstream-attempts"), both.see("probe")),
        ("1".into(), "post-tools/list".into())
    );
    assert_eq!(case("200-json").arrives(alike).see("upstream-attempts"), "1");
    let retried = case("reset-before-head").arrives(own()).arrives(own()).arrives(own());
    assert_eq!(
        (retried.see("upstream-attempts"), retried.see("probes")),
        ("3+".into(), "0".into())
    );
}

#[test]
fn a_client_s_own_initialize_and_end_are_no_probe() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"clientInfo":{"name":"client","version":"1"}}}"#;
    let initialize = case("200-json").with(|exchange| exchange.sent_body = body.into());
    let seen = initialize.arrives(probe()).arrives(arrival("POST", Some("initialize"), body));
    assert_eq!((seen.see("upstream-attempts"), seen.see("probes")), ("1".into(), "1".into()));
    let delete = case("200-json").with(|exchange| {
        exchange.method = "DELETE".into();
        exchange.sent_body = String::new();
        exchange.sent_headers.push(("mcp-session-id".into(), "s-client".into()));
    });
    let mut session = probe();
    session.session_issued = Some("s-probe".into());
    let seen = delete.arrives(session).arrives(end_of("s-probe")).arrives(end_of("s-client"));
    assert_eq!(
        (seen.see("upstream-attempts"), seen.see("probe-session")),
        ("1".into(), "ended".into())
    );
}

#[test]
fn the_way_a_probe_is_made_is_told() {
    let of = |probe: Arrival, observable: &str| {
        case("200-json").arrives(probe).arrives(own()).see(observable)
    };
    assert_eq!(of(probe(), "probe-form"), "well-formed");
    assert_eq!(of(probe(), "probe-target"), "endpoint");
    assert_eq!(of(probe(), "probe-marker"), "marked");
    assert_eq!(of(Arrival { target: "/".into(), ..probe() }, "probe-target"), "other: /");
    assert_eq!(
        of(Arrival { method: "HEAD".into(), rpc_method: None, ..probe() }, "probe"),
        "head"
    );
    assert_eq!(
        of(Arrival { method: "HEAD".into(), rpc_method: None, ..probe() }, "probe-form"),
        "missing: message"
    );
    assert_eq!(of(Arrival { body: "{".into(), ..probe() }, "probe-form"), "missing: json");
    assert_eq!(
        of(Arrival { body: probe().body.replace("2.0", "1.0"), ..probe() }, "probe-form"),
        "missing: jsonrpc"
    );
    assert_eq!(
        of(Arrival { body: probe().body.replace("\"id\":0,", ""), ..probe() }, "probe-form"),
        "missing: id"
    );
    assert_eq!(
        of(
            Arrival {
                body: probe().body.replace("capabilities", "abilities"),
                ..probe()
            },
            "probe-form"
        ),
        "missing: /params/capabilities"
    );
    assert_eq!(
        of(Arrival { headers: headers(&[("accept", "*/*")]), ..probe() }, "probe-form"),
        "missing: accept"
    );
    assert_eq!(of(Arrival { body: "{}".into(), ..probe() }, "probe-marker"), "unmarked");
    let mut posing = probe();
    posing.body = "{}".into();
    posing.headers.push(("user-agent".into(), "client".into()));
    assert_eq!(of(posing, "probe-marker"), "client-identity");
    assert_eq!(case("200-json").arrives(own()).see("probe-form"), "not-applicable");
    let wait = |ms| {
        case("never")
            .arrives(probe())
            .arrives(Arrival { at_ms: 100.0 + ms, ..own() })
            .see("probe-wait")
    };
    assert_eq!([wait(5_400.0), wait(5_600.0)], ["within-deadline", "beyond-deadline"]);
    assert_eq!(case("never").arrives(probe()).see("probe-wait"), "not-applicable");
    let end = |ms| Arrival { at_ms: 100.0 + ms, ..end_of("s-probe") };
    let session = || Arrival { session_issued: Some("s-probe".into()), ..probe() };
    let waited = |ms| {
        case("delete-never")
            .arrives(session())
            .arrives(end(10.0))
            .arrives(Arrival { at_ms: 110.0 + ms, ..own() })
            .see("probe-session-end")
    };
    assert_eq!(
        [waited(-5.0), waited(499.0), waited(501.0)],
        ["in-background", "in-background", "waited-for"]
    );
    let tried = [
        case("never").arrives(probe()),
        case("never").arrives(probe()).arrives(probe()),
        case("never").arrives(own()),
    ];
    assert_eq!(tried.map(|case| case.see("request-after-probe")), ["no", "yes", "yes"]);
}

#[test]
fn a_probe_s_session_is_recognised_in_the_client_s_hands() {
    let mut session = probe();
    session.session_issued = Some("s-probe".into());
    let given = |id: &str| {
        case("200-json")
            .answered(200, &[("mcp-session-id", id)], "")
            .arrives(session.clone())
            .arrives(own())
            .see("client-session")
    };
    assert_eq!([given("s-probe"), given("s-other")], ["probe", "own"]);
    assert_eq!(case("200-json").arrives(own()).see("client-session"), "none");
}

#[test]
fn what_an_upstream_said_and_whether_it_is_done_is_passed_on() {
    let mut refused = own();
    refused.answered = "401".into();
    assert_eq!(
        case("200-then-401").arrives(probe()).arrives(refused).see("upstream-status"),
        "401"
    );
    assert_eq!(case("200-then-401").arrives(probe()).see("upstream-status"), "not-applicable");
    let mut settled = case("200-sse");
    assert_eq!(settled.see("upstream-settled"), "not-applicable");
    settled.context.settled = Some(false);
    assert_eq!(settled.see("upstream-settled"), "in-flight");
}
