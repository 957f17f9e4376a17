//! The gateway in front of three mock upstreams, and a client that sends requests to it.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use mcp_preflight::{config::Config, gateway};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, matchers::any};

use crate::{mock_upstream::MockUpstream, secrets::environment};

pub(crate) const STRATEGIES: [&str; 2] = ["probe", "deferred"];
/// The servers: `alpha` and `beta` are session-based, `gamma` speaks 2026-07-28.
pub(crate) const SERVERS: [&str; 3] = ["alpha", "beta", "gamma"];
/// The member of `_meta` that holds the outcomes of servers which are missing from a result.
pub(crate) const OUTCOMES: &str = "mcp-preflight/outcomes";
/// The version field of a client of the session-based protocol versions.
pub(crate) const V2025_11_25: (&str, &str) = ("mcp-protocol-version", "2025-11-25");

/// For [`Harness::start`]: no more settings for any server.
pub(crate) const NO_SERVER_SETTINGS: [&str; 3] = [""; 3];

const KEYS_AND_TOOLSET: &str = r#"
[[key]]
name = "a"
value = { env = "KEY" }
servers = "all"
toolsets = ["pair"]

[[key]]
name = "b"
value = { env = "OTHER_KEY" }
servers = ["alpha"]
toolsets = ["pair"]

[[toolset]]
name = "pair"
servers = ["alpha", "beta"]
tools = ["beta-echo"]
"#;

/// A running gateway and its mock upstreams. Each server receives the caller's token.
pub(crate) struct Harness {
    gateway: gateway::Running,
    upstreams: Vec<MockServer>,
}

impl Harness {
    pub(crate) async fn with_strategy(strategy: &str) -> Self {
        Self::start(&format!("strategy = \"{strategy}\""), NO_SERVER_SETTINGS).await
    }

    /// Starts the gateway with top-level settings, and with more settings for each server.
    pub(crate) async fn start(settings: &str, server_settings: [&str; 3]) -> Self {
        let mut text = format!("listen = \"127.0.0.1:0\"\n{settings}\n{KEYS_AND_TOOLSET}");
        let mut upstreams = Vec::new();
        for (name, more) in SERVERS.into_iter().zip(server_settings) {
            // `MockServer::start` may reuse a server, which can still receive requests that belong
            // to an earlier test.
            let upstream = MockServer::builder().start().await;
            let stateless = name == "gamma";
            Mock::given(any())
                .respond_with(MockUpstream { name, stateless })
                .mount(&upstream)
                .await;
            let version = if stateless { "protocol_version = \"2026-07-28\"" } else { "" };
            let url = upstream.uri();
            text += &format!(
                r#"
[[server]]
name = "{name}"
url = "{url}/mcp"
forward = ["authorization"]
authorization_servers = ["https://{name}.example"]
{version}
{more}
"#
            );
            upstreams.push(upstream);
        }
        let config =
            Config::parse("test", &text, &environment).unwrap_or_else(|error| panic!("{error}"));
        Self { gateway: gateway::start(config).await.unwrap(), upstreams }
    }

    /// Sends a request whose URI holds only a path.
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Response {
        let uri = format!("http://{}{}", self.gateway.address(), request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Response {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    /// Posts a message with the first gateway key and an upstream token.
    pub(crate) async fn post(
        &self,
        path: &str,
        token: &str,
        fields: &[(&str, &str)],
        message: &Value,
    ) -> Response {
        let mut request = Request::post(path)
            .header("x-litellm-api-key", "sk")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::from(message.to_string())).unwrap()).await
    }

    /// Every request that a server has received so far.
    pub(crate) async fn requests(&self, server: &str) -> Vec<wiremock::Request> {
        let position = SERVERS.iter().position(|name| *name == server).unwrap();
        self.upstreams[position].received_requests().await.unwrap()
    }

    /// The JSON-RPC methods that a server has received; the HTTP method where there is no message.
    pub(crate) async fn methods(&self, server: &str) -> Vec<String> {
        self.requests(server).await.iter().map(method).collect()
    }

    /// How often a server has received a method.
    pub(crate) async fn count(&self, server: &str, method: &str) -> usize {
        self.methods(server).await.iter().filter(|received| *received == method).count()
    }

    /// Stops the gateway, which first ends the upstream sessions that it opened, and then returns
    /// the methods that a server has received.
    pub(crate) async fn methods_after_stop(self, server: &str) -> Vec<String> {
        let Self { gateway, upstreams } = self;
        gateway.stop().await;
        let position = SERVERS.iter().position(|name| *name == server).unwrap();
        upstreams[position]
            .received_requests()
            .await
            .unwrap()
            .iter()
            .map(method)
            .collect()
    }
}

fn method(request: &wiremock::Request) -> String {
    let message: Value = request.body_json().unwrap_or_default();
    message["method"]
        .as_str()
        .map_or_else(|| request.method.to_string(), str::to_owned)
}

/// A response of the gateway, with its body as JSON.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Response {
    pub(crate) fn challenge(&self) -> &str {
        self.headers.get("www-authenticate").map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the code of the JSON-RPC error.
    pub(crate) fn status_and_code(&self) -> (u16, i64) {
        (self.status.as_u16(), self.body["error"]["code"].as_i64().unwrap_or_default())
    }

    pub(crate) fn session_id(&self) -> String {
        self.headers["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// The text of the first content of a tool's result.
    pub(crate) fn text(&self) -> &Value {
        &self.body["result"]["content"][0]["text"]
    }

    /// The names of the listed tools.
    pub(crate) fn tools(&self) -> Vec<&str> {
        self.body["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect()
    }
}

pub(crate) fn message(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

pub(crate) fn list_tools() -> Value {
    message("tools/list", &json!({}))
}

pub(crate) fn call_tool(name: &str) -> Value {
    message("tools/call", &json!({ "name": name, "arguments": {} }))
}

pub(crate) fn initialize(version: &str) -> Value {
    let client = json!({ "name": "c", "version": "1" });
    message(
        "initialize",
        &json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client }),
    )
}

pub(crate) fn initialized() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}
