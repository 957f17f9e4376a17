//! Protected resource metadata and authorization server metadata.

use http::StatusCode;
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::harness::{forwarding, get, json, send, start};

/// An upstream with both documents, each of which may be requested once.
async fn upstream() -> MockServer {
    let upstream = MockServer::start().await;
    let url = upstream.uri();
    for (at, document) in [
        (
            "/.well-known/oauth-protected-resource/mcp",
            json!({ "resource": url, "authorization_servers": [url] }),
        ),
        ("/.well-known/oauth-authorization-server", json!({ "issuer": url })),
    ] {
        Mock::given(path(at))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .expect(1)
            .mount(&upstream)
            .await;
    }
    upstream
}

#[tokio::test]
async fn metadata_names_the_gateway_as_the_resource_and_is_fetched_upstream_once() {
    let upstream = upstream().await;
    let settings = "external_url = \"https://gw.example\"";
    let gateway = start(settings, &forwarding("alpha", &upstream.uri())).await;
    let well_known = format!("http://{}/.well-known", gateway.address());
    for _ in 0..2 {
        for endpoint in ["/mcp/alpha", "/alpha/mcp/"] {
            let url = format!("{well_known}/oauth-protected-resource{endpoint}");
            let (status, _, body) = send(get(url)).await;
            assert_eq!(status, StatusCode::OK);
            let document = json(&body);
            assert_eq!(document["resource"], format!("https://gw.example{endpoint}"));
            assert_eq!(document["authorization_servers"], json!([upstream.uri()]));

            let url = format!("{well_known}/oauth-authorization-server{endpoint}");
            let (status, _, body) = send(get(url)).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(json(&body)["issuer"], upstream.uri());
        }
    }
    let unknown = format!("{well_known}/oauth-protected-resource/mcp/nobody");
    assert_eq!(send(get(unknown)).await.0, StatusCode::NOT_FOUND);
}
