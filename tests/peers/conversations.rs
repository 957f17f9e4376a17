//! The Rust SDK's client in conversations with the reference server.

use rmcp::{
    ClientLifecycleMode,
    model::{CallToolRequest, ClientRequest, ProtocolVersion, ServerResult},
    service::PeerRequestOptions,
};
use serde_json::json;
use tokio::time::timeout;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    child::{
        TIMEOUT,
        gateway::{ConfigurationFile, Gateway},
    },
    everything_server::EverythingServer,
    rust_client::{TOKEN, call, connect, prefer_2026_07_28},
};

/// Runs each scenario with each strategy. The client must see no difference.
macro_rules! with_each_strategy {
    ($($scenario:ident)*) => {
        mod probe {
            $(#[tokio::test] async fn $scenario() { super::$scenario("probe").await; })*
        }
        mod deferred {
            $(#[tokio::test] async fn $scenario() { super::$scenario("deferred").await; })*
        }
    };
}

with_each_strategy! {
    a_conversation_from_initialize_to_delete
    a_client_that_prefers_2026_07_28_falls_back
    progress_arrives_before_the_result
    progress_arrives_while_the_operation_runs
    responses_arrive_after_the_commit_deadline
    a_refused_token_leads_to_a_challenge_that_the_client_understands
}

async fn start(strategy: &str, settings: &str, upstream: &str) -> Gateway {
    let settings = format!("strategy = \"{strategy}\"\n{settings}");
    Gateway::start(&ConfigurationFile::forwarding(&settings, upstream), "info").await
}

/// Checks that the client's session and those of the probes have ended.
async fn no_session_is_left(mut server: EverythingServer, strategy: &str) {
    let opened = server.wait_until_all_sessions_ended().await;
    assert_eq!(
        opened > 1,
        strategy == "probe",
        "{opened} sessions: one belongs to the client, and only probes can have opened others"
    );
}

async fn a_conversation_from_initialize_to_delete(strategy: &str) {
    let server = EverythingServer::start().await;
    let gateway = start(strategy, "", &server.url).await;
    let (client, _) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();

    let info = client.peer_info().unwrap();
    assert_eq!(info.server_info.as_ref().unwrap().name, "mcp-servers/everything");
    let tools = client.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "echo"), "{tools:?}");
    let echo = call("echo", &json!({ "message": "through and back" }));
    let echoed = client.call_tool(echo).await.unwrap();
    assert_eq!(echoed.content[0].as_text().unwrap().text, "Echo: through and back");

    client.cancel().await.unwrap();
    no_session_is_left(server, strategy).await;
    let exit = gateway.stop().await;
    assert_eq!(exit.code, 0);
    assert!(!exit.lines.join("\n").contains(TOKEN));
}

async fn a_client_that_prefers_2026_07_28_falls_back(strategy: &str) {
    let server = EverythingServer::start().await;
    let gateway = start(strategy, "", &server.url).await;
    let (client, _) = connect(&gateway, prefer_2026_07_28()).await.unwrap();
    assert_eq!(client.peer_info().unwrap().protocol_version, ProtocolVersion::V_2025_11_25);
    client.cancel().await.unwrap();
    no_session_is_left(server, strategy).await;
}

/// A call that reports its progress at the end of each step.
fn long_operation(seconds: f64, steps: u32) -> ClientRequest {
    let arguments = json!({ "duration": seconds, "steps": steps });
    let call = call("trigger-long-running-operation", &arguments);
    ClientRequest::CallToolRequest(CallToolRequest::new(call))
}

async fn progress_arrives_before_the_result(strategy: &str) {
    let server = EverythingServer::start().await;
    let gateway = start(strategy, "", &server.url).await;
    let (client, mut progress) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();

    let mut request = client
        .send_cancellable_request(long_operation(0.5, 5), PeerRequestOptions::no_options())
        .await
        .unwrap();
    for step in 1..=5 {
        tokio::select! {
            biased;
            received = progress.recv() => assert_eq!(received, Some(f64::from(step))),
            result = &mut request.rx => panic!("the result arrived before step {step}: {result:?}"),
        }
    }
    let ServerResult::CallToolResult(result) = request.await_response().await.unwrap() else {
        panic!("not the result of a tool")
    };
    assert_eq!(
        result.content[0].as_text().unwrap().text,
        "Long running operation completed. Duration: 0.5 seconds, Steps: 5."
    );
    client.cancel().await.unwrap();
    no_session_is_left(server, strategy).await;
}

/// The operation takes an hour, so events that are buffered until its end would not arrive within
/// the timeout.
async fn progress_arrives_while_the_operation_runs(strategy: &str) {
    let server = EverythingServer::start().await;
    let gateway = start(strategy, "", &server.url).await;
    let (client, mut progress) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();

    let operation = long_operation(3600.0, 36_000);
    let request = client
        .send_cancellable_request(operation, PeerRequestOptions::no_options())
        .await
        .unwrap();
    for step in 1..=3 {
        let received = timeout(TIMEOUT, progress.recv())
            .await
            .expect("progress arrives while the operation runs");
        assert_eq!(received, Some(f64::from(step)));
    }
    request.cancel(None).await.unwrap();
    client.cancel().await.unwrap();
    no_session_is_left(server, strategy).await;
}

/// Every upstream response takes longer than the commit deadline of 1 ms, so the gateway commits an
/// event stream before it has the upstream's response head.
async fn responses_arrive_after_the_commit_deadline(strategy: &str) {
    let server = EverythingServer::start().await;
    let gateway = start(strategy, "commit_deadline_ms = 1", &server.url).await;
    let (client, mut progress) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();
    assert!(!client.list_all_tools().await.unwrap().is_empty());
    let request = client
        .send_cancellable_request(long_operation(0.5, 5), PeerRequestOptions::no_options())
        .await
        .unwrap();
    request.await_response().await.unwrap();
    assert_eq!(progress.recv().await, Some(1.0));
    client.cancel().await.unwrap();
    no_session_is_left(server, strategy).await;
}

async fn a_refused_token_leads_to_a_challenge_that_the_client_understands(strategy: &str) {
    for status in [401, 403] {
        let upstream = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status))
            .mount(&upstream)
            .await;
        let gateway = start(strategy, "", &format!("{}/mcp", upstream.uri())).await;
        let Err(error) = connect(&gateway, ClientLifecycleMode::Initialize).await else {
            panic!("the client is connected although the upstream answers {status}")
        };
        assert_eq!(error.is_authorization_required(), status == 401, "{error}");
        let metadata_of_gateway = format!(
            "resource_metadata=\"http://{}/.well-known/oauth-protected-resource/mcp/alpha\"",
            gateway.address
        );
        let has_challenge = error
            .auth_challenge()
            .is_some_and(|challenge| challenge.contains(&metadata_of_gateway));
        assert_eq!(has_challenge, status == 401, "{error}");
        assert_eq!(gateway.stop().await.code, 0);
    }
}
