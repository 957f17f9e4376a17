//! Recovery on an aggregate endpoint.

use serde_json::json;

use super::{EXPIRED_TOKEN, PROFILES_AND_STRATEGIES, Settings, Setup, lifecycles_and_versions};
use crate::{oauth_client, protected_upstream::Policy, python_client, rust_client::call};

/// A tool of the first server.
const FIRST_TOOL: &str = "s0-test_simple_text";
/// The same tool of the second server.
const SECOND_TOOL: &str = "s1-test_simple_text";
const TEXT: &str = "This is a simple text response for testing.";

/// The mode of the Python client that matches the protocol version of the servers.
fn mode(version: &str) -> &'static str {
    if version == "2026-07-28" { "auto" } else { "legacy" }
}

/// Lets three clients recover: the Rust client with each lifecycle, and the Python client with
/// servers of one protocol version. Returns the names of the tools that each client lists.
async fn recover(
    profile: &str,
    strategy: &str,
    policies: &[Policy],
    python_version: &str,
) -> Vec<Vec<String>> {
    let mut tools = Vec::new();
    for (lifecycle, version) in lifecycles_and_versions() {
        let setup = Setup::aggregate(Settings { profile, strategy, version }, policies).await;
        let client = oauth_client::connect_with_recovery(&setup.url, EXPIRED_TOKEN, lifecycle)
            .await
            .unwrap();
        setup.assert_authorized_once();
        let listed = client.list_all_tools().await.unwrap();
        tools.push(listed.into_iter().map(|tool| tool.name.into_owned()).collect());
        let result = client.call_tool(call(FIRST_TOOL, &json!({}))).await.unwrap();
        assert_eq!(result.content[0].as_text().unwrap().text, TEXT);

        setup.authorization_server.expire_access_tokens();
        client.call_tool(call(FIRST_TOOL, &json!({}))).await.unwrap();
        let requests = setup.authorization_server.take_requests();
        assert_eq!(requests, ["token by refresh_token"], "an expired token is refreshed");
        drop(client);
        setup.stop().await;
    }

    let settings = Settings { profile, strategy, version: python_version };
    let setup = Setup::aggregate(settings, policies).await;
    let options = json!({
        "expired_token": EXPIRED_TOKEN, "mode": mode(python_version), "tool": FIRST_TOOL
    });
    let report = python_client::converse(&setup.url, &options).await;
    assert_eq!(report["text"], json!([TEXT]), "{profile} {strategy}: {report}");
    setup.assert_authorized_once();
    tools.push(serde_json::from_value(report["tools"].clone()).unwrap());
    setup.stop().await;
    tools
}

fn contains(tools: &[String], name: &str) -> bool {
    tools.iter().any(|tool| tool == name)
}

#[tokio::test]
async fn clients_recover_if_every_server_accepts_the_new_token() {
    let versions = ["2025-11-25", "2026-07-28", "2026-07-28", "2025-11-25"];
    for ((profile, strategy), version) in PROFILES_AND_STRATEGIES.into_iter().zip(versions) {
        let policies = [Policy::Accept, Policy::Accept];
        for tools in recover(profile, strategy, &policies, version).await {
            assert!(contains(&tools, FIRST_TOOL), "{profile} {strategy} {tools:?}");
            assert!(contains(&tools, SECOND_TOOL), "{profile} {strategy} {tools:?}");
        }
    }
}

/// In profile `mcp`, the tools of a server that refuses the new token are missing. No client
/// authorizes again because of it.
#[tokio::test]
async fn clients_recover_without_the_tools_of_a_server_that_refuses_the_new_token() {
    for (policy, version) in
        [(Policy::Forbid, "2025-11-25"), (Policy::DemandMoreScope, "2026-07-28")]
    {
        for tools in recover("mcp", "probe", &[Policy::Accept, policy], version).await {
            assert!(contains(&tools, FIRST_TOOL), "{tools:?}");
            assert!(!contains(&tools, SECOND_TOOL), "{tools:?}");
        }
    }
}

/// If no server answers 401, a 403 stops the client: in profile `seed` that of any server, in
/// profile `mcp` that of all servers.
#[tokio::test]
async fn clients_stop_if_no_token_helps() {
    for (profile, policies) in [
        ("seed", [Policy::Accept, Policy::Forbid]),
        ("mcp", [Policy::Forbid, Policy::Forbid]),
    ] {
        for strategy in ["probe", "deferred"] {
            for (lifecycle, version) in lifecycles_and_versions() {
                let settings = Settings { profile, strategy, version };
                let setup = Setup::aggregate(settings, &policies).await;
                let error =
                    oauth_client::connect_with_recovery(&setup.url, EXPIRED_TOKEN, lifecycle)
                        .await
                        .unwrap_err();
                assert!(error.contains("403 Forbidden"), "{error}");
                setup.assert_authorized_once();
                setup.stop().await;
            }

            let settings = Settings { profile, strategy, version: "2026-07-28" };
            let setup = Setup::aggregate(settings, &policies).await;
            let options =
                json!({ "expired_token": EXPIRED_TOKEN, "mode": "auto", "tool": FIRST_TOOL });
            let report = python_client::converse(&setup.url, &options).await;
            let error = report["error"][0].as_str().unwrap();
            assert!(error.contains("403 Forbidden"), "{report}");
            setup.assert_authorized_once();
            setup.stop().await;
        }
    }
}

/// In profile `mcp`, the token goes to the first protection space only, and the client is served by
/// the server in it.
#[tokio::test]
async fn a_token_of_one_authorization_server_serves_its_protection_space() {
    for version in ["2025-11-25", "2026-07-28"] {
        let settings = Settings { profile: "mcp", strategy: "probe", version };
        let (setup, second) = Setup::separate_spaces(settings).await;
        let options = json!({
            "expired_token": EXPIRED_TOKEN, "mode": mode(version), "tool": FIRST_TOOL
        });
        let report = python_client::converse(&setup.url, &options).await;
        assert_eq!(report["text"], json!([TEXT]), "{report}");
        assert!(!report["tools"].to_string().contains(SECOND_TOOL), "{report}");
        setup.assert_authorized_once();
        assert_eq!(second.take_requests(), Vec::<String>::new());
        setup.stop().await;
    }
}

/// In profile `seed`, the token goes to both servers, and one of them refuses every new token. The
/// client tries once or twice, and stops.
#[tokio::test]
async fn a_client_stops_if_no_token_is_accepted_by_both_servers() {
    for version in ["2025-11-25", "2026-07-28"] {
        let settings = Settings { profile: "seed", strategy: "probe", version };
        let (setup, second) = Setup::separate_spaces(settings).await;
        let options = json!({
            "expired_token": EXPIRED_TOKEN, "mode": mode(version), "tool": FIRST_TOOL
        });
        let report = python_client::converse(&setup.url, &options).await;
        let error = report["error"][0].as_str().unwrap();
        assert!(error.contains("401 Unauthorized"), "{report}");
        let requests =
            [setup.authorization_server.take_requests(), second.take_requests()].concat();
        let authorizations =
            requests.iter().filter(|request| request.starts_with("authorize")).count();
        assert!((1..=2).contains(&authorizations), "{requests:?}");
        setup.stop().await;
    }
}
