//! How refusals by servers decide the response of an aggregate endpoint.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::json;

use crate::harness::{
    Harness, OUTCOMES, Response, SERVERS, STRATEGIES, V2025_11_25, call_tool, list_tools, message,
};

const STATUSES: [&str; 4] = ["200", "401", "403", "500"];

/// AGG-01, AGG-02, AGG-03, AGG-06: every combination of the statuses of three servers, with each
/// profile. Both strategies must give the same response.
///
/// A row of the snapshot: profile, the three upstream statuses, `->`, the gateway's status, the
/// server that the error names, and the reported outcome of each server.
#[tokio::test]
async fn every_combination_of_upstream_statuses() {
    let mut table = BTreeMap::new();
    for profile in ["seed", "mcp"] {
        for strategy in STRATEGIES {
            let settings = format!("profile = \"{profile}\"\nstrategy = \"{strategy}\"");
            let harness = Harness::start(&settings, ["protection_space = \"one\""; 3]).await;
            for number in 0..64_usize {
                let statuses = [number / 16, number / 4 % 4, number % 4].map(|at| STATUSES[at]);
                let token = token_for(statuses);
                let response = harness.post("/mcp", &token, &[V2025_11_25], &list_tools()).await;
                let row = row(&response);
                let first = table.entry((profile, statuses)).or_insert_with(|| row.clone());
                assert_eq!(*first, row, "{profile} {statuses:?}: the strategies differ");
            }
        }
    }
    let rows: Vec<String> = table
        .iter()
        .map(|((profile, statuses), row)| format!("{profile:4} {} -> {row}", statuses.join(" ")))
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
}

/// The token that makes the servers answer with these statuses.
fn token_for(statuses: [&str; 3]) -> String {
    let parts: Vec<String> = SERVERS
        .iter()
        .zip(statuses)
        .filter(|(_, status)| *status != "200")
        .map(|(name, status)| format!("{name}={status}"))
        .collect();
    format!("t+{}", parts.join("+"))
}

fn row(response: &Response) -> String {
    let status = response.status.as_u16();
    let named = response.body["error"]["data"]["server"].as_str().unwrap_or("-");
    let metadata_of_named = format!("/mcp/{named}?resource=/mcp\"");
    assert_eq!(
        response.status == StatusCode::UNAUTHORIZED,
        response.challenge().contains(&metadata_of_named),
        "a 401, and no other response, has a challenge for the server that the error names: {}",
        response.body
    );
    let outcomes = &response.body["result"]["_meta"][OUTCOMES];
    let outcomes = SERVERS.map(|name| outcomes[name]["outcome"].as_str().unwrap_or("-"));
    format!("{status} {named:5} {}", outcomes.join(" "))
}

/// AGG-10: only the server of the called tool is probed, and only its outcome decides.
#[tokio::test]
async fn a_tool_call_depends_only_on_the_server_of_the_tool() {
    for strategy in STRATEGIES {
        let harness = Harness::with_strategy(strategy).await;
        let gamma = call_tool("gamma-echo");
        let called = harness.post("/mcp", "alpha=401+beta=403", &[V2025_11_25], &gamma).await;
        assert_eq!(called.text(), "echo of gamma", "{strategy}: {}", called.body);
        assert!(harness.requests("alpha").await.is_empty());
        assert!(harness.requests("beta").await.is_empty());

        let alpha = call_tool("alpha-echo");
        let refused = harness.post("/mcp", "alpha=401", &[V2025_11_25], &alpha).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
}

/// PRB-16: with `probe_reuse_ms`, an accepted token is not probed again; another token is.
#[tokio::test]
async fn an_accepted_token_is_not_probed_again_while_reuse_is_configured() {
    let harness = Harness::start("probe_reuse_ms = 3600000", ["", "", "disabled = true"]).await;
    for _ in 0..3 {
        let fields = [V2025_11_25, ("mcp-session-id", "")];
        harness.post("/mcp/alpha", "t", &fields, &list_tools()).await;
    }
    let initialize = message("initialize", &json!({}));
    for _ in 0..3 {
        let response = harness.post("/mcp/beta,beta", "t", &[V2025_11_25], &initialize).await;
        assert_eq!(response.status, StatusCode::OK);
    }
    let count = harness.count("beta", "initialize").await;
    assert_eq!(count, 4, "one probe and three requests of the client");
    harness.post("/mcp/beta,beta", "other", &[V2025_11_25], &initialize).await;
    let count = harness.count("beta", "initialize").await;
    assert_eq!(count, 6, "one more probe, for the other token, and one more request");
}
