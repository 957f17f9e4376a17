//! Recovery on a single-server endpoint.

use rmcp::ClientLifecycleMode;
use serde_json::json;

use super::{EXPIRED_TOKEN, PROFILES_AND_STRATEGIES, Setup, lifecycles_and_versions};
use crate::{
    oauth_client,
    protected_upstream::{MORE_SCOPE, Policy},
    python_client,
    rust_client::call,
};

const TOOL: &str = "test_simple_text";
const TEXT: &str = "This is a simple text response for testing.";

#[tokio::test]
async fn the_rust_client_recovers_from_a_refused_token() {
    for (profile, strategy) in PROFILES_AND_STRATEGIES {
        for (lifecycle, _) in lifecycles_and_versions() {
            let setup = Setup::single_server(profile, strategy, Policy::Accept).await;
            let client = oauth_client::connect_with_recovery(&setup.url, EXPIRED_TOKEN, lifecycle)
                .await
                .unwrap();
            setup.assert_authorized_once();
            let result = client.call_tool(call(TOOL, &json!({}))).await.unwrap();
            assert_eq!(result.content[0].as_text().unwrap().text, TEXT);

            setup.authorization_server.expire_access_tokens();
            client.call_tool(call(TOOL, &json!({}))).await.unwrap();
            let requests = setup.authorization_server.take_requests();
            assert_eq!(requests, ["token by refresh_token"], "an expired token is refreshed");

            setup.authorization_server.expire_all_tokens();
            let error = client.call_tool(call(TOOL, &json!({}))).await.unwrap_err();
            assert!(error.is_authorization_required(), "{error}");
            drop(client);
            setup.stop().await;
        }
    }
}

/// Whether the gateway passes the upstream's challenge for more scope on to the client.
fn challenges_for_more_scope(profile: &str, policy: Policy) -> bool {
    profile == "mcp" && matches!(policy, Policy::DemandMoreScope)
}

/// Checks the requests of a client that no token helped: it authorized once, and a second time
/// only if it was challenged for more scope.
fn assert_stopped(profile: &str, policy: Policy, requests: &[String]) {
    let authorizations = requests.iter().filter(|request| request.starts_with("authorize")).count();
    let more_scope = challenges_for_more_scope(profile, policy);
    assert_eq!(authorizations, if more_scope { 2 } else { 1 }, "{profile}: {requests:?}");
    let asked_for_more = requests.iter().any(|request| request.contains(MORE_SCOPE));
    assert_eq!(asked_for_more, more_scope, "{profile}: {requests:?}");
    assert!(!requests.iter().any(|request| request.starts_with("refused")), "{requests:?}");
}

#[tokio::test]
async fn the_rust_client_stops_if_no_token_helps() {
    for (profile, strategy) in PROFILES_AND_STRATEGIES {
        for policy in [Policy::Forbid, Policy::DemandMoreScope] {
            let setup = Setup::single_server(profile, strategy, policy).await;
            let lifecycle = ClientLifecycleMode::Initialize;
            let error = oauth_client::connect_with_recovery(&setup.url, EXPIRED_TOKEN, lifecycle)
                .await
                .unwrap_err();
            let expected = if challenges_for_more_scope(profile, policy) {
                "Insufficient scope"
            } else {
                "403 Forbidden"
            };
            assert!(error.contains(expected), "{error}");
            assert_stopped(profile, policy, &setup.authorization_server.take_requests());
            setup.stop().await;
        }
    }
}

#[tokio::test]
async fn the_python_client_recovers_from_a_refused_token() {
    let modes = ["legacy", "auto", "auto", "legacy"];
    for ((profile, strategy), mode) in PROFILES_AND_STRATEGIES.into_iter().zip(modes) {
        let setup = Setup::single_server(profile, strategy, Policy::Accept).await;
        let options = json!({ "expired_token": EXPIRED_TOKEN, "mode": mode, "tool": TOOL });
        let report = python_client::converse(&setup.url, &options).await;
        assert_eq!(report["text"], json!([TEXT]), "{profile} {strategy}: {report}");
        setup.assert_authorized_once();
        setup.stop().await;
    }
}

#[tokio::test]
async fn the_python_client_stops_if_no_token_helps() {
    let policies =
        [Policy::Forbid, Policy::DemandMoreScope, Policy::Forbid, Policy::DemandMoreScope];
    for ((profile, strategy), policy) in PROFILES_AND_STRATEGIES.into_iter().zip(policies) {
        let setup = Setup::single_server(profile, strategy, policy).await;
        let options = json!({ "expired_token": EXPIRED_TOKEN, "mode": "auto", "tool": TOOL });
        let report = python_client::converse(&setup.url, &options).await;
        let error = report["error"][0].as_str().unwrap();
        assert!(error.contains("403 Forbidden"), "{report}");
        assert_stopped(profile, policy, &setup.authorization_server.take_requests());
        setup.stop().await;
    }
}
