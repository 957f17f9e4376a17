//! Responses that wait: for other requests, for a release by the suite, for a delay.

use mcp_preflight_conformance::upstreams::MockUpstreams;

use crate::{
    answered, case,
    raw::{Call, Client},
    token,
};

#[tokio::test]
async fn concurrent_requests_to_five_servers_open_the_barrier() {
    let upstreams = MockUpstreams::start(9).await.unwrap();
    let mut clients = Vec::new();
    for server in ["alpha", "beta", "gamma", "delta", "epsilon"] {
        let mut client = Client::connect(&upstreams, server).await;
        client.start(&Call::rpc("ping").bearer(&token("b", "barrier-5"))).await;
        clients.push(client);
    }
    for client in &mut clients {
        let answer = client.read(1 << 10, |bytes| bytes.ends_with(b"}")).await;
        assert_eq!(answer.status(), Some(200));
    }
}

#[tokio::test]
async fn a_single_request_at_the_barrier_gets_500() {
    let upstreams = MockUpstreams::start(9).await.unwrap();
    let answer = Client::connect(&upstreams, "alpha")
        .await
        .send(&Call::rpc("ping").bearer(&token("b", "barrier-5")))
        .await;
    assert_eq!(answer.status(), Some(500));
    assert_eq!(upstreams.record().arrivals(&case("b"))[0].answered, "500");
}

#[tokio::test]
async fn each_progress_event_waits_for_its_release() {
    let upstreams = MockUpstreams::start(9).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client.start(&Call::echo().bearer(&token("p", "stream-progress"))).await;
    let head = client.read(1 << 10, |bytes| bytes.ends_with(b"\r\n\r\n")).await;
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert!(head.body().is_empty(), "no event was released yet");
    for step in 1..=3 {
        upstreams.release_event(&case("p"));
        let event = client.read(1 << 10, |bytes| bytes.ends_with(b"\n\n\r\n")).await.text();
        assert!(
            event.contains("notifications/progress")
                && event.contains(&format!(r#""progress":{step}"#)),
            "{event}"
        );
    }
    upstreams.release_event(&case("p"));
    let last = client.read(1 << 10, |bytes| bytes.ends_with(b"0\r\n\r\n")).await.text();
    assert!(last.contains(r#""text":"alpha: hi""#), "{last}");
}

#[tokio::test]
async fn a_peer_that_closes_before_its_response_gets_no_session() {
    let upstreams = MockUpstreams::start(9).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client.start(&Call::rpc("initialize").bearer(&token("w", "slow-100"))).await;
    answered(&upstreams, "w", "no response yet").await;
    drop(client);
    let arrivals = answered(&upstreams, "w", "connection closed by the gateway").await;
    assert_eq!(arrivals[0].session_issued, None);
    assert_eq!(upstreams.record().live_sessions(&case("w")), 0);
}
