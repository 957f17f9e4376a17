//! Which servers of an aggregate endpoint receive the caller's token (AGG-04).

use http::StatusCode;
use serde_json::json;

use crate::harness::{Harness, OUTCOMES, SERVERS, V2025_11_25, call_tool, list_tools};

/// `beta` and `gamma` share a protection space; `alpha` has its own.
const SPACES: [&str; 3] = ["", "protection_space = \"one\"", "protection_space = \"one\""];

/// In profile `mcp` the token goes to the first protection space only; in profile `seed` to every
/// server.
#[tokio::test]
async fn a_token_for_the_endpoint_goes_to_one_protection_space() {
    for (profile, receives) in [("seed", [true, true, true]), ("mcp", [true, false, false])] {
        let settings = format!("profile = \"{profile}\"\nstrategy = \"deferred\"");
        let harness = Harness::start(&settings, SPACES).await;
        harness.post("/mcp", "canary", &[V2025_11_25], &list_tools()).await;
        for (server, receives) in SERVERS.into_iter().zip(receives) {
            let requests = harness.requests(server).await;
            assert!(!requests.is_empty(), "{profile} {server}");
            let received = requests.iter().any(|request| {
                let token = request.headers.get("authorization");
                token.is_some_and(|value| value == "Bearer canary")
            });
            assert_eq!(received, receives, "{profile} {server}");
        }
    }
}

#[tokio::test]
async fn servers_of_one_protection_space_share_a_token() {
    let harness = Harness::start("profile = \"mcp\"\nstrategy = \"deferred\"", SPACES).await;
    let listed = harness
        .post("/mcp/beta,gamma", "gamma=403", &[V2025_11_25], &list_tools())
        .await;
    assert_eq!(listed.tools(), ["beta-echo"]);
    assert_eq!(listed.body["result"]["_meta"][OUTCOMES]["gamma"]["outcome"], json!("forbidden"));
}

#[tokio::test]
async fn a_token_for_one_server_replaces_the_token_for_the_endpoint() {
    let harness = Harness::start("profile = \"mcp\"\nstrategy = \"deferred\"", SPACES).await;
    let fields = [V2025_11_25, ("x-mcp-beta-authorization", "Bearer t")];
    let listed = harness.post("/mcp/alpha,beta", "beta=401", &fields, &list_tools()).await;
    assert_eq!(listed.tools(), ["alpha-echo", "beta-echo"], "{}", listed.body);
}

#[tokio::test]
async fn a_tool_call_sends_the_token_to_the_server_of_the_tool() {
    let harness = Harness::start("profile = \"mcp\"\nstrategy = \"deferred\"", SPACES).await;
    let called = harness.post("/mcp", "beta=403", &[V2025_11_25], &call_tool("beta-echo")).await;
    assert_eq!(called.status, StatusCode::FORBIDDEN);
}
