//! A session belongs to the case that opened it, and a case settles when its sessions have ended.

use std::time::Duration;

use mcp_preflight_conformance::upstreams::MockUpstreams;

use crate::{
    PROMPT, answered, case,
    raw::{Call, Client},
    token,
};

async fn opened(client: &mut Client, name: &str, behaviour: &str) -> String {
    let answer = client.send(&Call::rpc("initialize").bearer(&token(name, behaviour))).await;
    answer.header("mcp-session-id").expect("initialize issues a session").to_owned()
}

#[tokio::test]
async fn a_session_is_recorded_when_it_is_issued_and_ended() {
    let upstreams = MockUpstreams::start(3).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    let session = opened(&mut client, "s", "200-json").await;
    assert_eq!(upstreams.record().live_sessions(&case("s")), 1);
    let end = Call::bare("DELETE", "/mcp")
        .bearer(&token("s", "200-json"))
        .header("Mcp-Session-Id", &session);
    assert_eq!(client.send(&end).await.status(), Some(204));
    assert_eq!(client.send(&end).await.status(), Some(404), "the session has ended");
    let arrivals = upstreams.record().arrivals(&case("s"));
    assert_eq!(arrivals[0].session_issued.as_ref(), Some(&session));
    let ended: Vec<Option<String>> =
        arrivals.into_iter().map(|arrival| arrival.session_ended).collect();
    assert_eq!(ended, [None, Some(session), None]);
    assert_eq!(upstreams.record().live_sessions(&case("s")), 0);
}

#[tokio::test]
async fn a_case_settles_when_its_last_session_ends() {
    let upstreams = MockUpstreams::start(3).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    let session = opened(&mut client, "s", "200-json").await;
    assert!(
        !upstreams
            .record()
            .wait_until_settled(&case("s"), 0, Duration::from_millis(20))
            .await,
        "the session is open"
    );
    assert!(
        upstreams.record().wait_until_settled(&case("s"), 1, PROMPT).await,
        "one open session is permitted"
    );
    let (name, end) = (case("s"), Call::bare("DELETE", "/mcp").header("Mcp-Session-Id", &session));
    let (settled, _) =
        tokio::join!(upstreams.record().wait_until_settled(&name, 0, PROMPT), client.send(&end));
    assert!(settled, "the DELETE without a token is attributed by its session");
}

#[tokio::test]
async fn a_late_delete_is_attributed_to_the_case_of_its_session() {
    let upstreams = MockUpstreams::start(3).await.unwrap();
    let mut client = Client::connect(&upstreams, "static").await;
    let first = upstreams.assign_behaviour("static", case("1"), "200-json").await;
    let session = client
        .send(&Call::rpc("initialize"))
        .await
        .header("mcp-session-id")
        .unwrap()
        .to_owned();
    drop(first);
    let _second = upstreams.assign_behaviour("static", case("2"), "500").await;
    let end = Call::bare("DELETE", "/mcp").header("Mcp-Session-Id", &session);
    assert_eq!(client.send(&end).await.status(), Some(204));
    assert_eq!(upstreams.record().arrivals(&case("1")).len(), 2);
    assert!(upstreams.record().arrivals(&case("2")).is_empty());
}

#[tokio::test]
async fn good_then_401_accepts_one_request_and_the_end_of_its_session() {
    let upstreams = MockUpstreams::start(3).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    let session = opened(&mut client, "g", "200-then-401").await;
    let end = Call::bare("DELETE", "/mcp")
        .bearer(&token("g", "200-then-401"))
        .header("Mcp-Session-Id", &session);
    assert_eq!(client.send(&end).await.status(), Some(204));
    assert_eq!(
        client
            .send(&Call::rpc("tools/list").bearer(&token("g", "200-then-401")))
            .await
            .status(),
        Some(401)
    );
}

#[tokio::test]
async fn a_request_without_a_response_is_in_flight_until_its_peer_closes() {
    let upstreams = MockUpstreams::start(3).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client.start(&Call::rpc("ping").bearer(&token("n", "never"))).await;
    answered(&upstreams, "n", "never").await;
    assert!(
        !upstreams
            .record()
            .wait_until_settled(&case("n"), 0, Duration::from_millis(20))
            .await
    );
    drop(client);
    assert!(upstreams.record().wait_until_settled(&case("n"), 0, PROMPT).await);
}

#[tokio::test]
async fn an_endless_body_ends_when_the_peer_closes() {
    let upstreams = MockUpstreams::start(3).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client.start(&Call::rpc("ping").bearer(&token("e", "401-body-endless"))).await;
    client.read(64 << 10, |_| false).await;
    drop(client);
    assert!(upstreams.record().wait_until_settled(&case("e"), 0, PROMPT).await);
}

#[tokio::test]
async fn a_request_of_a_forgotten_case_is_late() {
    let upstreams = MockUpstreams::start(3).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client.send(&Call::rpc("ping").bearer(&token("s", "200-json"))).await;
    assert_eq!(upstreams.record().take_late_arrivals(), []);
    upstreams.record().forget(&case("s"));
    client.send(&Call::rpc("tools/list").bearer(&token("s", "200-json"))).await;
    client.send(&Call::rpc("ping").bearer(&token("t", "200-json"))).await;
    let late: Vec<Option<String>> = upstreams
        .record()
        .take_late_arrivals()
        .into_iter()
        .map(|arrival| arrival.rpc_method)
        .collect();
    assert_eq!(late, [Some("tools/list".to_owned())]);
    assert_eq!(upstreams.record().take_late_arrivals(), [], "the late requests were taken");
}
