//! Connections on which no request arrives, and the limits of connections.

use std::time::Duration;

use mcp_preflight::gateway;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, pause},
};

use crate::harness::{RESULT, call, read_response, start, upstream};

/// The connection preface of HTTP/2 and an empty SETTINGS frame (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A HEADERS frame without END_HEADERS: the header block never ends (RFC 9113 §6.2).
const UNFINISHED_HEADERS: &[u8] = b"\0\0\x01\x01\x01\0\0\0\x01\x83";

async fn connect(gateway: &gateway::Running, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until the gateway ends the connection, and returns the time that it took.
async fn time_to_end(mut stream: TcpStream) -> Duration {
    let start = Instant::now();
    let _closed_or_reset = stream.read_to_end(&mut Vec::new()).await;
    start.elapsed()
}

#[tokio::test]
async fn a_connection_without_a_complete_request_head_ends_in_both_http_versions() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    let unfinished_headers = [PREFACE, UNFINISHED_HEADERS].concat();
    let beginnings: [&[u8]; 7] = [
        b"",
        b"P",
        b"PRI * HT",
        PREFACE,
        &PREFACE[..24],
        &unfinished_headers,
        b"POST /mcp",
    ];
    let mut connections = Vec::new();
    for beginning in beginnings {
        connections.push((beginning, connect(&gateway, beginning).await));
    }
    pause();
    for (beginning, connection) in connections {
        let ended = time_to_end(connection).await;
        assert!(ended < Duration::from_secs(15), "{ended:?} {}", beginning.escape_ascii());
    }
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_last_request() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    let mut stream = connect(&gateway, b"GET /healthz HTTP/1.1\r\nhost: gw\r\n\r\n").await;
    assert_eq!(read_response(&mut stream).await.status, 200);
    pause();
    assert!(time_to_end(stream).await < Duration::from_secs(90));
}

#[tokio::test]
async fn connections_are_limited_for_each_address() {
    let upstream = upstream().await;
    let gateway = start("max_connections_per_peer = 2", &upstream).await;
    let request = call("alpha", "x-litellm-api-key: sk\r\n");
    let mut first = connect(&gateway, request.as_bytes()).await;
    let mut second = connect(&gateway, request.as_bytes()).await;
    assert_eq!(read_response(&mut first).await.status, 200);
    assert_eq!(read_response(&mut second).await.status, 200);
    let mut third = TcpStream::connect(gateway.address()).await.unwrap();
    let read = third.read_to_end(&mut Vec::new()).await;
    assert!(read.is_err() || read.is_ok_and(|length| length == 0));
}

#[tokio::test]
async fn a_connection_beyond_the_total_waits_until_another_one_ends() {
    let upstream = upstream().await;
    let gateway = start("max_connections = 1", &upstream).await;
    let request = call("alpha", "x-litellm-api-key: sk\r\n");
    let mut first = connect(&gateway, request.as_bytes()).await;
    assert_eq!(read_response(&mut first).await.status, 200);
    let mut second = connect(&gateway, request.as_bytes()).await;
    first.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(read_response(&mut first).await.status, 200);
    drop(first);
    assert_eq!(read_response(&mut second).await.body, RESULT);
}
