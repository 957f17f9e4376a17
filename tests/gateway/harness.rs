//! The gateway with one gateway key, and a client that sends requests to it.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use mcp_preflight::{config::Config, gateway};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::header};

use crate::secrets::environment;

pub(crate) const STRATEGIES: [&str; 2] = ["probe", "deferred"];

/// A configuration file with one gateway key, `sk`, that grants every server.
pub(crate) fn configuration(settings: &str, servers: &str) -> String {
    format!(
        r#"
listen = "127.0.0.1:0"
{settings}
[[key]]
name = "alice"
value = {{ env = "KEY" }}
servers = "all"
{servers}
"#
    )
}

pub(crate) fn parse(text: &str) -> Config {
    Config::parse("test", text, &environment).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn start(settings: &str, servers: &str) -> gateway::Running {
    gateway::start(parse(&configuration(settings, servers))).await.unwrap()
}

/// The configuration of a token-forwarding server.
pub(crate) fn forwarding(name: &str, url: &str) -> String {
    format!("[[server]]\nname = \"{name}\"\nurl = \"{url}/mcp\"\nforward = [\"authorization\"]\n")
}

/// A POST request with the gateway key and the upstream token `caller`.
pub(crate) fn call(
    gateway: &gateway::Running,
    path: &str,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    Request::post(format!("http://{}{path}", gateway.address()))
        .header("x-litellm-api-key", "sk")
        .header("authorization", "Bearer caller")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Full::new(body.into()))
        .unwrap()
}

/// A `tools/list` request with this token.
pub(crate) fn list_tools(
    gateway: &gateway::Running,
    path: &str,
    token: &str,
) -> Request<Full<Bytes>> {
    let mut request = call(gateway, path, message("tools/list"));
    let credentials = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", credentials);
    request
}

pub(crate) fn get(url: String) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

pub(crate) fn client() -> Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends a request and reads the response to its end.
pub(crate) async fn send(request: Request<Full<Bytes>>) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = client().request(request).await.unwrap().into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

pub(crate) fn message(method: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": {} }).to_string()
}

/// A response with an empty result.
pub(crate) fn result() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "jsonrpc": "2.0", "id": 7, "result": {} }))
}

/// An upstream whose status depends on the token: `token-401` leads to 401, and so on.
pub(crate) async fn upstream_by_token() -> MockServer {
    let upstream = MockServer::start().await;
    for (token, response) in [
        ("Bearer token-200", result()),
        ("Bearer token-401", ResponseTemplate::new(401)),
        ("Bearer token-403", ResponseTemplate::new(403)),
        ("Bearer token-500", ResponseTemplate::new(500)),
    ] {
        Mock::given(header("authorization", token))
            .respond_with(response)
            .mount(&upstream)
            .await;
    }
    upstream
}

pub(crate) fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}
