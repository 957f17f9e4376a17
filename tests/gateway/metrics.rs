//! The metrics that the gateway serves.

use std::{collections::BTreeMap, time::Duration};

use http::{Method, StatusCode};
use mcp_preflight::gateway;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::body_string_contains};

use crate::harness::{forwarding, get, list_tools, send, start, upstream_by_token};

pub(crate) const METRICS_LISTEN: &str = "metrics_listen = \"127.0.0.1:0\"";

/// Every sample, by its name and labels.
pub(crate) async fn samples(gateway: &gateway::Running) -> BTreeMap<String, f64> {
    let url = format!("http://{}/metrics", gateway.metrics_address().unwrap());
    let (status, headers, text) = send(get(url)).await;
    assert_eq!(status, StatusCode::OK);
    let media_type = headers["content-type"].to_str().unwrap().split(';').next();
    assert_eq!(media_type, Some("application/openmetrics-text"));
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn requests_outcomes_and_fail_open_causes_are_counted_by_server() {
    let upstream = upstream_by_token().await;
    let gateway = start(METRICS_LISTEN, &forwarding("alpha", &upstream.uri())).await;
    for (path, token) in [
        ("/mcp/alpha", "token-200"),
        ("/mcp/alpha", "token-401"),
        ("/mcp/alpha", "token-403"),
        ("/mcp/alpha", "token-500"),
        ("/mcp/alpha", "token-500"),
        ("/mcp/chosen-by-the-client", "token-200"),
    ] {
        send(list_tools(&gateway, path, token)).await;
    }
    let counts: Vec<String> = samples(&gateway)
        .await
        .iter()
        .filter(|(name, _)| !name.contains("_bucket") && !name.contains("_sum"))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    assert_eq!(
        counts,
        [
            r#"preflight_answer_outcomes_total{server="alpha",outcome="accepted"} 1"#,
            r#"preflight_answer_outcomes_total{server="alpha",outcome="open-500"} 2"#,
            r#"preflight_answer_seconds_count{server="alpha"} 5"#,
            r#"preflight_fail_open_total{server="alpha",cause="500"} 2"#,
            "preflight_log_lines_dropped_total 0",
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
async fn the_time_of_the_probe_is_measured_apart_from_the_time_of_the_response() {
    let upstream = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_millis(100));
    Mock::given(body_string_contains("initialize"))
        .respond_with(slow)
        .mount(&upstream)
        .await;
    let gateway = start(METRICS_LISTEN, &forwarding("alpha", &upstream.uri())).await;
    let start = tokio::time::Instant::now();
    send(list_tools(&gateway, "/mcp/alpha", "token-200")).await;
    let total = start.elapsed().as_secs_f64();
    let samples = samples(&gateway).await;
    let probe = samples[r#"preflight_probe_seconds_sum{server="alpha"}"#];
    let response = samples[r#"preflight_answer_seconds_sum{server="alpha"}"#];
    assert!(
        probe >= 0.1 && response > 0.0 && probe + response <= total,
        "{probe} + {response} of {total}"
    );
}

#[tokio::test]
async fn the_metrics_address_serves_metrics_and_nothing_else() {
    let upstream = upstream_by_token().await;
    let gateway = start(METRICS_LISTEN, &forwarding("alpha", &upstream.uri())).await;
    let request = |path: &str| {
        let mut request = list_tools(&gateway, path, "token-200");
        let url = format!("http://{}{path}", gateway.metrics_address().unwrap());
        *request.uri_mut() = url.parse().unwrap();
        request
    };
    for path in [
        "/",
        "/mcp/alpha",
        "/healthz",
        "/metrics/",
        "/.well-known/oauth-protected-resource/mcp/alpha",
    ] {
        assert_eq!(send(request(path)).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(send(request("/metrics")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(upstream.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_gateway_address_serves_no_metrics() {
    let upstream = upstream_by_token().await;
    let gateway = start(METRICS_LISTEN, &forwarding("alpha", &upstream.uri())).await;
    let mut request = list_tools(&gateway, "/metrics", "token-200");
    *request.method_mut() = Method::GET;
    assert_eq!(send(request).await.0, StatusCode::NOT_FOUND);
    assert_eq!(upstream.received_requests().await.unwrap().len(), 0);

    assert_eq!(start("", "").await.metrics_address(), None);
}
