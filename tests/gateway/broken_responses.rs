//! An upstream closes the connection in the middle of a response body, or sends a response that
//! would be read differently elsewhere.

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
async fn truncating_upstream(content_type: &str) -> (String, JoinHandle<()>) {
    let length = 2 * HALF.len();
    upstream_with_response(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{HALF}"
    ))
    .await
}

/// An upstream that answers one request of each connection with these bytes, and its URL.
async fn upstream_with_response(response: String) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(respond(stream, response.clone()));
        }
    });
    (url, serving)
}

async fn respond(mut stream: TcpStream, response: String) {
    let mut request = Vec::new();
    // Requests of the gateway are small: the message ends with the first `}}`.
    while !request.ends_with(b"}}") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
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

/// A chunked response with the complete result and these further lines in its head and its trailer
/// section.
fn chunked_response(head: &str, trailer: &str) -> String {
    let result = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let length = result.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\
         transfer-encoding: chunked\r\n\r\n{length:x}\r\n{result}\r\n0\r\n{trailer}\r\n"
    )
}

/// The fields of a trailer section would need the same selection as those of the head.
#[tokio::test]
async fn trailers_of_an_upstream_are_not_relayed() {
    let trailer = "set-cookie: a=b\r\nmcp-session-id: s\r\nwww-authenticate: Bearer\r\n";
    let response = chunked_response("trailer: set-cookie\r\n", trailer);
    let (url, upstream) = upstream_with_response(response).await;
    let gateway = start("strategy = \"deferred\"", &forwarding("alpha", &url)).await;
    let mut sender = http2_connection(&gateway).await;
    let response = sender.send_request(tool_call(&gateway)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap();
    assert!(body.trailers().is_none());
    assert!(String::from_utf8_lossy(&body.to_bytes()).contains("result"));
    upstream.abort();
}

/// RFC 9112 §6.3: its end is not certain.
#[tokio::test]
async fn a_response_with_two_lengths_is_not_presented_as_complete() {
    let response = chunked_response("content-length: 5\r\n", "");
    let (url, upstream) = upstream_with_response(response).await;
    let gateway = start("strategy = \"deferred\"", &forwarding("alpha", &url)).await;
    let response = client().request(tool_call(&gateway)).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    upstream.abort();
}
