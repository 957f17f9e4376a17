//! Which case a request belongs to: by script, by assigned behaviour, by session, or none.

use mcp_preflight_conformance::{cases::token_script::TokenScript, upstreams::MockUpstreams};

use crate::{
    PROMPT, case,
    raw::{Call, Client},
    token,
};

#[tokio::test]
async fn a_request_is_recorded_as_it_was_sent() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    let call = Call::rpc("tools/list")
        .header("auTHORization", &format!("Bearer {}", token("c1", "200-json")));
    let answer = client.send(&call).await;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(answer.header("x-mock-answer"), Some("alpha/c1/1"));

    let arrivals = upstreams.record().arrivals(&case("c1"));
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].server, "alpha");
    assert_eq!(arrivals[0].method, "POST");
    assert_eq!(arrivals[0].target, "/mcp");
    assert_eq!(arrivals[0].rpc_method.as_deref(), Some("tools/list"));
    assert_eq!(arrivals[0].answered, "200");
    let lines: Vec<&str> = arrivals[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(lines, ["Host", "content-TYPE", "auTHORization", "Content-Length"]);
    assert!(upstreams.record().unattributed().is_empty());
    assert!(upstreams.record().wait_until_settled(&case("c1"), 0, PROMPT).await);
}

#[tokio::test]
async fn a_request_without_a_script_belongs_to_no_case_and_gets_a_healthy_response() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let answer = Client::connect(&upstreams, "beta").await.send(&Call::rpc("ping")).await;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(answer.header("x-mock-answer"), Some("beta/-/1"));
    assert_eq!(upstreams.record().unattributed().len(), 1);
}

#[tokio::test]
async fn a_token_anywhere_in_a_request_attributes_it() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let leaked = token("leak", "403-bare");
    let mut open = Client::connect(&upstreams, "open").await;
    for call in [
        Call::rpc("ping").header("X-Forwarded-Token", &leaked),
        Call::bare("GET", &format!("/mcp?access_token={leaked}")),
        Call::post(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"token":"{leaked}"}}}}"#
        )),
    ] {
        open.send(&call).await;
    }
    let issuer = Call::bare("POST", "/token").bearer(&leaked);
    Client::connect(&upstreams, "issuer").await.send(&issuer).await;
    let servers: Vec<String> = upstreams
        .record()
        .arrivals(&case("leak"))
        .into_iter()
        .map(|arrival| arrival.server)
        .collect();
    assert_eq!(servers, ["open", "open", "open", "issuer"]);
    assert!(upstreams.record().unattributed().is_empty());
}

#[tokio::test]
async fn a_script_sets_a_behaviour_per_server_and_other_servers_are_healthy() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let behaviours = vec![
        ("alpha".to_owned(), "401-bare".to_owned()),
        ("beta".to_owned(), "503".to_owned()),
    ];
    let token = TokenScript {
        case: case("m"),
        behaviours,
        canary: "x".to_owned(),
        suffix: String::new(),
    }
    .token();
    for (server, status) in [("alpha", 401), ("beta", 503), ("gamma", 200)] {
        let answer = Client::connect(&upstreams, server)
            .await
            .send(&Call::rpc("ping").bearer(&token))
            .await;
        assert_eq!(answer.status(), Some(status), "{server}");
    }
}

#[tokio::test]
async fn an_assigned_behaviour_is_for_one_server_and_ends_with_its_guard() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let assigned = upstreams.assign_behaviour("static", case("so"), "401-bare").await;
    let own = Call::rpc("ping").bearer(&upstreams.deployment().static_token.clone());
    let mut there = Client::connect(&upstreams, "static").await;
    assert_eq!(there.send(&own).await.status(), Some(401));
    assert_eq!(Client::connect(&upstreams, "open").await.send(&own).await.status(), Some(200));
    let scripted = Call::rpc("ping").bearer(&token("other", "503"));
    assert_eq!(
        there.send(&scripted).await.status(),
        Some(503),
        "a script overrides the assigned behaviour"
    );
    drop(assigned);
    assert_eq!(there.send(&own).await.status(), Some(200));
    assert_eq!(upstreams.record().arrivals(&case("so")).len(), 1);
    assert_eq!(upstreams.record().unattributed().len(), 2);
}

#[tokio::test]
async fn a_forgotten_case_has_no_requests_and_no_sessions() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    Client::connect(&upstreams, "alpha")
        .await
        .send(&Call::rpc("initialize").bearer(&token("f", "200-json")))
        .await;
    upstreams.record().forget(&case("f"));
    assert!(upstreams.record().arrivals(&case("f")).is_empty());
    assert_eq!(upstreams.record().live_sessions(&case("f")), 0);
}

#[tokio::test]
async fn an_unknown_behaviour_is_recorded_as_an_error_of_the_suite() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let answer = Client::connect(&upstreams, "alpha")
        .await
        .send(&Call::rpc("ping").bearer(&token("u", "418")))
        .await;
    assert_eq!(answer.status(), Some(500));
    assert_eq!(upstreams.record().arrivals(&case("u"))[0].answered, "unknown behaviour: 418");
}
