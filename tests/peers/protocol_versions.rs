//! Clients and servers of different implementations and protocol versions, with the gateway between
//! them.
//!
//! A single-server endpoint does not translate between protocol versions. A client must therefore
//! report the same conversation with the gateway as without it.

use rmcp::{
    ClientLifecycleMode,
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequestParams,
        ReadResourceRequestParams, ServerResult,
    },
    service::PeerRequestOptions,
};
use serde_json::{Value, json};

use crate::{
    child::gateway::{ConfigurationFile, Gateway},
    everything_server::EverythingServer,
    python_client,
    rust_client::{Client, TOKEN, connect, connect_to, prefer_2026_07_28},
    sdk_server,
};

async fn start_gateway(strategy: &str, version: &str, upstream: &str) -> Gateway {
    let settings = format!("strategy = \"{strategy}\"");
    let server = format!(
        "url = \"{upstream}\"\nforward = [\"authorization\"]\nprotocol_version = \"{version}\""
    );
    Gateway::start(&ConfigurationFile::with_server(&settings, &server), "info").await
}

/// Calls a tool and waits for its result.
async fn call_tool(client: &Client, name: String) {
    let call = CallToolRequest::new(CallToolRequestParams::new(name));
    let request = client
        .send_cancellable_request(
            ClientRequest::CallToolRequest(call),
            PeerRequestOptions::no_options(),
        )
        .await
        .unwrap();
    let ServerResult::CallToolResult(_) = request.await_response().await.unwrap() else {
        panic!("not the result of a tool")
    };
}

async fn read_resource(client: &Client, uri: String) -> String {
    let resource = client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    serde_json::to_string(&resource).unwrap()
}

#[tokio::test]
async fn the_rust_client_uses_the_rust_server() {
    for strategy in ["probe", "deferred"] {
        for (lifecycle, version) in [
            (ClientLifecycleMode::Initialize, "2025-11-25"),
            (prefer_2026_07_28(), "2026-07-28"),
        ] {
            let upstream = sdk_server::start(|_| None).await;
            let gateway = start_gateway(strategy, version, &upstream).await;
            let (client, mut progress) = connect(&gateway, lifecycle).await.unwrap();
            assert_eq!(client.peer_info().unwrap().protocol_version.as_str(), version);
            let tools = client.list_all_tools().await.unwrap();
            assert!(tools.iter().any(|tool| tool.name == "test_simple_text"));
            assert_eq!(client.list_all_prompts().await.unwrap().len(), 5);

            call_tool(&client, "test_tool_with_progress".to_owned()).await;
            for step in [0.0, 50.0, 100.0] {
                assert_eq!(progress.recv().await, Some(step));
            }
            let resource = read_resource(&client, "test://template/7/data".to_owned()).await;
            assert!(resource.contains("Data for ID: 7"), "{resource}");
            let prompt = GetPromptRequestParams::new("test_simple_prompt");
            assert_eq!(client.get_prompt(prompt).await.unwrap().messages.len(), 1);

            client.cancel().await.unwrap();
            assert_eq!(gateway.stop().await.code, 0);
        }
    }
}

/// Runs the Python client with and without the gateway, checks that both reports are equal, and
/// returns the report.
async fn converse_with_and_without_gateway(
    upstream: &str,
    options: &Value,
    version: &str,
) -> Value {
    let without = python_client::converse(upstream, options).await;
    for strategy in ["probe", "deferred"] {
        let gateway = start_gateway(strategy, version, upstream).await;
        let url = format!("http://{}/mcp/alpha", gateway.address);
        let with = python_client::converse(&url, options).await;
        assert_eq!(with, without, "{strategy}");
        let exit = gateway.stop().await;
        assert!(!exit.lines.join("\n").contains(TOKEN));
    }
    without
}

#[tokio::test]
async fn the_python_client_uses_the_rust_server() {
    let upstream = sdk_server::start(|_| None).await;
    for (mode, version) in [("legacy", "2025-11-25"), ("auto", "2026-07-28")] {
        let options = json!({ "token": TOKEN, "mode": mode, "tool": "test_tool_with_progress" });
        let report = converse_with_and_without_gateway(&upstream, &options, version).await;
        assert_eq!(report["version"], version, "{report}");
        assert_eq!(report["server"], "sdk");
        assert_eq!(report["text"], json!(["done"]));
        assert_eq!(report["progress"], json!([0.0, 50.0, 100.0]));
    }
}

/// The client prefers 2026-07-28. The server does not speak it, so the client falls back.
#[tokio::test]
async fn the_python_client_uses_the_reference_server() {
    let server = EverythingServer::start().await;
    let options = json!({
        "token": TOKEN,
        "mode": "auto",
        "tool": "trigger-long-running-operation",
        "arguments": { "duration": 0.1, "steps": 2 },
    });
    let report = converse_with_and_without_gateway(&server.url, &options, "2025-11-25").await;
    assert_eq!(report["version"], "2025-11-25", "{report}");
    assert_eq!(report["progress"], json!([1.0, 2.0]), "{report}");
}

/// An aggregate endpoint translates: clients of either kind use a session-based server, `old`, and
/// a stateless server, `new`.
#[tokio::test]
async fn an_aggregate_endpoint_serves_both_kinds_of_servers_to_both_kinds_of_clients() {
    let gateway = start_aggregate(&sdk_server::start(|_| None).await).await;
    let url = format!("http://{}/mcp", gateway.address);
    for (mode, lifecycle) in
        [("legacy", ClientLifecycleMode::Initialize), ("auto", prefer_2026_07_28())]
    {
        let (client, mut progress) = connect_to(&url, lifecycle).await.unwrap();
        for name in ["old", "new"] {
            let tool = format!("{name}-test_tool_with_progress");
            call_tool(&client, tool.clone()).await;
            for step in [0.0, 50.0, 100.0] {
                assert_eq!(progress.recv().await, Some(step), "{mode} {name}");
            }
            let uri = format!("preflight://{name}/test://static-text");
            let resource = read_resource(&client, uri).await;
            assert!(resource.contains("the static text resource"), "{resource}");

            let options = json!({ "token": TOKEN, "mode": mode, "tool": tool });
            let report = python_client::converse(&url, &options).await;
            assert_eq!(report["text"], json!(["done"]), "{mode} {name}: {report}");
            assert_eq!(report["progress"], json!([0.0, 50.0, 100.0]), "{mode} {name}: {report}");
            let tools = report["tools"].as_array().unwrap();
            for expected in ["old-test_simple_text", "new-test_simple_text"] {
                assert!(tools.iter().any(|tool| tool == expected), "{report}");
            }
        }
        client.cancel().await.unwrap();
    }
    assert_eq!(gateway.stop().await.code, 0);
}

/// Starts a gateway with one upstream as two servers of different protocol versions.
async fn start_aggregate(upstream: &str) -> Gateway {
    let text = format!(
        r#"
listen = "127.0.0.1:0"

[[key]]
name = "alice"
value = {{ env = "ALICE_KEY" }}
servers = "all"

[[server]]
name = "old"
url = "{upstream}"
protocol_version = "2025-11-25"

[[server]]
name = "new"
url = "{upstream}"
protocol_version = "2026-07-28"
"#
    );
    Gateway::start(&ConfigurationFile::new(&text), "info").await
}
