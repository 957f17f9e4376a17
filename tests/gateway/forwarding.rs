//! Requests to token-forwarding servers.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, header, method},
};

use crate::harness::{
    STRATEGIES, call, forwarding, json, list_tools, message, result, send, start,
};

#[tokio::test]
async fn an_upstream_401_or_403_reaches_the_client_with_either_strategy() {
    for strategy in STRATEGIES {
        let upstream = MockServer::start().await;
        for (token, status) in [("Bearer token-401", 401), ("Bearer token-403", 403)] {
            let refusal = ResponseTemplate::new(status)
                .insert_header("www-authenticate", "Bearer scope=\"up\"")
                .set_body_string("body of the upstream");
            Mock::given(header("authorization", token))
                .respond_with(refusal)
                .mount(&upstream)
                .await;
        }
        let settings = format!("strategy = \"{strategy}\"");
        let gateway = start(&settings, &forwarding("alpha", &upstream.uri())).await;

        for (token, expected, challenged) in [("token-401", 401, true), ("token-403", 403, false)] {
            let (status, headers, body) = send(list_tools(&gateway, "/mcp/alpha", token)).await;
            assert_eq!(status.as_u16(), expected, "{strategy}");
            assert_eq!(headers.contains_key("www-authenticate"), challenged, "{strategy}");
            let body = json(&body);
            assert_eq!(body["id"], 7, "{strategy}");
            let code = body["error"]["code"].as_u64().unwrap();
            assert_eq!(code / 100, u64::from(expected), "{strategy}");
            assert!(!body.to_string().contains("body of the upstream"), "{body}");
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_401_after_an_accepted_probe_reaches_the_client() {
    let upstream = MockServer::start().await;
    Mock::given(body_string_contains("initialize"))
        .respond_with(result())
        .mount(&upstream)
        .await;
    Mock::given(body_string_contains("tools/call"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&upstream)
        .await;
    let gateway = start("", &forwarding("alpha", &upstream.uri())).await;
    let request = call(&gateway, "/alpha/mcp/", message("tools/call"));
    let (status, headers, _) = send(request).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    let metadata_url_end = "/.well-known/oauth-protected-resource/alpha/mcp/\"";
    assert!(challenge.contains(metadata_url_end), "{challenge}");
}

/// The commit deadline does not apply to `initialize`, because its response head carries the
/// session id.
#[tokio::test]
async fn the_response_head_of_initialize_waits_for_the_upstream() {
    let upstream = MockServer::start().await;
    let delay = Duration::from_millis(200);
    Mock::given(body_string_contains("initialize"))
        .respond_with(result().insert_header("mcp-session-id", "s1").set_delay(delay))
        .mount(&upstream)
        .await;
    Mock::given(body_string_contains("tools/list"))
        .respond_with(result().set_delay(delay))
        .mount(&upstream)
        .await;
    let settings = "strategy = \"deferred\"\ncommit_deadline_ms = 1";
    let gateway = start(settings, &forwarding("alpha", &upstream.uri())).await;
    for (method, waits) in [("initialize", true), ("tools/list", false)] {
        let (status, headers, body) = send(call(&gateway, "/mcp/alpha", message(method))).await;
        assert_eq!(status, StatusCode::OK, "{method}");
        assert_eq!(headers.contains_key("mcp-session-id"), waits, "{method}");
        assert_eq!(body.starts_with(b": waiting"), !waits, "{body:?}");
    }
}

#[tokio::test]
async fn a_message_up_to_the_limit_is_forwarded_unchanged_and_a_longer_one_refused() {
    let upstream = MockServer::start().await;
    Mock::given(method("POST")).respond_with(result()).mount(&upstream).await;
    let settings = "max_message_bytes = 300000\nstrategy = \"deferred\"";
    let gateway = start(settings, &forwarding("alpha", &upstream.uri())).await;
    let params = json!({ "text": "x".repeat(200_000) });
    let long = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let long = long.to_string();
    assert_eq!(send(call(&gateway, "/mcp/alpha", long.clone())).await.0, StatusCode::OK);
    assert_eq!(upstream.received_requests().await.unwrap()[0].body, long.as_bytes());

    let too_long = message(&"x".repeat(400_000));
    let (status, _, body) = send(call(&gateway, "/mcp/alpha", too_long)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body:?}");
}

#[tokio::test]
async fn a_method_outside_the_mcp_transport_is_answered_405() {
    let upstream = MockServer::start().await;
    let gateway = start("", &forwarding("alpha", &upstream.uri())).await;
    for method in [Method::OPTIONS, Method::HEAD, Method::PUT] {
        let mut request = call(&gateway, "/mcp/alpha", "");
        *request.method_mut() = method;
        let (status, headers, _) = send(request).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers["allow"], "POST, GET, DELETE");
    }
    assert_eq!(upstream.received_requests().await.unwrap().len(), 0);
}
