//! HTTP versions and TLS.

use http::{StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use wiremock::{Mock, MockServer, matchers::method};

use crate::{
    harness::{call, forwarding, message, result, send, start},
    tls_upstream::TlsUpstream,
};

#[tokio::test]
async fn a_client_may_use_http2_without_tls() {
    let upstream = MockServer::start().await;
    Mock::given(method("POST")).respond_with(result()).mount(&upstream).await;
    let gateway = start("", &forwarding("alpha", &upstream.uri())).await;
    let stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let request = call(&gateway, "/mcp/alpha", message("tools/list"));
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    drop((sender, response));
    gateway.stop().await;
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_upstream_with_a_trusted_certificate_is_reached_over_tls_and_http2() {
    let upstream = TlsUpstream::start().await;
    let settings = format!("trusted_certificates = [\"{}\"]", upstream.certificate().display());
    let gateway = start(&settings, &forwarding("tls", &upstream.url())).await;
    let request = call(&gateway, "/mcp/tls", message("tools/list"));
    let (status, headers, _) = send(request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["x-version"], "HTTP/2.0");
}

#[tokio::test]
async fn an_upstream_with_an_untrusted_certificate_is_502_without_its_address() {
    let upstream = TlsUpstream::start().await;
    let gateway = start("", &forwarding("tls", &upstream.url())).await;
    let request = call(&gateway, "/mcp/tls", message("tools/list"));
    let (status, _, body) = send(request).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(!String::from_utf8_lossy(&body).contains("localhost"), "{body:?}");
}
