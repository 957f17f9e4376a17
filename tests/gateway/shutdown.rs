//! Shutdown while a stream is open.

use http::Method;
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{call, client, forwarding, start};

/// The shutdown deadline is an hour, so the test would hang if the stream delayed the shutdown.
#[tokio::test]
async fn an_open_get_stream_ends_cleanly_and_does_not_delay_shutdown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n")
            .await
            .unwrap();
        let _until_closed = stream.read_to_end(&mut Vec::new()).await;
    });
    let settings = "strategy = \"deferred\"\nshutdown_deadline_ms = 3600000";
    let gateway = start(settings, &forwarding("alpha", &url)).await;
    let mut request = call(&gateway, "/mcp/alpha", "");
    *request.method_mut() = Method::GET;
    let mut response = client().request(request).await.unwrap();
    let first = response.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: {}\n\n");
    let (_, rest) = tokio::join!(gateway.stop(), response.collect());
    assert_eq!(rest.unwrap().to_bytes(), "");
    upstream.await.unwrap();
}
