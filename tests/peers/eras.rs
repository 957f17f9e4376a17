//! Clients and servers that other people wrote, in the newest revision and in those before it, with the gateway between them.
//!
//! Nothing of an era is the gateway's own doing on a route to one server; so what a client says of a conversation through it is what it
//! says of the same conversation without it.

use rmcp::{
    ClientLifecycleMode,
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequestParams,
        ProtocolVersion, ReadResourceRequestParams, ServerResult,
    },
    service::PeerRequestOptions,
};
use serde_json::{Value, json};

use crate::{
    child::gateway::{Configuration, Gateway},
    client::{TOKEN, call, connect, connect_at},
    everything::Everything,
    python, sdk,
};

async fn gateway(strategy: &str, era: &str, upstream: &str) -> Gateway {
    let server = format!("url = \"{upstream}\"\nforward = [\"authorization\"]\nera = \"{era}\"");
    Gateway::serve(
        &Configuration::with_server(&format!("strategy = \"{strategy}\""), &server),
        "info",
    )
    .await
}

fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    }
}

/// The Rust SDK on both sides, in either era.
#[tokio::test]
async fn the_rust_sdk_speaks_with_itself() {
    for strategy in ["probe", "deferred"] {
        for (lifecycle, era) in
            [(ClientLifecycleMode::Initialize, "2025-11-25"), (newest(), "2026-07-28")]
        {
            let gateway = gateway(strategy, era, &sdk::serve(|_| None).await).await;
            let (client, mut progress) = connect(&gateway, lifecycle).await.unwrap();
            assert_eq!(client.peer_info().unwrap().protocol_version.as_str(), era);
            assert!(
                client
                    .list_all_tools()
                    .await
                    .unwrap()
                    .iter()
                    .any(|tool| tool.name == "test_simple_text")
            );
            assert_eq!(client.list_all_prompts().await.unwrap().len(), 5);

            let call = ClientRequest::CallToolRequest(CallToolRequest::new(call(
                "test_tool_with_progress",
                &json!({}),
            )));
            let request = client
                .send_cancellable_request(call, PeerRequestOptions::no_options())
                .await
                .unwrap();
            let ServerResult::CallToolResult(_) = request.await_response().await.unwrap() else {
                panic!("not the result of a tool")
            };
            for step in [0.0, 50.0, 100.0] {
                assert_eq!(progress.recv().await, Some(step));
            }
            let read = client
                .read_resource(ReadResourceRequestParams::new("test://template/7/data"))
                .await
                .unwrap();
            assert!(serde_json::to_string(&read).unwrap().contains("Data for ID: 7"));
            let prompt = client
                .get_prompt(GetPromptRequestParams::new("test_simple_prompt"))
                .await
                .unwrap();
            assert_eq!(prompt.messages.len(), 1);

            client.cancel().await.unwrap();
            assert_eq!(gateway.stop().await.code, 0);
        }
    }
}

/// What the Python SDK's client says of a conversation, through the gateway and directly.
async fn python_speaks_with(upstream: &str, told: &Value, era: &str) -> Value {
    let directly = python::converse(upstream, told).await;
    for strategy in ["probe", "deferred"] {
        let gateway = gateway(strategy, era, upstream).await;
        let through =
            python::converse(&format!("http://{}/mcp/alpha", gateway.address), told).await;
        assert_eq!(through, directly, "{strategy}");
        let ended = gateway.stop().await;
        assert!(!ended.lines.join("\n").contains(TOKEN));
    }
    directly
}

#[tokio::test]
async fn the_python_sdk_speaks_with_the_rust_sdk() {
    let upstream = sdk::serve(|_| None).await;
    for (mode, era) in [("legacy", "2025-11-25"), ("auto", "2026-07-28")] {
        let said = python_speaks_with(
            &upstream,
            &json!({ "token": TOKEN, "mode": mode, "tool": "test_tool_with_progress" }),
            era,
        )
        .await;
        assert_eq!(said["version"], era, "{said}");
        assert_eq!((&said["server"], &said["text"]), (&json!("sdk"), &json!(["done"])));
        assert_eq!(said["progress"], json!([0.0, 50.0, 100.0]));
    }
}

/// A client of the newest revision before a server of an older one: it falls back, as it does without a gateway.
#[tokio::test]
async fn the_python_sdk_speaks_with_the_reference_server() {
    let everything = Everything::start().await;
    let told = json!({
        "token": TOKEN, "mode": "auto", "tool": "trigger-long-running-operation", "arguments": { "duration": 0.1, "steps": 2 }
    });
    let said = python_speaks_with(&everything.url, &told, "2025-11-25").await;
    assert_eq!(
        (&said["version"], &said["progress"]),
        (&json!("2025-11-25"), &json!([1.0, 2.0])),
        "{said}"
    );
}

/// Servers of both eras as one, before clients of either: everybody hears what it understands.
#[tokio::test]
async fn servers_of_both_eras_are_one_to_clients_of_either() {
    let upstream = sdk::serve(|_| None).await;
    let server = |name: &str, era: &str| {
        format!("[[server]]\nname = \"{name}\"\nurl = \"{upstream}\"\nera = \"{era}\"\n")
    };
    let key = "[[key]]\nname = \"alice\"\nvalue = { env = \"ALICE_KEY\" }\nservers = \"all\"";
    let servers = format!(
        "listen = \"127.0.0.1:0\"\n{key}\n{}{}",
        server("old", "2025-11-25"),
        server("new", "2026-07-28")
    );
    let gateway = Gateway::serve(&Configuration::file(&servers), "info").await;
    let url = format!("http://{}/mcp", gateway.address);
    for (mode, lifecycle) in [("legacy", ClientLifecycleMode::Initialize), ("auto", newest())] {
        let (client, mut progress) = connect_at(&url, lifecycle).await.unwrap();
        for name in ["old", "new"] {
            let tool = CallToolRequestParams::new(format!("{name}-test_tool_with_progress"));
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(tool));
            let request = client
                .send_cancellable_request(request, PeerRequestOptions::no_options())
                .await
                .unwrap();
            let ServerResult::CallToolResult(_) = request.await_response().await.unwrap() else {
                panic!("not the result of a tool")
            };
            for step in [0.0, 50.0, 100.0] {
                assert_eq!(progress.recv().await, Some(step), "{mode} {name}");
            }
            let read =
                ReadResourceRequestParams::new(format!("preflight://{name}/test://static-text"));
            assert!(
                serde_json::to_string(&client.read_resource(read).await.unwrap())
                    .unwrap()
                    .contains("the static text resource")
            );

            let told = json!({ "token": TOKEN, "mode": mode, "tool": format!("{name}-test_tool_with_progress") });
            let said = python::converse(&url, &told).await;
            assert_eq!(
                (&said["text"], &said["progress"]),
                (&json!(["done"]), &json!([0.0, 50.0, 100.0])),
                "{mode} {name}: {said}"
            );
            let tools: Vec<String> = serde_json::from_value(said["tools"].clone()).unwrap();
            assert!(
                ["old-test_simple_text", "new-test_simple_text"]
                    .iter()
                    .all(|tool| tools.iter().any(|seen| seen == tool))
            );
        }
        client.cancel().await.unwrap();
    }
    assert_eq!(gateway.stop().await.code, 0);
}
