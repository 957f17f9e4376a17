//! Requests to client-credentials servers.

use http::StatusCode;
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, header, method, path},
};

use crate::harness::{call, message, result, send, start};

/// The configuration of a server `m` whose token comes from this authorization server.
fn server(url: &str, authorization_server: &str) -> String {
    format!(
        r#"
[[server]]
name = "m"
url = "{url}/mcp"
[server.client_credentials]
token_url = "{authorization_server}/token"
client_id = "gw"
client_secret = {{ env = "SECRET" }}
"#
    )
}

/// Issues the token `first`, then `second`, and no third.
async fn authorization_server() -> MockServer {
    let server = MockServer::start().await;
    for token in ["first", "second"] {
        let response = ResponseTemplate::new(200).set_body_json(
            json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }),
        );
        Mock::given(method("POST"))
            .and(path("/token"))
            .and(body_string_contains("grant_type=client_credentials"))
            // Basic credentials of the form-encoded id `gw` and secret `client-secret`:
            // `gw:client%2Dsecret` (RFC 6749 §2.3.1).
            .and(header("authorization", "Basic Z3c6Y2xpZW50JTJEc2VjcmV0"))
            .respond_with(response)
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
    }
    server
}

/// Accepts both tokens, but refuses the message `refuse` with the first one.
async fn upstream() -> MockServer {
    let upstream = MockServer::start().await;
    Mock::given(header("authorization", "Bearer first"))
        .and(body_string_contains("refuse"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&upstream)
        .await;
    for token in ["Bearer first", "Bearer second"] {
        Mock::given(header("authorization", token))
            .respond_with(result())
            .mount(&upstream)
            .await;
    }
    upstream
}

/// Concurrent requests share one token request. A refused token is replaced, and the client is not
/// asked for a token.
#[tokio::test]
async fn a_token_is_obtained_once_and_again_after_a_refusal() {
    let authorization_server = authorization_server().await;
    let upstream = upstream().await;
    let gateway = start("", &server(&upstream.uri(), &authorization_server.uri())).await;

    let concurrent: Vec<_> = (0..10)
        .map(|_| tokio::spawn(send(call(&gateway, "/mcp/m", message("tools/list")))))
        .collect();
    for request in concurrent {
        assert_eq!(request.await.unwrap().0, StatusCode::OK);
    }
    let (status, headers, _) = send(call(&gateway, "/mcp/m", message("refuse"))).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(!headers.contains_key("www-authenticate"));
    assert_eq!(send(call(&gateway, "/mcp/m", message("tools/list"))).await.0, StatusCode::OK);
    let received = upstream.received_requests().await.unwrap();
    assert!(
        received
            .iter()
            .all(|request| request.headers["authorization"] != "Bearer caller"),
        "the caller's token was sent upstream"
    );
}

#[tokio::test]
async fn a_server_receives_no_request_if_its_token_cannot_be_obtained() {
    // Answers every request, also those to `/token`, with 404.
    let upstream = MockServer::start().await;
    let gateway = start("", &server(&upstream.uri(), &upstream.uri())).await;
    let (status, _, body) = send(call(&gateway, "/mcp/m", message("tools/list"))).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{body:?}");
    let received = upstream.received_requests().await.unwrap();
    assert!(received.iter().all(|request| request.url.path() == "/token"));
}
