//! Requests that an aggregate endpoint does not support or that are invalid.

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Harness, STRATEGIES, V2025_11_25, initialized, list_tools, message};

#[tokio::test]
async fn an_unsupported_or_invalid_message_is_refused_before_any_upstream_request() {
    for strategy in STRATEGIES {
        let harness = Harness::with_strategy(strategy).await;
        let set_level = message("logging/setLevel", &json!({ "level": "info" }));
        let response = harness.post("/mcp", "t", &[V2025_11_25], &set_level).await;
        assert_eq!(response.status_and_code(), (200, -32601));
        let without_id = r#"{"jsonrpc":"2.0","method":"tools/list"}"#;
        for (body, code) in [("{", -32700), ("[]", -32600), ("{}", -32600), (without_id, -32600)] {
            let request = Request::post("/mcp")
                .header("x-litellm-api-key", "sk")
                .body(Full::from(body))
                .unwrap();
            assert_eq!(harness.send(request).await.status_and_code(), (400, code), "{body}");
        }
        let unknown_version = [("mcp-protocol-version", "1999-01-01")];
        let response = harness.post("/mcp", "t", &unknown_version, &list_tools()).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert_eq!(response.body["error"]["data"]["requested"], "1999-01-01");
        assert!(harness.requests("alpha").await.is_empty());
    }
}

/// STR-07: the gateway checks the token of a GET request before it answers 405.
#[tokio::test]
async fn a_get_request_is_answered_405_only_if_its_token_is_accepted() {
    for strategy in STRATEGIES {
        let harness = Harness::with_strategy(strategy).await;
        let get = |token: &str| {
            Request::get("/mcp")
                .header("x-litellm-api-key", "sk")
                .header("authorization", format!("Bearer {token}"))
                .header("accept", "text/event-stream")
                .body(Full::default())
                .unwrap()
        };
        let accepted = harness.send(get("t")).await;
        assert_eq!(accepted.status, StatusCode::METHOD_NOT_ALLOWED, "{strategy}");
        assert_eq!(accepted.headers["allow"], "POST, DELETE");
        let refused = harness.send(get("beta=401")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{strategy}");
    }
}

#[tokio::test]
async fn a_notification_with_a_refused_token_is_answered_401() {
    for strategy in STRATEGIES {
        let harness = Harness::with_strategy(strategy).await;
        let response = harness.post("/mcp", "beta=401", &[V2025_11_25], &initialized()).await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{strategy}");
    }
}
