//! Requests of web pages: the `Origin` check and CORS.

use serde_json::Value;

use crate::harness::{KEY, call, requests, send, start, upstream};

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

#[tokio::test]
async fn a_request_from_another_origin_is_answered_403_before_its_credentials_are_checked() {
    let upstream = upstream().await;
    let gateway = start("allowed_origins = [\"https://app.example\"]", &upstream).await;
    for credentials in [KEY, "x-litellm-api-key: wrong\r\n", ""] {
        let lines = format!("origin: https://evil.example\r\n{credentials}");
        let response = send(&gateway, call("alpha", &lines)).await;
        assert_eq!(response.status, 403);
        assert_eq!(response.field("www-authenticate"), None);
        assert_eq!(response.field(ALLOW_ORIGIN), None);
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!((&body["error"]["code"], body.get("id")), (&40302.into(), None));
    }
    assert_eq!(requests(&upstream).await.len(), 0);
}

#[tokio::test]
async fn an_allowed_origin_may_read_every_response() {
    let upstream = upstream().await;
    let gateway = start("allowed_origins = [\"https://app.example\"]", &upstream).await;
    for (credentials, status) in [(KEY, 200), ("", 401)] {
        for origin in ["https://app.example", "http://localhost:6274"] {
            let lines = format!("origin: {origin}\r\n{credentials}");
            let response = send(&gateway, call("alpha", &lines)).await;
            assert_eq!(response.status, status);
            assert_eq!(response.field(ALLOW_ORIGIN), Some(origin));
            assert_eq!(response.field("vary"), Some("origin"));
            let exposed = response.field("access-control-expose-headers").unwrap();
            assert!(exposed.contains("www-authenticate"), "{}", response.head);
        }
        let without_origin = send(&gateway, call("alpha", credentials)).await;
        assert_eq!((without_origin.status, without_origin.field(ALLOW_ORIGIN)), (status, None));
    }
    let count = requests(&upstream).await.len();
    assert_eq!(count, 3, "one request for each response with status 200");
}

fn cors_preflight(path: &str, origin: &str) -> String {
    format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: gw\r\norigin: {origin}\r\n\
         access-control-request-method: POST\r\n\
         access-control-request-headers: authorization,mcp-protocol-version,x-litellm-api-key\r\n\
         \r\n"
    )
}

#[tokio::test]
async fn a_cors_preflight_request_needs_no_gateway_key() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    let local = cors_preflight("/mcp/alpha", "http://localhost:6274");
    let response = send(&gateway, local).await;
    assert_eq!(response.status, 204);
    assert_eq!(response.field(ALLOW_ORIGIN), Some("http://localhost:6274"));
    assert_eq!(
        response.field("access-control-allow-headers"),
        Some("authorization, mcp-protocol-version, x-litellm-api-key")
    );
    let foreign = cors_preflight("/mcp/alpha", "https://evil.example");
    assert_eq!(send(&gateway, foreign).await.status, 403);
    assert_eq!(requests(&upstream).await.len(), 0);
}

#[tokio::test]
async fn any_origin_may_read_protected_resource_metadata() {
    let upstream = upstream().await;
    let gateway = start("", &upstream).await;
    let path = "/.well-known/oauth-protected-resource/mcp/alpha";
    let response = send(&gateway, cors_preflight(path, "https://evil.example")).await;
    assert_eq!((response.status, response.field(ALLOW_ORIGIN)), (204, Some("*")));
    assert_eq!(requests(&upstream).await.len(), 0);

    let get = format!("GET {path} HTTP/1.1\r\nhost: gw\r\norigin: https://evil.example\r\n\r\n");
    assert_eq!(send(&gateway, get).await.field(ALLOW_ORIGIN), Some("*"));
}
