//! Message framing: ambiguous requests, request smuggling and limits (RFC 9112).

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{
    KEY, MESSAGE, call, call_with_body, read_response, requests, send, start, upstream,
};

#[tokio::test]
async fn a_request_that_two_parsers_may_read_differently_is_answered_400() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    let head = |lines: &str| format!("POST /mcp/alpha HTTP/1.1\r\nhost: gw\r\n{KEY}{lines}\r\n");
    let length = MESSAGE.len();
    let chunked = format!("{length:x}\r\n{MESSAGE}\r\n0\r\n\r\n");
    for bytes in [
        head("content-length: 5\r\ntransfer-encoding: chunked\r\n") + &chunked,
        head("transfer-encoding: chunked\r\ncontent-length: 5\r\n") + &chunked,
        head("transfer-encoding: gzip, chunked\r\n") + &chunked,
        head("transfer-encoding: identity\r\n") + MESSAGE,
        head("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n") + &chunked,
        head(&format!("content-length: {length}\r\ncontent-length: 5\r\n")) + MESSAGE,
        head(&format!("content-length: {length}, 5\r\n")) + MESSAGE,
        head("content-length: +5\r\n") + MESSAGE,
        call("alpha", &format!("{KEY}authorization: Bearer a\r\n folded\r\n")),
        call("alpha", &format!("{KEY}authorization : Bearer a\r\n")),
        call("alpha", &format!("{KEY}x-a: b\rx-c: d\r\n")),
        call("alpha", &format!("{KEY}x-a: b\n")),
        call("alpha", KEY).replace("\r\n", "\n"),
        call("alpha", &format!("{KEY}x-a: \0\r\n")),
        call(
            "alpha",
            &format!("{KEY}connection: close, Authorization\r\nauthorization: Bearer a\r\n"),
        ),
        call("alpha", &format!("{KEY}connection: x-litellm-api-key\r\n")),
        call("alpha", &format!("{KEY}connection: mcp-session-id\r\nmcp-session-id: s\r\n")),
    ] {
        assert_eq!(send(&gateway, &bytes).await.status, 400, "{bytes:?}");
    }
    assert_eq!(requests(&upstream).await.len(), 0);

    let valid = head("transfer-encoding: chunked\r\n") + &chunked;
    assert_eq!(send(&gateway, valid).await.status, 200);
    assert_eq!(requests(&upstream).await[0].body, MESSAGE.as_bytes());
}

/// The second request declares both `Transfer-Encoding` and `Content-Length`; its body hides a
/// third request.
#[tokio::test]
async fn a_smuggled_request_is_not_served() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    let smuggled = call("beta", KEY);
    let lines = format!("{KEY}transfer-encoding: chunked\r\n");
    let carrier = call("alpha", &lines).replace(MESSAGE, &format!("0\r\n\r\n{smuggled}"));
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let requests_to_send = format!("{}{carrier}", call("alpha", KEY));
    stream.write_all(requests_to_send.as_bytes()).await.unwrap();

    let first = read_response(&mut stream).await.status;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    // The gateway may read both requests at once, and then serves neither.
    let refused = match first {
        200 => rest.starts_with("HTTP/1.1 400 ") && !rest.contains("HTTP/1.1 200"),
        first => first == 400 && rest.is_empty(),
    };
    assert!(refused, "{first} {rest}");
    let reached_beta =
        requests(&upstream).await.iter().any(|request| request.url.path() == "/beta");
    assert!(!reached_beta);
}

/// The gateway answers while the client is still sending.
#[tokio::test]
async fn a_request_that_exceeds_a_limit_is_answered_431_or_413() {
    let upstream = upstream().await;
    let gateway = start("max_message_bytes = 100000", &upstream).await;
    let mebibyte = "x".repeat(1 << 20);
    let chunk = format!("{:x}\r\n{mebibyte}\r\n", mebibyte.len());
    for (bytes, status) in [
        (call("alpha", &format!("{KEY}x-long: {mebibyte}\r\n")), 431),
        (call("alpha", &"x-many: 1\r\n".repeat(200)), 431),
        (call_with_body("alpha", KEY, &mebibyte), 413),
        (
            format!(
                "POST /mcp/alpha HTTP/1.1\r\nhost: gw\r\n{KEY}transfer-encoding: chunked\r\n\r\n\
                 {chunk}0\r\n\r\n"
            ),
            413,
        ),
    ] {
        assert_eq!(send(&gateway, bytes).await.status, status);
    }
    assert_eq!(requests(&upstream).await.len(), 0);
}

/// RFC 9112 §3.2.
#[tokio::test]
async fn a_request_without_exactly_one_valid_host_is_answered_400() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    for host in ["", "host: a\r\nhost: a\r\n", "host: a b\r\n", "host: user@a\r\n"] {
        for path in ["/mcp/alpha", "/healthz", "/unknown"] {
            let request = format!("GET {path} HTTP/1.1\r\n{host}{KEY}\r\n");
            let response = send(&gateway, &request).await;
            assert_eq!(response.status, 400, "{request:?}");
            assert!(response.body.contains("40008"), "{}", response.body);
        }
    }
    let valid = send(&gateway, "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(valid.status, 200);
    assert_eq!(requests(&upstream).await.len(), 0);
}

/// Otherwise a proxy that keeps connections sends the request of another caller on one that is
/// about to close.
#[tokio::test]
async fn a_refusal_before_the_end_of_the_body_announces_that_the_connection_closes() {
    let upstream = upstream().await;
    let gateway = start("max_message_bytes = 1000", &upstream).await;
    let body = "x".repeat(1 << 20);
    for key in ["", "x-litellm-api-key: unknown\r\n", KEY] {
        let request = call_with_body("alpha", key, &body);
        let response = send(&gateway, &request[..request.len() - 1]).await;
        assert_eq!(response.field("connection"), Some("close"), "{}", response.head);
    }
    let complete = send(&gateway, call("alpha", "")).await;
    assert_eq!((complete.status, complete.field("connection")), (401, None));
}
