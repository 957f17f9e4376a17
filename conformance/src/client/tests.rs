//! The library client and the raw connection record the same exchanges.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::trace::{Ending, Exchange};

/// What a test server does after its response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    Closes,
    KeepsOpen,
}
use Afterwards::{Closes, KeepsOpen};

/// A server that reads the head of one request and sends these bytes.
async fn server(response: &'static str, afterwards: Afterwards) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            stream.read_buf(&mut seen).await.unwrap();
        }
        stream.write_all(response.as_bytes()).await.unwrap();
        if afterwards == KeepsOpen {
            std::future::pending::<()>().await;
        }
    });
    format!("http://{address}")
}

fn request(raw: bool) -> Request {
    let headers = vec![("Accept".to_owned(), "application/json".to_owned())];
    Request {
        method: "GET".into(),
        path: "/mcp/alpha".into(),
        headers,
        body: String::new(),
        raw,
    }
}

async fn exchange(response: &'static str, afterwards: Afterwards, raw: bool) -> Exchange {
    let timeouts = ResponseTimeouts {
        head: Duration::from_millis(400),
        body: Duration::from_millis(400),
    };
    let client = Client::new(&server(response, afterwards).await, timeouts).unwrap();
    client.send(&request(raw)).await
}

#[tokio::test]
async fn library_client_and_raw_connection_record_the_same_endings() {
    let cases = [
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
            KeepsOpen,
            Some(401),
            Ending::Complete,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            KeepsOpen,
            Some(200),
            Ending::Complete,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            Closes,
            Some(200),
            Ending::Broken,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            Closes,
            Some(200),
            Ending::Broken,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            KeepsOpen,
            Some(200),
            Ending::HungAfterHead,
        ),
        ("HTTP/1.1 200 OK\r\nConte", KeepsOpen, None, Ending::HungBeforeHead),
        ("", Closes, None, Ending::NoHead),
    ];
    for (response, afterwards, status, ending) in cases {
        for raw in [false, true] {
            let seen = exchange(response, afterwards, raw).await;
            assert_eq!((seen.status, seen.ending), (status, ending), "raw {raw}: {response:?}");
        }
    }
}

#[tokio::test]
async fn the_http2_client_starts_with_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |request: http::Request<_>| async move {
            let version = format!("{:?}", request.version());
            Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(
                bytes::Bytes::from(version),
            )))
        };
        let http =
            hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
        http.serve_connection(
            hyper_util::rt::TokioIo::new(stream),
            hyper::service::service_fn(answer),
        )
        .await
    });
    let timeouts = ResponseTimeouts { head: Duration::from_secs(5), body: Duration::from_secs(5) };
    let seen = Client::new(&base_url, timeouts)
        .unwrap()
        .over_http2()
        .unwrap()
        .send(&request(false))
        .await;
    assert_eq!(
        (seen.status, seen.body.as_str(), seen.ending),
        (Some(200), "HTTP/2.0", Ending::Complete)
    );
}

#[tokio::test]
async fn informational_responses_are_skipped() {
    let response =
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchange(response, KeepsOpen, true).await.status, Some(401));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let response = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchange(response, KeepsOpen, false).await.status, Some(302));
}

#[tokio::test]
async fn a_refused_connection_has_no_response_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let timeouts = ResponseTimeouts { head: Duration::from_secs(5), body: Duration::from_secs(5) };
    let client = Client::new(&format!("http://{address}"), timeouts).unwrap();
    for raw in [false, true] {
        assert_eq!(client.send(&request(raw)).await.ending, Ending::NoHead);
    }
}

#[test]
fn a_base_url_without_scheme_http_is_rejected() {
    let timeouts = ResponseTimeouts { head: Duration::ZERO, body: Duration::ZERO };
    assert!(Client::new("https://gateway.test", timeouts).is_err());
    assert!(Client::new("gateway", timeouts).is_err());
}

#[test]
fn a_listening_stream_is_read_for_two_seconds() {
    let timeouts =
        ResponseTimeouts { head: Duration::from_secs(40), body: Duration::from_secs(40) };
    assert_eq!(timeouts.body_of("POST"), Duration::from_secs(40));
    assert_eq!(timeouts.body_of("GET"), Duration::from_secs(2));
}
