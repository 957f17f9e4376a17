//! SIGHUP: reloading the configuration file.

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    RESULT,
    child::gateway::{ConfigurationFile, Gateway, KEY, KEY_HEADER},
    connection::{Connection, HEALTH_REQUEST},
    log::start_with_json_log,
    manual_upstream::ManualUpstream,
};

/// Writes the file, sends SIGHUP, and returns the log line with the result of the reload.
async fn reload(gateway: &mut Gateway, file: &ConfigurationFile, text: &str) -> Value {
    let is_result = |line: &&String| line.contains("reloaded");
    let before = gateway
        .child
        .wait_for_output("anything", |lines| Some(lines.iter().filter(is_result).count()))
        .await;
    std::fs::write(&file.0, text).unwrap();
    gateway.child.signal(Signal::HUP);
    let line = gateway
        .child
        .wait_for_output("the result of a reload", |lines| {
            lines.iter().filter(is_result).nth(before).cloned()
        })
        .await;
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn a_reload_applies_to_later_requests_and_not_to_running_ones() {
    for strategy in ["probe", "deferred"] {
        let (old_upstream, new_upstream) =
            (ManualUpstream::start().await, ManualUpstream::start().await);
        let settings = format!("strategy = \"{strategy}\"");
        let file = ConfigurationFile::forwarding(&settings, &old_upstream.url("/mcp"));
        let mut gateway = start_with_json_log(&file).await;
        let mut idle = Connection::open(&gateway, HEALTH_REQUEST).await;
        idle.read_until("alive").await;
        let (mut streaming_client, mut stream) = old_upstream.begin_stream(&gateway).await;
        let (mut waiting_client, pending) = old_upstream.hold_call(&gateway).await;
        let probing_client = Connection::call_tool(&gateway).await;
        let first_request = old_upstream.next_request().await;

        let text = std::fs::read_to_string(&file.0).unwrap();
        let text = text.replace(&old_upstream.url(""), &new_upstream.url(""));
        assert_eq!(reload(&mut gateway, &file, &text).await["level"], "INFO");

        // Running requests continue with the old configuration: an open stream, a request that
        // waits for its response, and a request that is being probed for.
        stream.write(&format!("data: {RESULT}\n\n")).await;
        streaming_client.read_until(RESULT).await;
        pending.respond("200 OK", "", RESULT).await;
        let response = waiting_client.read_until(RESULT).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{strategy}");
        first_request.respond("200 OK", "", RESULT).await;
        if strategy == "probe" {
            old_upstream.next_request().await.respond("200 OK", "", RESULT).await;
        }
        drop(probing_client);

        // A new request uses the new configuration, also on a connection that was already open.
        let delete =
            format!("DELETE /mcp/alpha HTTP/1.1\r\nhost: gateway\r\n{KEY_HEADER}: {KEY}\r\n\r\n");
        idle.send(&delete).await;
        let moved = new_upstream.next_request().await;
        assert!(moved.text.starts_with("DELETE /mcp HTTP/1.1\r\n"), "{strategy}: {}", moved.text);
        moved.respond("200 OK", "", RESULT).await;
        idle.read_until(RESULT).await;

        gateway.child.signal(Signal::TERM);
        drop(stream);
        streaming_client.read_to_end().await;
        assert_eq!(gateway.child.wait().await.code, 0, "{strategy}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_applied_is_refused_and_the_old_one_kept() {
    let upstream = ManualUpstream::start().await;
    let file = ConfigurationFile::forwarding("", &upstream.url("/mcp"));
    let mut gateway = start_with_json_log(&file).await;
    let valid = std::fs::read_to_string(&file.0).unwrap();
    for (text, expected) in [
        (valid.replace("url =", "urll ="), ":9:1: unknown field `urll`"),
        (
            valid.replace("ALICE_KEY", "PREFLIGHT_UNSET"),
            "the environment variable `PREFLIGHT_UNSET` is not set",
        ),
        (
            valid.replace("127.0.0.1:0", "127.0.0.1:1"),
            "`listen` has changed to 127.0.0.1:1\nexpected 127.0.0.1:0",
        ),
        (
            format!("metrics_listen = \"127.0.0.1:0\"\n{valid}"),
            "`metrics_listen` has changed to 127.0.0.1:0\nexpected nothing",
        ),
    ] {
        let line = reload(&mut gateway, &file, &text).await;
        assert_eq!(line["level"], "ERROR", "{line}");
        assert!(line["error"].as_str().unwrap().contains(expected), "{line}");
        let (client, pending) = upstream.hold_call(&gateway).await;
        pending.respond("200 OK", "", RESULT).await;
        drop(client);
    }
    assert_eq!(reload(&mut gateway, &file, &valid).await["level"], "INFO");
    assert_eq!(gateway.stop().await.code, 0);
}
