//! The gateway between peers that other people wrote: the official SDKs of Rust and Python, and the reference server of npm.
//!
//! Real peers show that healthy traffic is left whole, and that a client finds its way back from a refusal; what becomes of a refused
//! token, in every way that an upstream can refuse one, is the conformance suite's subject.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "../child/mod.rs"]
mod child;
mod client;
mod eras;
mod everything;
mod guarded;
mod install;
mod issuer;
mod oauth;
mod official;
mod python;
mod recovery;
mod relay;
mod sdk;

use child::gateway::{Configuration, Gateway};
use client::{TOKEN, call, connect};
use everything::Everything;
use rmcp::{
    ClientLifecycleMode,
    model::{CallToolRequest, ClientRequest, ProtocolVersion, ServerResult},
    service::PeerRequestOptions,
};
use serde_json::json;
use tokio::time::timeout;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

/// Each scenario as a test for each strategy: the client must not be able to tell them apart.
macro_rules! by_either_strategy {
    ($($scenario:ident)*) => {
        mod probe { $(#[tokio::test] async fn $scenario() { super::$scenario("probe").await; })* }
        mod deferred { $(#[tokio::test] async fn $scenario() { super::$scenario("deferred").await; })* }
    };
}

by_either_strategy! {
    a_conversation_from_initialize_to_delete
    a_client_of_the_newest_revision_falls_back
    progress_arrives_before_the_result
    progress_arrives_while_the_result_is_an_hour_away
    a_head_that_is_not_waited_for
    a_refused_token_is_a_challenge_that_the_client_understands
}

async fn serve(strategy: &str, settings: &str, upstream: &str) -> Gateway {
    Gateway::serve(
        &Configuration::forwarding(&format!("strategy = \"{strategy}\"\n{settings}"), upstream),
        "info",
    )
    .await
}

/// What the everything server has to say about its sessions once the client has ended its own.
async fn no_session_is_left(mut everything: Everything, strategy: &str) {
    let opened = everything.all_sessions_ended().await;
    assert_eq!(
        opened > 1,
        strategy == "probe",
        "{opened} sessions: one is the client's, others can only be probes'"
    );
}

async fn a_conversation_from_initialize_to_delete(strategy: &str) {
    let everything = Everything::start().await;
    let gateway = serve(strategy, "", &everything.url).await;
    let (client, _) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();

    let server = client.peer_info().unwrap();
    assert_eq!(server.server_info.as_ref().unwrap().name, "mcp-servers/everything");
    let tools = client.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "echo"), "{tools:?}");
    let echoed = client
        .call_tool(call("echo", &json!({ "message": "through and back" })))
        .await
        .unwrap();
    assert_eq!(echoed.content[0].as_text().unwrap().text, "Echo: through and back");

    client.cancel().await.unwrap();
    no_session_is_left(everything, strategy).await;
    let ended = gateway.stop().await;
    assert_eq!(ended.code, 0);
    assert!(!ended.lines.join("\n").contains(TOKEN));
}

async fn a_client_of_the_newest_revision_falls_back(strategy: &str) {
    let everything = Everything::start().await;
    let gateway = serve(strategy, "", &everything.url).await;
    let newest = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let (client, _) = connect(&gateway, newest).await.unwrap();
    assert_eq!(client.peer_info().unwrap().protocol_version, ProtocolVersion::V_2025_11_25);
    client.cancel().await.unwrap();
    no_session_is_left(everything, strategy).await;
}

fn long_operation(seconds: f64, steps: u32) -> ClientRequest {
    let arguments = json!({ "duration": seconds, "steps": steps });
    ClientRequest::CallToolRequest(CallToolRequest::new(call(
        "trigger-long-running-operation",
        &arguments,
    )))
}

async fn progress_arrives_before_the_result(strategy: &str) {
    let everything = Everything::start().await;
    let gateway = serve(strategy, "", &everything.url).await;
    let (client, mut progress) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();

    let mut request = client
        .send_cancellable_request(long_operation(0.5, 5), PeerRequestOptions::no_options())
        .await
        .unwrap();
    for step in 1..=5 {
        tokio::select! {
            biased;
            seen = progress.recv() => assert_eq!(seen, Some(f64::from(step))),
            result = &mut request.rx => panic!("the result was there before step {step}: {result:?}"),
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
    no_session_is_left(everything, strategy).await;
}

/// What is held back until the stream ends would never be seen here, however long one waits.
async fn progress_arrives_while_the_result_is_an_hour_away(strategy: &str) {
    let everything = Everything::start().await;
    let gateway = serve(strategy, "", &everything.url).await;
    let (client, mut progress) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();

    let request = client
        .send_cancellable_request(long_operation(3600.0, 36_000), PeerRequestOptions::no_options())
        .await
        .unwrap();
    for step in 1..=3 {
        let seen = timeout(child::PATIENCE, progress.recv())
            .await
            .expect("notifications come while the operation runs");
        assert_eq!(seen, Some(f64::from(step)));
    }
    request.cancel(None).await.unwrap();
    client.cancel().await.unwrap();
    no_session_is_left(everything, strategy).await;
}

/// With a commit deadline that no upstream keeps, answers come inside streams that the gateway has opened itself.
async fn a_head_that_is_not_waited_for(strategy: &str) {
    let everything = Everything::start().await;
    let gateway = serve(strategy, "commit_deadline_ms = 1", &everything.url).await;
    let (client, mut progress) = connect(&gateway, ClientLifecycleMode::Initialize).await.unwrap();
    assert!(!client.list_all_tools().await.unwrap().is_empty());
    let request = client
        .send_cancellable_request(long_operation(0.5, 5), PeerRequestOptions::no_options())
        .await
        .unwrap();
    request.await_response().await.unwrap();
    assert_eq!(progress.recv().await, Some(1.0));
    client.cancel().await.unwrap();
    no_session_is_left(everything, strategy).await;
}

async fn a_refused_token_is_a_challenge_that_the_client_understands(strategy: &str) {
    for status in [401, 403] {
        let upstream = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status))
            .mount(&upstream)
            .await;
        let gateway = serve(strategy, "", &format!("{}/mcp", upstream.uri())).await;
        let Err(error) = connect(&gateway, ClientLifecycleMode::Initialize).await else {
            panic!("{status} let through")
        };
        assert_eq!(error.is_authorization_required(), status == 401, "{error}");
        let leads_here = format!(
            "resource_metadata=\"http://{}/.well-known/oauth-protected-resource/mcp/alpha\"",
            gateway.address
        );
        assert_eq!(
            error.auth_challenge().is_some_and(|challenge| challenge.contains(&leads_here)),
            status == 401,
            "{error}"
        );
        assert_eq!(gateway.stop().await.code, 0);
    }
}
