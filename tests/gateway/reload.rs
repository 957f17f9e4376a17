//! Reloading the configuration of a running gateway.

use mcp_preflight::config::Config;

use crate::{
    harness::{configuration, forwarding, list_tools, parse, send, start, upstream_by_token},
    metrics::{METRICS_LISTEN, samples},
};

#[tokio::test]
async fn a_reload_replaces_keys_and_servers_and_keeps_the_metrics() {
    let upstream = upstream_by_token().await;
    let gateway = start(METRICS_LISTEN, &forwarding("alpha", &upstream.uri())).await;
    let status = async |path: &str, key: &str| {
        let mut request = list_tools(&gateway, path, "token-200");
        request.headers_mut().insert("x-litellm-api-key", key.parse().unwrap());
        send(request).await.0.as_u16()
    };
    assert_eq!(status("/mcp/alpha", "sk").await, 200);
    assert_eq!(status("/mcp/beta", "sk").await, 404);

    let changed = configuration(METRICS_LISTEN, &forwarding("beta", &upstream.uri()));
    let changed = Config::parse("test", &changed, &|_| Some("sk-new".to_owned())).unwrap();
    gateway.reload(changed).unwrap();
    assert_eq!(status("/mcp/beta", "sk").await, 401);
    assert_eq!(status("/mcp/beta", "sk-new").await, 200);
    assert_eq!(status("/mcp/alpha", "sk-new").await, 404);

    let other_address = parse(&configuration("metrics_listen = \"127.0.0.1:1\"", ""));
    let error = gateway.reload(other_address).unwrap_err().to_string();
    assert!(error.starts_with("`metrics_listen` has changed to 127.0.0.1:1\n"), "{error}");
    assert_eq!(status("/mcp/beta", "sk-new").await, 200);

    let samples = samples(&gateway).await;
    let count = |server: &str| {
        samples[&format!("preflight_requests_total{{server=\"{server}\",status=\"200\"}}")]
    };
    assert_eq!((count("alpha"), count("beta")), (1.0, 2.0));
    gateway.stop().await;
}
