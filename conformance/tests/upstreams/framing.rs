//! The framing of requests, and the end of connections.

use mcp_preflight_conformance::upstreams::MockUpstreams;

use crate::{
    PROMPT, case,
    raw::{Call, Client, End},
    token,
};

#[tokio::test]
async fn a_connection_can_carry_several_requests() {
    let upstreams = MockUpstreams::start(5).await.unwrap();
    let mut client = Client::connect(&upstreams, "gamma").await;
    for behaviour in ["200-json", "401-full", "204-is-unknown", "200-sse", "307-other-origin"] {
        client.send(&Call::rpc("tools/list").bearer(&token("k", behaviour))).await;
    }
    let arrivals = upstreams.record().arrivals(&case("k"));
    assert_eq!(arrivals.len(), 5);
    assert!(arrivals.iter().all(|arrival| arrival.connection == arrivals[0].connection));
    assert!(arrivals.is_sorted_by(|a, b| a.at_ms <= b.at_ms));
    assert_eq!(upstreams.record().connections("gamma"), 1);
    assert_eq!(upstreams.record().connections("alpha"), 0);
}

#[tokio::test]
async fn a_chunked_body_is_decoded() {
    let upstreams = MockUpstreams::start(5).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    let token = token("ch", "200-json");
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: \
         chunked\r\n\r\n"
    );
    client
        .write(format!("{head}10;x=y\r\n{{\"jsonrpc\":\"2.0\"\r\n").as_bytes())
        .await;
    client
        .write(b"18\r\n,\"id\":1,\"method\":\"ping\"}\r\n0\r\nTrailer: yes\r\n\r\n")
        .await;
    let answer = client.send(&Call::rpc("ping").bearer(&token)).await;
    assert_eq!(answer.status(), Some(200));
    assert!(upstreams.record().wait_until_settled(&case("ch"), 0, PROMPT).await);
    let arrivals = upstreams.record().arrivals(&case("ch"));
    assert_eq!(arrivals[0].body, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body() {
    let upstreams = MockUpstreams::start(5).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client
        .write(
            b"POST /mcp HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        )
        .await;
    let interim = client.read(1 << 10, |bytes| bytes.ends_with(b"\r\n\r\n")).await;
    assert_eq!(interim.text(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write(b"{}").await;
    let answer = client.read(1 << 10, |bytes| bytes.ends_with(b"\r\n\r\n")).await;
    assert_eq!(answer.status(), Some(202));
}

#[tokio::test]
async fn a_malformed_request_is_recorded_and_rejected() {
    let upstreams = MockUpstreams::start(5).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client
        .write(format!("PRI * HTTP/2.0\r\n\r\nSM {}\r\n\r\n", token("bad", "200-json")).as_bytes())
        .await;
    let answer = client.read(1 << 10, |_| false).await;
    assert_eq!((answer.status(), answer.end), (Some(400), End::Closed));
    assert_eq!(upstreams.record().arrivals(&case("bad"))[0].answered, "400");
}

#[tokio::test]
async fn a_head_with_a_thousand_fields_is_accepted() {
    let upstreams = MockUpstreams::start(5).await.unwrap();
    let many: String = (0..1000).map(|n| format!("X-{n}: {}\r\n", "v".repeat(500))).collect();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client.write(format!("GET /mcp HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(
        client.read(1 << 20, |bytes| bytes.ends_with(b"0\r\n\r\n")).await.status(),
        Some(200)
    );
    assert_eq!(upstreams.record().unattributed()[0].headers.len(), 1000);
}

#[tokio::test]
async fn a_truncated_request_is_recorded_with_the_received_part_of_its_body() {
    let upstreams = MockUpstreams::start(5).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Length: 9\r\n\r\nhalf",
        token("cut", "200-json")
    );
    client.write(head.as_bytes()).await;
    drop(client);
    let arrivals = crate::answered(&upstreams, "cut", "connection closed by the gateway").await;
    assert_eq!(arrivals[0].body, "half");
}

#[tokio::test]
async fn dropping_the_mock_upstreams_closes_every_connection() {
    let upstreams = MockUpstreams::start(5).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    client.start(&Call::rpc("ping").bearer(&token("d", "never"))).await;
    crate::answered(&upstreams, "d", "never").await;
    drop(upstreams);
    assert_ne!(client.read(1 << 10, |_| false).await.end, End::Framed);
}
