//! Protected resource metadata of aggregate endpoints (DSC-01 to DSC-04).

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Harness, NO_SERVER_SETTINGS, Response, V2025_11_25, list_tools};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

async fn harness() -> Harness {
    Harness::start("external_url = \"http://gw.example\"", NO_SERVER_SETTINGS).await
}

async fn get(harness: &Harness, path: &str) -> Response {
    harness.send(Request::get(path).body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn the_challenge_leads_to_the_authorization_server_of_the_refusing_server() {
    let harness = harness().await;
    let refused = harness.post("/mcp/", "beta=401", &[V2025_11_25], &list_tools()).await;
    let (_, rest) = refused.challenge().split_once("resource_metadata=\"").unwrap();
    let (url, _) = rest.split_once('"').unwrap();
    let path = url.strip_prefix("http://gw.example").unwrap_or(url);

    let document = get(&harness, path).await.body;
    assert_eq!(document["resource"], "http://gw.example/mcp/");
    assert_eq!(document["authorization_servers"], json!(["https://beta.example"]));
}

#[tokio::test]
async fn the_metadata_of_an_endpoint_lists_the_authorization_servers_of_all_its_servers() {
    let harness = harness().await;
    let all = get(&harness, &format!("{WELL_KNOWN}/mcp")).await.body;
    assert_eq!(
        all["authorization_servers"],
        json!(["https://alpha.example", "https://beta.example", "https://gamma.example"])
    );
    let toolset = get(&harness, &format!("{WELL_KNOWN}/toolset/pair/mcp")).await.body;
    assert_eq!(toolset["resource"], "http://gw.example/toolset/pair/mcp");
    assert_eq!(toolset["authorization_servers"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn metadata_of_an_unknown_server_or_endpoint_is_answered_404() {
    let harness = harness().await;
    for path in [
        "/mcp/beta?resource=/toolset/nothing/mcp",
        "/mcp/gamma?resource=/toolset/pair/mcp",
        "/mcp/beta?resource=http://evil.example/mcp",
        "/mcp/alpha,nobody",
    ] {
        let response = get(&harness, &format!("{WELL_KNOWN}{path}")).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}");
    }
}
