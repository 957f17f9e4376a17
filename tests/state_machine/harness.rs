//! The gateway with its mock upstreams and a client, driven by the steps of the model.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request as HttpRequest, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use mcp_preflight::{config::Config, gateway};
use proptest_state_machine::StateMachineTest;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{
    model::{Configuration, Model, Operation, Request, Response, SERVERS, State, Step},
    secrets::environment,
    upstreams::{Upstreams, serve},
};

pub(crate) struct Harness {
    runtime: Runtime,
    gateway: gateway::Running,
    upstreams: Arc<Mutex<Upstreams>>,
    /// The upstream URL of each server.
    urls: Vec<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl StateMachineTest for Harness {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(state: &State) -> Self {
        let runtime = Runtime::new().unwrap();
        let upstreams = Arc::new(Mutex::new(Upstreams {
            behaviours: state.behaviours,
            reached: BTreeSet::new(),
            received_gateway_key: false,
        }));
        let (urls, gateway) = runtime.block_on(async {
            let mut urls = Vec::new();
            for server in 0..SERVERS.len() {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                urls.push(format!("http://{}/mcp", listener.local_addr().unwrap()));
                tokio::spawn(serve(listener, server, Arc::clone(&upstreams)));
            }
            let gateway = gateway::start(parse(&state.configuration, &urls)).await.unwrap();
            (urls, gateway)
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { runtime, gateway, upstreams, urls, client }
    }

    fn apply(harness: Self, state: &State, step: Step) -> Self {
        match step {
            Step::Behave { .. } => harness.upstreams.lock().unwrap().behaviours = state.behaviours,
            Step::Reload(configuration) => {
                harness.gateway.reload(parse(&configuration, &harness.urls)).unwrap();
            }
            Step::Send(request) => harness.send_and_compare(state, &request),
        }
        harness
    }

    fn teardown(harness: Self, _: State) {
        harness.runtime.block_on(harness.gateway.stop());
    }
}

impl Harness {
    fn send_and_compare(&self, state: &State, request: &Request) {
        self.upstreams.lock().unwrap().reached.clear();
        let response = self.runtime.block_on(self.send(request));
        let expected = state.expected(request);
        assert_eq!(response, expected.response, "{request:?} in {state:?}");
        let upstreams = self.upstreams.lock().unwrap();
        if response == Response::Result {
            assert_eq!(upstreams.reached, expected.servers, "{request:?} in {state:?}");
        }
        assert!(
            upstreams.reached.is_subset(&expected.servers),
            "{request:?} reached the servers {:?}; it may reach {:?}",
            upstreams.reached,
            expected.servers
        );
        assert!(!upstreams.received_gateway_key, "the gateway key was sent upstream");
    }

    async fn send(&self, request: &Request) -> Response {
        let base = format!("http://{}", self.gateway.address());
        let (path, method, params) = match &request.operation {
            Operation::ListOne(server) => {
                (format!("/mcp/{}", SERVERS[*server]), "tools/list", json!({}))
            }
            Operation::ListAggregate(None) => ("/mcp".to_owned(), "tools/list", json!({})),
            Operation::ListAggregate(Some(named)) => {
                let names: Vec<&str> = named.iter().map(|server| SERVERS[*server]).collect();
                (format!("/mcp/{}", names.join(",")), "tools/list", json!({}))
            }
            Operation::Call(server) => {
                let tool = format!("{}-echo", SERVERS[*server]);
                ("/mcp".to_owned(), "tools/call", json!({ "name": tool }))
            }
        };
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let http_request = HttpRequest::post(base + &path)
            .header("x-litellm-api-key", if request.valid_key { "sk" } else { "unknown" })
            .header("authorization", format!("Bearer token-{}", request.token))
            .header("accept", "application/json")
            .body(Full::from(message.to_string()))
            .unwrap();
        let response = self.client.request(http_request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        if status != StatusCode::OK {
            Response::Status(status.as_u16())
        } else if body.get("result").is_some() {
            Response::Result
        } else {
            assert_eq!(body["error"]["code"], -32602, "{body}");
            Response::UnknownTool
        }
    }
}

fn parse(configuration: &Configuration, urls: &[String]) -> Config {
    let granted: Vec<&str> = configuration.granted.iter().map(|server| SERVERS[*server]).collect();
    let profile = if configuration.partial_results { "mcp" } else { "seed" };
    let strategy = if configuration.deferred { "deferred" } else { "probe" };
    let mut text = format!(
        r#"
listen = "127.0.0.1:0"
profile = "{profile}"
strategy = "{strategy}"

[[key]]
name = "a"
value = {{ env = "KEY" }}
servers = {granted:?}
"#
    );
    for (name, url) in SERVERS.iter().zip(urls) {
        // With a session-based version, the gateway would end probe sessions in the background, and
        // these requests could be attributed to the next step.
        text += &format!(
            r#"
[[server]]
name = "{name}"
url = "{url}"
forward = ["authorization"]
protection_space = "one"
protocol_version = "2026-07-28"
"#
        );
    }
    Config::parse("test", &text, &environment).unwrap_or_else(|error| panic!("{error}"))
}
