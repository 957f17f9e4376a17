//! Observables of probes, on hand-made traces.

use super::*;

#[test]
fn a_request_outside_the_client_s_sessions_is_a_probe() {
    let mut session = probe_arrival();
    session.session_issued = Some("s-probe".into());
    let probed = case("200-json")
        .with_arrival(session.clone())
        .with_arrival(session_end("s-probe"))
        .with_arrival(own_arrival());
    assert_eq!(
        (
            probed.observe("probe"),
            probed.observe("probes"),
            probed.observe("upstream-attempts")
        ),
        ("post-initialize".into(), "1".into(), "1".into())
    );
    assert_eq!(probed.observe("probe-session"), "ended");
    assert_eq!(
        case("200-json")
            .with_arrival(session.clone())
            .with_arrival(own_arrival())
            .observe("probe-session"),
        "not-ended"
    );
    let mut tokenless = session_end("s-probe");
    tokenless.headers.remove(0);
    assert_eq!(
        case("200-json")
            .with_arrival(session.clone())
            .with_arrival(tokenless)
            .observe("probe-session"),
        "ended-without-token"
    );

    // A gateway that opens a session for each call: nothing of that is a probe.
    let mut riding = own_arrival();
    riding.headers.push(("mcp-session-id".into(), "s-probe".into()));
    let opened = case("200-json")
        .with_arrival(session.clone())
        .with_arrival(riding.clone())
        .with_arrival(session_end("s-probe"));
    assert_eq!(
        (opened.observe("probe"), opened.observe("probe-session")),
        ("none".into(), "none".into())
    );
    // Unless it asked before it opened one.
    let mut asked_before = probe_arrival();
    asked_before.session_issued = Some("s-first".into());
    assert_eq!(
        case("200-json")
            .with_arrival(asked_before)
            .with_arrival(session)
            .with_arrival(riding)
            .observe("probes"),
        "1"
    );
}

#[test]
fn a_message_of_the_same_meaning_is_a_probe_if_the_message_itself_arrived() {
    let mut alike = own_arrival();
    alike.body = r#"{"jsonrpc":"2.0","id":0,"method":"tools/list"}"#.into();
    let both = case("200-json").with_arrival(alike.clone()).with_arrival(own_arrival());
    assert_eq!(
        (both.observe("upstream-attempts"), both.observe("probe")),
        ("1".into(), "post-tools/list".into())
    );
    assert_eq!(case("200-json").with_arrival(alike).observe("upstream-attempts"), "1");
    let retried = case("reset-before-head")
        .with_arrival(own_arrival())
        .with_arrival(own_arrival())
        .with_arrival(own_arrival());
    assert_eq!(
        (retried.observe("upstream-attempts"), retried.observe("probes")),
        ("3+".into(), "0".into())
    );
}

#[test]
fn the_client_s_own_initialize_and_delete_are_not_probes() {
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":"#,
        r#"{"clientInfo":{"name":"client","version":"1"}}}"#,
    );
    let initialize = case("200-json").with_exchange(|exchange| exchange.sent_body = body.into());
    let seen = initialize.with_arrival(probe_arrival()).with_arrival(arrival(
        "POST",
        Some("initialize"),
        body,
    ));
    assert_eq!(
        (seen.observe("upstream-attempts"), seen.observe("probes")),
        ("1".into(), "1".into())
    );
    let delete = case("200-json").with_exchange(|exchange| {
        exchange.method = "DELETE".into();
        exchange.sent_body = String::new();
        exchange.sent_headers.push(("mcp-session-id".into(), "s-client".into()));
    });
    let mut session = probe_arrival();
    session.session_issued = Some("s-probe".into());
    let seen = delete
        .with_arrival(session)
        .with_arrival(session_end("s-probe"))
        .with_arrival(session_end("s-client"));
    assert_eq!(
        (seen.observe("upstream-attempts"), seen.observe("probe-session")),
        ("1".into(), "ended".into())
    );
}

#[test]
fn form_target_and_timing_of_a_probe_are_observed() {
    let of = |probe: Arrival, observable: &str| {
        case("200-json")
            .with_arrival(probe)
            .with_arrival(own_arrival())
            .observe(observable)
    };
    assert_eq!(of(probe_arrival(), "probe-form"), "well-formed");
    assert_eq!(of(probe_arrival(), "probe-target"), "endpoint");
    assert_eq!(of(probe_arrival(), "probe-marker"), "marked");
    assert_eq!(
        of(Arrival { target: "/".into(), ..probe_arrival() }, "probe-target"),
        "other: /"
    );
    assert_eq!(
        of(Arrival { method: "HEAD".into(), rpc_method: None, ..probe_arrival() }, "probe"),
        "head"
    );
    assert_eq!(
        of(
            Arrival { method: "HEAD".into(), rpc_method: None, ..probe_arrival() },
            "probe-form"
        ),
        "missing: message"
    );
    assert_eq!(
        of(Arrival { body: "{".into(), ..probe_arrival() }, "probe-form"),
        "missing: json"
    );
    assert_eq!(
        of(
            Arrival {
                body: probe_arrival().body.replace("2.0", "1.0"),
                ..probe_arrival()
            },
            "probe-form"
        ),
        "missing: jsonrpc"
    );
    assert_eq!(
        of(
            Arrival {
                body: probe_arrival().body.replace("\"id\":0,", ""),
                ..probe_arrival()
            },
            "probe-form"
        ),
        "missing: id"
    );
    assert_eq!(
        of(
            Arrival {
                body: probe_arrival().body.replace("capabilities", "abilities"),
                ..probe_arrival()
            },
            "probe-form"
        ),
        "missing: /params/capabilities"
    );
    assert_eq!(
        of(
            Arrival { headers: headers(&[("accept", "*/*")]), ..probe_arrival() },
            "probe-form"
        ),
        "missing: accept"
    );
    assert_eq!(of(Arrival { body: "{}".into(), ..probe_arrival() }, "probe-marker"), "unmarked");
    let mut posing = probe_arrival();
    posing.body = "{}".into();
    posing.headers.push(("user-agent".into(), "client".into()));
    assert_eq!(of(posing, "probe-marker"), "client-identity");
    assert_eq!(
        case("200-json").with_arrival(own_arrival()).observe("probe-form"),
        "not-applicable"
    );
    let wait = |ms| {
        case("never")
            .with_arrival(probe_arrival())
            .with_arrival(Arrival { at_ms: 100.0 + ms, ..own_arrival() })
            .observe("probe-wait")
    };
    assert_eq!([wait(5_400.0), wait(5_600.0)], ["within-deadline", "beyond-deadline"]);
    assert_eq!(
        case("never").with_arrival(probe_arrival()).observe("probe-wait"),
        "not-applicable"
    );
    let end = |ms| Arrival { at_ms: 100.0 + ms, ..session_end("s-probe") };
    let session = || Arrival { session_issued: Some("s-probe".into()), ..probe_arrival() };
    let waited = |ms| {
        case("delete-never")
            .with_arrival(session())
            .with_arrival(end(10.0))
            .with_arrival(Arrival { at_ms: 110.0 + ms, ..own_arrival() })
            .observe("probe-session-end")
    };
    assert_eq!(
        [waited(-5.0), waited(499.0), waited(501.0)],
        ["in-background", "in-background", "waited-for"]
    );
    let tried = [
        case("never").with_arrival(probe_arrival()),
        case("never").with_arrival(probe_arrival()).with_arrival(probe_arrival()),
        case("never").with_arrival(own_arrival()),
    ];
    assert_eq!(tried.map(|case| case.observe("request-after-probe")), ["no", "yes", "yes"]);
}

#[test]
fn a_probe_s_session_id_is_found_in_the_response_to_the_client() {
    let mut session = probe_arrival();
    session.session_issued = Some("s-probe".into());
    let given = |id: &str| {
        case("200-json")
            .with_response(200, &[("mcp-session-id", id)], "")
            .with_arrival(session.clone())
            .with_arrival(own_arrival())
            .observe("client-session")
    };
    assert_eq!([given("s-probe"), given("s-other")], ["probe", "own"]);
    assert_eq!(case("200-json").with_arrival(own_arrival()).observe("client-session"), "none");
}
