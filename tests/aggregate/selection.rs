//! Which servers and tools a request selects.

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Harness, NO_SERVER_SETTINGS, SERVERS, V2025_11_25, call_tool, list_tools};

/// GATE-01 to GATE-03, GATE-10, GATE-11, SEC-02: a request that names a server or toolset which the
/// key may not use is answered 404, and no upstream receives a request.
#[tokio::test]
async fn an_invalid_selection_is_answered_404_before_any_upstream_request() {
    let harness = Harness::start("", ["", "", "disabled = true"]).await;
    let many = vec!["x"; 10_000].join(",");
    let in_the_path = format!("/mcp/{many}");
    for (path, fields) in [
        ("/mcp/alpha,nobody", &[][..]),
        ("/mcp/alpha,gamma", &[]),
        ("/mcp/alpha,,beta", &[]),
        ("/toolset/nothing/mcp", &[]),
        ("/mcp", &[("x-mcp-servers", "")]),
        ("/mcp", &[("x-mcp-servers", "alpha,../beta")]),
        ("/mcp", &[("x-mcp-servers", "\"alpha\"")]),
        ("/mcp", &[("x-mcp-servers", "Alpha")]),
        ("/mcp", &[("x-mcp-servers", many.as_str())]),
        (in_the_path.as_str(), &[]),
        ("/mcp/alpha,beta", &[("x-mcp-servers", "alpha"), ("x-mcp-servers", "gamma")]),
        ("/toolset/pair/mcp", &[("x-mcp-servers", "gamma")]),
    ] {
        let response = harness.post(path, "t", fields, &list_tools()).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path:.40} {fields:.40?}");
    }
    for server in SERVERS {
        assert!(harness.requests(server).await.is_empty(), "{server}");
    }
}

/// A second field line with the gateway key makes the credential ambiguous.
#[tokio::test]
async fn two_gateway_keys_are_answered_400_before_any_upstream_request() {
    let harness = Harness::start("", ["", "", "disabled = true"]).await;
    let fields = [("x-mcp-servers", "alpha"), ("x-litellm-api-key", "sk")];
    let response = harness.post("/mcp", "t", &fields, &list_tools()).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    for server in SERVERS {
        assert!(harness.requests(server).await.is_empty(), "{server}");
    }
}

/// AGG-09: an aggregate endpoint that selects one server remains an aggregate endpoint.
#[tokio::test]
async fn a_selection_of_one_server_lists_prefixed_tool_names_and_sends_one_request() {
    let harness = Harness::start("", ["", "", "disabled = true"]).await;
    let fields = [V2025_11_25, ("x-mcp-servers", "beta, beta ,beta")];
    let listed = harness.post("/mcp", "t", &fields, &list_tools()).await;
    assert_eq!(listed.tools(), ["beta-echo"]);
    assert!(harness.requests("alpha").await.is_empty());
    assert_eq!(harness.count("beta", "tools/list").await, 1);
}

/// GATE-02: tools outside a toolset cannot be listed or called, and its other servers receive no
/// request. A toolset grants no server that the key does not grant.
#[tokio::test]
async fn a_toolset_narrows_what_a_key_grants() {
    let harness = Harness::start("", NO_SERVER_SETTINGS).await;
    let path = "/toolset/pair/mcp";
    let listed = harness.post(path, "gamma=401", &[V2025_11_25], &list_tools()).await;
    assert_eq!(listed.tools(), ["beta-echo"], "{}", listed.body);
    assert!(harness.requests("gamma").await.is_empty());
    let outside = harness.post(path, "t", &[V2025_11_25], &call_tool("alpha-echo")).await;
    assert_eq!(outside.status_and_code(), (200, -32602));

    // Only `initialize` is counted: the gateway may still be ending the sessions of its probes.
    let before = harness.count("beta", "initialize").await;
    let with_other_key = Request::post(path)
        .header("x-litellm-api-key", "sk-other")
        .header("authorization", "Bearer t")
        .header("mcp-protocol-version", "2025-11-25")
        .body(Full::from(list_tools().to_string()))
        .unwrap();
    let listed = harness.send(with_other_key).await;
    assert_eq!(listed.body["result"]["tools"], json!([]), "the second key does not grant beta");
    assert_eq!(harness.count("beta", "initialize").await, before);
}
