//! Conversations of clients, with sessions and without, on an aggregate endpoint.

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::harness::{
    Harness, SERVERS, STRATEGIES, V2025_11_25, call_tool, initialize, initialized, list_tools,
    message,
};

#[tokio::test]
async fn a_session_spans_session_based_and_stateless_servers() {
    for strategy in STRATEGIES {
        let harness = Harness::with_strategy(strategy).await;
        let opened = harness.post("/mcp", "t", &[], &initialize("2025-06-18")).await;
        assert_eq!(opened.body["result"]["protocolVersion"], "2025-06-18", "{}", opened.body);
        assert_eq!(opened.body["result"]["capabilities"], json!({ "tools": {}, "prompts": {} }));
        let session = opened.session_id();
        let fields = [V2025_11_25, ("mcp-session-id", session.as_str())];

        let response = harness.post("/mcp", "t", &fields, &initialized()).await;
        assert_eq!(response.status, StatusCode::ACCEPTED);
        let listed = harness.post("/mcp", "t", &fields, &list_tools()).await;
        assert_eq!(listed.tools(), ["alpha-echo", "beta-echo", "gamma-echo"], "{strategy}");
        assert_eq!(listed.body["result"].get("_meta"), None);
        for server in SERVERS {
            let tool = format!("{server}-echo");
            let called = harness.post("/mcp", "t", &fields, &call_tool(&tool)).await;
            let expected = format!("echo of {server}");
            assert_eq!(*called.text(), expected, "{strategy}: {}", called.body);
        }
        let ping = harness.post("/mcp", "t", &fields, &message("ping", &json!({}))).await;
        assert_eq!(ping.body["result"], json!({}));

        let delete = Request::delete("/mcp")
            .header("x-litellm-api-key", "sk")
            .header("authorization", "Bearer t")
            .header("mcp-session-id", &session)
            .body(Full::default())
            .unwrap();
        assert_eq!(harness.send(delete).await.status, StatusCode::NO_CONTENT);
        if strategy == "deferred" {
            // The gateway adds no request of its own: it keeps the upstream session that the
            // client's initialize opened.
            assert_eq!(
                harness.methods("alpha").await,
                [
                    "initialize",
                    "notifications/initialized",
                    "tools/list",
                    "tools/call",
                    "ping",
                    "DELETE"
                ]
            );
            assert_eq!(
                harness.methods("gamma").await,
                ["server/discover", "tools/list", "tools/call", "ping"]
            );
        }
    }
}

/// For a stateless client, the gateway opens a session for each request and ends it again.
#[tokio::test]
async fn a_stateless_client_leaves_no_session_on_a_session_based_server() {
    let harness = Harness::with_strategy("deferred").await;
    let params = json!({
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    });
    let post = async |method: &str| {
        let fields = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        harness.post("/mcp", "t", &fields, &message(method, &params)).await
    };

    let discovered = post("server/discover").await;
    assert_eq!(discovered.body["result"]["cacheScope"], "private", "{}", discovered.body);
    let listed = post("tools/list").await;
    assert_eq!(listed.tools().len(), 3);
    assert_eq!(listed.body["result"]["ttlMs"], 0);
    assert_eq!(listed.body["result"]["resultType"], "complete");

    let mut call = message("tools/call", &params);
    call["params"]["name"] = "alpha-echo".into();
    let fields = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "alpha-echo"),
    ];
    let called = harness.post("/mcp", "t", &fields, &call).await;
    assert_eq!(called.text(), "echo of alpha", "{}", called.body);
    assert_eq!(post("subscriptions/listen").await.status_and_code(), (404, -32601));

    let methods = harness.methods_after_stop("alpha").await;
    let count = |method: &str| methods.iter().filter(|received| *received == method).count();
    assert_eq!(
        (count("initialize"), count("DELETE"), count("tools/call")),
        (3, 3, 1),
        "{methods:?}"
    );
}

/// SEC-08, STA-14: a session id is bound to its caller and endpoint. When one of its upstream
/// sessions is lost, the whole session is lost.
#[tokio::test]
async fn a_session_is_bound_to_caller_and_endpoint_and_ends_when_one_server_loses_it() {
    let harness = Harness::with_strategy("deferred").await;
    let opened = harness.post("/mcp", "t", &[], &initialize("2025-11-25")).await;
    let session = opened.session_id();
    assert!(!session.contains("session-of"));
    let before = harness.requests("alpha").await.len();

    let fields = [V2025_11_25, ("mcp-session-id", session.as_str())];
    let other_endpoint = harness.post("/mcp/alpha,beta", "t", &fields, &list_tools()).await;
    assert_eq!(other_endpoint.status, StatusCode::NOT_FOUND);
    let shortened = [V2025_11_25, ("mcp-session-id", &session[..40])];
    let response = harness.post("/mcp", "t", &shortened, &list_tools()).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    let other_caller = Request::post("/mcp")
        .header("x-litellm-api-key", "sk-other")
        .header("mcp-session-id", &session)
        .body(Full::from(list_tools().to_string()))
        .unwrap();
    assert_eq!(harness.send(other_caller).await.status, StatusCode::NOT_FOUND);
    assert_eq!(harness.requests("alpha").await.len(), before);

    let lost = harness.post("/mcp", "beta=404", &fields, &list_tools()).await;
    assert_eq!(lost.status_and_code(), (404, 40403), "{}", lost.body);
}
