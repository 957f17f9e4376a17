//! The smoke test of gateways with aggregate endpoints.

use mcp_preflight_conformance::{cases::deployment::names, runner::smoke::Cause::Description};
use serde_json::json;

use crate::{
    gateway::{Answer, ClientRequest, UpstreamClient, relay},
    judged::{Judge, KEY_FIELD, Smoked},
};

/// The description of a gateway with an aggregate endpoint for each way to select servers.
const AGGREGATE: &str = r#"
routes = ["/mcp/{server}"]
features = ["gateway-keys", "sessionless-requests", "token-forwarding"]

[aggregate]
routes = ["/all/{servers}", "/sets/{toolset}"]
narrowing-header = "x-mcp-servers"

[credentials]
key-header = "x-gateway-key"
"#;

/// Lists the tools of these servers, with the names of the servers before those of the tools.
async fn list(request: &ClientRequest, upstreams: &UpstreamClient, servers: &[&str]) -> Answer {
    let mut tools = Vec::new();
    for server in servers {
        upstreams.post(server, &request.headers, &request.message).await;
        tools.push(json!({ "name": format!("{server}_echo"), "inputSchema": {} }));
    }
    Answer::result(request, &json!({ "tools": tools }))
}

/// Makes the smoke test of a gateway whose aggregate endpoints contact these servers; `None` if
/// there are no such endpoints.
async fn smoke_aggregate(description: &str, servers: Option<&'static [&'static str]>) -> Smoked {
    let judge = Judge::start(description, move |request, upstreams| async move {
        let is_aggregate = ["/all/", "/sets/"].iter().any(|path| request.path.starts_with(path));
        match servers {
            Some(servers) if is_aggregate || request.path == "/mcp" => {
                list(&request, &upstreams, servers).await
            }
            None if is_aggregate => Answer::empty(404),
            _ => relay(&request, &upstreams).await,
        }
    })
    .await;
    judge.smoke().await
}

#[tokio::test]
async fn servers_of_an_aggregate_endpoint_are_compared_with_the_selected_ones() {
    let right = smoke_aggregate(AGGREGATE, Some(&names::AGGREGATE)).await;
    assert_eq!(right.hints(Description), [""; 0]);
    for (servers, hint) in [
        (&["beta"][..], "contacted only beta of alpha, beta, gamma"),
        (&names::FORWARDING[..], "the gateway widens the set of servers"),
    ] {
        let smoked = smoke_aggregate(AGGREGATE, Some(servers)).await;
        let hints = smoked.hints(Description);
        assert_eq!(hints.len(), 2, "{hints:#?}");
        assert!(hints.iter().all(|text| text.contains(hint)), "{hints:#?}");
    }
}

#[tokio::test]
async fn a_missing_aggregate_endpoint_is_named_with_its_servers_and_its_toolset() {
    let smoked = smoke_aggregate(AGGREGATE, None).await;
    assert_eq!(
        smoked.hints(Description),
        [
            "there is no endpoint at /all/alpha,beta,gamma; check `aggregate.routes`",
            "there is no endpoint at /sets/trio; check `aggregate.routes`",
        ]
    );
}

#[tokio::test]
async fn an_aggregate_endpoint_that_is_not_described_is_proposed() {
    let smoked = smoke_aggregate(KEY_FIELD, Some(&names::AGGREGATE)).await;
    assert_eq!(smoked.hints(Description), [""; 0]);
    let aggregate = "[aggregate]\nroutes = [\"/mcp\"]\nname-separator = \"_\"\n";
    assert!(smoked.lines().contains(aggregate), "{}", smoked.lines());
}
