//! An upstream closes the connection in the middle of a response body.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_preflight::gateway::Running;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::harness::{call, client, forwarding, message, start};

/// The first half of the response body.
const HALF: &str = r#"{"jsonrpc":"2.0","id":7,"#;

/// An upstream that ends every response after half of its body, and its URL.
async fn truncating_upstream(content_type: &'static str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(truncate_response(stream, content_type));
        }
    });
    (url, serving)
}

async fn truncate_response(mut stream: TcpStream, content_type: &str) {
    let mut request = Vec::new();
    // Requests of the gateway are small: the message ends with the first `}}`.
    while !request.ends_with(b"}}") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    let length = 2 * HALF.len();
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{HALF}"
    );
    stream.write_all(response.as_bytes()).await.unwrap();
}

async fn http2_connection(gateway: &Running) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

fn tool_call(gateway: &Running) -> Request<Full<Bytes>> {
    call(gateway, "/mcp/alpha", message("tools/call"))
}

/// Asserts that the client sees the status, the data before the break, and the break.
async fn assert_visibly_truncated(response: Response<Incoming>, version: Version) {
    assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
    let mut body = response.into_body();
    let mut received = Vec::new();
    let broke_off = loop {
        match body.frame().await {
            Some(Ok(frame)) => received.extend(frame.into_data().unwrap_or_default()),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert_eq!(String::from_utf8_lossy(&received), HALF);
    assert!(broke_off, "the truncated body was presented as complete");
}

/// An HTTP/2 reset must not overtake the response head and the data before it (OPN-11). Several
/// requests at once, because the order of the writes depends on which task runs first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_truncated_response_shows_its_status_and_data_over_http2() {
    for content_type in ["application/json", "text/event-stream"] {
        let (url, upstream) = truncating_upstream(content_type).await;
        let gateway = start("strategy = \"deferred\"", &forwarding("alpha", &url)).await;
        let sender = http2_connection(&gateway).await;
        for _ in 0..25 {
            let mut requests = JoinSet::new();
            for _ in 0..8 {
                let response = sender.clone().send_request(tool_call(&gateway));
                requests.spawn(async move {
                    let response = response.await.expect("a response head before the reset");
                    assert_visibly_truncated(response, Version::HTTP_2).await;
                });
            }
            requests.join_all().await;
        }
        upstream.abort();
    }
}

#[tokio::test]
async fn a_truncated_response_shows_its_status_and_data_over_http1() {
    for content_type in ["application/json", "text/event-stream"] {
        let (url, upstream) = truncating_upstream(content_type).await;
        let gateway = start("strategy = \"deferred\"", &forwarding("alpha", &url)).await;
        for _ in 0..20 {
            let response = client().request(tool_call(&gateway)).await.unwrap();
            assert_visibly_truncated(response, Version::HTTP_11).await;
        }
        upstream.abort();
    }
}
