//! What an operator watches and does while the gateway runs: metrics and a reload.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use mcp_preflight::{config::Config, gateway};
use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, header},
};

/// A configuration with one key, `sk`, for every server.
fn configuration(settings: &str, servers: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n{settings}\n[[key]]\nname = \"alice\"\nvalue = {{ env = \"KEY\" }}\nservers = \"all\"\n{servers}"
    )
}

fn forwarding(name: &str, url: &str) -> String {
    format!("[[server]]\nname = \"{name}\"\nurl = \"{url}/mcp\"\nforward = [\"authorization\"]\n")
}

fn call(address: SocketAddr, path: &str, key: &str, token: &str) -> Request<Full<Bytes>> {
    Request::post(format!("http://{address}{path}"))
        .header("x-litellm-api-key", key)
        .header("authorization", token)
        .header("accept", "application/json, text/event-stream")
        .body(Full::from(
            json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" }).to_string(),
        ))
        .unwrap()
}

async fn send(request: Request<Full<Bytes>>) -> (StatusCode, HeaderMap, Bytes) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

async fn upstream() -> MockServer {
    let upstream = MockServer::start().await;
    let result = ResponseTemplate::new(200)
        .set_body_json(json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
    Mock::given(header("authorization", "Bearer good"))
        .respond_with(result)
        .mount(&upstream)
        .await;
    Mock::given(header("authorization", "Bearer expired"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&upstream)
        .await;
    Mock::given(header("authorization", "Bearer poor"))
        .respond_with(ResponseTemplate::new(403))
        .mount(&upstream)
        .await;
    Mock::given(header("authorization", "Bearer unlucky"))
        .respond_with(ResponseTemplate::new(500))
        .mount(&upstream)
        .await;
    upstream
}

fn environment(_name: &str) -> Option<String> {
    Some("sk".to_owned())
}

fn parse(settings: &str, servers: &str) -> Config {
    Config::parse("test", &configuration(settings, servers), &environment)
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn start(settings: &str, servers: &str) -> gateway::Running {
    gateway::start(parse(settings, servers)).await.unwrap()
}

/// Every sample that is served, by its name and labels.
async fn samples(running: &gateway::Running) -> BTreeMap<String, f64> {
    let url = format!("http://{}/metrics", running.metrics_address().unwrap());
    let (status, headers, text) = send(Request::get(url).body(Full::default()).unwrap()).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap().split(';').next()),
        (StatusCode::OK, Some("application/openmetrics-text"))
    );
    let text = String::from_utf8(text.to_vec()).unwrap();
    let samples = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap());
    samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

#[tokio::test]
async fn requests_outcomes_and_failing_open_are_counted_by_server() {
    let upstream = upstream().await;
    let running =
        start("metrics_listen = \"127.0.0.1:0\"", &forwarding("alpha", &upstream.uri())).await;
    for (path, token) in [
        ("/mcp/alpha", "Bearer good"),
        ("/mcp/alpha", "Bearer expired"),
        ("/mcp/alpha", "Bearer poor"),
        ("/mcp/alpha", "Bearer unlucky"),
        ("/mcp/alpha", "Bearer unlucky"),
        ("/mcp/chosen-by-the-client", "Bearer good"),
    ] {
        send(call(running.address(), path, "sk", token)).await;
    }
    let samples = samples(&running).await;
    let counted: Vec<String> = samples
        .iter()
        .filter(|(name, _)| !name.contains("_bucket") && !name.contains("_sum"))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    assert_eq!(
        counted,
        [
            r#"preflight_answer_outcomes_total{server="alpha",outcome="accepted"} 1"#,
            r#"preflight_answer_outcomes_total{server="alpha",outcome="open-500"} 2"#,
            r#"preflight_answer_seconds_count{server="alpha"} 5"#,
            r#"preflight_fail_open_total{server="alpha",cause="500"} 2"#,
            r#"preflight_probe_outcomes_total{server="alpha",outcome="accepted"} 1"#,
            r#"preflight_probe_outcomes_total{server="alpha",outcome="forbidden"} 1"#,
            r#"preflight_probe_outcomes_total{server="alpha",outcome="open-500"} 2"#,
            r#"preflight_probe_outcomes_total{server="alpha",outcome="unauthorized"} 1"#,
            r#"preflight_probe_seconds_count{server="alpha"} 5"#,
            r#"preflight_requests_total{server="",status="404"} 1"#,
            r#"preflight_requests_total{server="alpha",status="200"} 1"#,
            r#"preflight_requests_total{server="alpha",status="401"} 1"#,
            r#"preflight_requests_total{server="alpha",status="403"} 1"#,
            r#"preflight_requests_total{server="alpha",status="502"} 2"#,
        ]
    );
}

#[tokio::test]
async fn time_spent_probing_is_told_apart_from_the_time_of_the_answer() {
    let upstream = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_millis(100));
    Mock::given(body_string_contains("initialize"))
        .respond_with(slow)
        .mount(&upstream)
        .await;
    let running =
        start("metrics_listen = \"127.0.0.1:0\"", &forwarding("alpha", &upstream.uri())).await;
    let began = tokio::time::Instant::now();
    send(call(running.address(), "/mcp/alpha", "sk", "Bearer good")).await;
    let elapsed = began.elapsed().as_secs_f64();
    let samples = samples(&running).await;
    let probing = samples[r#"preflight_probe_seconds_sum{server="alpha"}"#];
    let answering = samples[r#"preflight_answer_seconds_sum{server="alpha"}"#];
    assert!(
        probing >= 0.1 && answering > 0.0 && probing + answering <= elapsed,
        "{probing} + {answering} of {elapsed}"
    );
}

#[tokio::test]
async fn the_metrics_have_their_address_to_themselves() {
    let upstream = upstream().await;
    let running =
        start("metrics_listen = \"127.0.0.1:0\"", &forwarding("alpha", &upstream.uri())).await;
    let metrics = running.metrics_address().unwrap();
    for path in [
        "/",
        "/mcp/alpha",
        "/healthz",
        "/metrics/",
        "/.well-known/oauth-protected-resource/mcp/alpha",
    ] {
        assert_eq!(
            send(call(metrics, path, "sk", "Bearer good")).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(
        send(call(metrics, "/metrics", "sk", "Bearer good")).await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let mut request = call(running.address(), "/metrics", "sk", "Bearer good");
    *request.method_mut() = Method::GET;
    assert_eq!(send(request).await.0, StatusCode::NOT_FOUND);
    assert_eq!(upstream.received_requests().await.unwrap().len(), 0);

    assert_eq!(start("", "").await.metrics_address(), None);
}

#[tokio::test]
async fn a_reload_takes_keys_and_servers_and_keeps_the_counts() {
    const METRICS: &str = "metrics_listen = \"127.0.0.1:0\"";
    let upstream = upstream().await;
    let running = start(METRICS, &forwarding("alpha", &upstream.uri())).await;
    let status =
        async |path, key| send(call(running.address(), path, key, "Bearer good")).await.0.as_u16();
    assert_eq!((status("/mcp/alpha", "sk").await, status("/mcp/beta", "sk").await), (200, 404));

    let rekeyed = configuration(METRICS, &forwarding("beta", &upstream.uri()));
    running
        .reload(Config::parse("test", &rekeyed, &|_| Some("sk-new".to_owned())).unwrap())
        .unwrap();
    assert_eq!(
        (
            status("/mcp/beta", "sk").await,
            status("/mcp/beta", "sk-new").await,
            status("/mcp/alpha", "sk-new").await
        ),
        (401, 200, 404)
    );

    let moved = running
        .reload(parse("metrics_listen = \"127.0.0.1:1\"", ""))
        .unwrap_err()
        .to_string();
    assert!(moved.starts_with("`metrics_listen` has changed to 127.0.0.1:1\n"), "{moved}");
    assert_eq!(status("/mcp/beta", "sk-new").await, 200);
    let samples = samples(&running).await;
    let answered = |server| {
        samples[&format!("preflight_requests_total{{server=\"{server}\",status=\"200\"}}")]
    };
    assert_eq!((answered("alpha"), answered("beta")), (1.0, 2.0));
    running.stop().await;
}
