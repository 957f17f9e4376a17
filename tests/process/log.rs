//! The JSON log: one line for each request.

use rustix::process::Signal;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::header};

use crate::{
    UNUSED_URL,
    child::{
        Child,
        gateway::{ConfigurationFile, Gateway, KEY, KEY_HEADER, command},
    },
    connection::{Connection, message},
    manual_upstream::ManualUpstream,
};

/// Starts the gateway with a JSON log.
pub(crate) async fn start_with_json_log(configuration: &ConfigurationFile) -> Gateway {
    let mut command = command("serve", configuration);
    command.args(["--log-format", "json"]).env("RUST_LOG", "info");
    let mut child = Child::spawn(&mut command);
    let address = child
        .wait_for_output("the address that it serves", |lines| {
            lines_with_message(lines, "serving").next()?["address"].as_str()?.parse().ok()
        })
        .await;
    Gateway { child, address }
}

/// The lines with this `message`. Panics if a line is not JSON.
fn lines_with_message(lines: &[String], message: &str) -> impl Iterator<Item = Value> {
    let objects = lines.iter().map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    objects.filter(move |object| object["message"] == message)
}

#[tokio::test]
async fn every_line_of_a_json_log_is_an_object() {
    let gateway = start_with_json_log(&ConfigurationFile::forwarding("", UNUSED_URL)).await;
    gateway.child.signal(Signal::INT);
    let exit = gateway.child.wait().await;
    assert_eq!(exit.code, 0);
    let stopping = lines_with_message(&exit.lines, "stopping").next().unwrap();
    assert_eq!(stopping["level"], "INFO");
}

/// Posts a message and returns the response.
async fn post(gateway: &Gateway, path: &str, key: &str, token: &str) -> String {
    let message = message("tools/list");
    let length = message.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\n{KEY_HEADER}: {key}\r\n\
         authorization: Bearer {token}\r\nx-request-id: chosen-by-the-client\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{message}"
    );
    Connection::open(gateway, &request).await.read_to_end().await
}

/// Health checks are frequent and have no line.
#[tokio::test]
async fn unknown_paths_and_discovery_have_log_lines_and_health_checks_have_none() {
    let upstream = MockServer::start().await;
    let url = upstream.uri();
    let server = format!(
        "url = \"{url}/mcp\"\nforward = [\"authorization\"]\nauthorization_servers = [\"{url}\"]"
    );
    let mut gateway = start_with_json_log(&ConfigurationFile::with_server("", &server)).await;
    for path in [
        "/healthz",
        "/unknown",
        "/.well-known/oauth-protected-resource/mcp/alpha",
        "/.well-known/oauth-authorization-server/mcp/alpha",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
        Connection::open(&gateway, &request).await.read_to_end().await;
    }
    let lines = gateway
        .child
        .wait_for_output("three lines", |lines| {
            let lines: Vec<Value> = lines_with_message(lines, "request").collect();
            (lines.len() >= 3).then_some(lines)
        })
        .await;
    let statuses: Vec<&Value> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [404, 200, 404]);
    assert_eq!(lines[0]["failure"], 40401);
    assert_eq!(gateway.stop().await.code, 0);
}

async fn upstream_by_token() -> MockServer {
    let upstream = MockServer::start().await;
    for (token, status) in
        [("Bearer token-200", 200), ("Bearer token-401", 401), ("Bearer token-500", 500)]
    {
        let response = ResponseTemplate::new(status)
            .insert_header("x-request-id", "chosen-by-the-upstream")
            .set_body_json(json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
        Mock::given(header("authorization", token))
            .respond_with(response)
            .mount(&upstream)
            .await;
    }
    upstream
}

/// The request id is the gateway's own, and no line contains a token, a key or the upstream's
/// address.
#[tokio::test]
async fn every_request_has_a_log_line_with_the_request_id_of_its_response() {
    let upstream = upstream_by_token().await;
    let file = ConfigurationFile::forwarding("", &format!("{}/mcp", upstream.uri()));
    let mut gateway = start_with_json_log(&file).await;
    let (alpha, unknown) = ("/mcp/alpha", "/mcp/chosen-by-the-client");
    // Path, gateway key and token of a request; then caller, server, credential_stripped, outcome
    // and status of its line.
    let requests = [
        (alpha, KEY, "token-200", json!(["alice", "alpha", false, "accepted", 200])),
        (alpha, KEY, "token-401", json!(["alice", "alpha", false, "unauthorized", 401])),
        (alpha, KEY, "token-500", json!(["alice", "alpha", false, "open-500", 502])),
        (alpha, KEY, KEY, json!(["alice", "alpha", true, null, 404])),
        (unknown, KEY, "token-200", json!(["alice", null, false, null, 404])),
        (alpha, "sk-unknown", "token-200", json!([null, null, false, null, 401])),
    ];
    for (number, (path, key, token, expected)) in requests.into_iter().enumerate() {
        let response = post(&gateway, path, key, token).await;
        let line = gateway
            .child
            .wait_for_output("the line of a request", |lines| {
                lines_with_message(lines, "request").nth(number)
            })
            .await;
        let ids: Vec<&str> = response
            .lines()
            .filter_map(|line| line.strip_prefix("x-request-id: "))
            .collect();
        assert_eq!(ids, [line["request_id"].as_str().unwrap()]);
        assert!(ids[0].len() == 16 && ids[0].bytes().all(|b| b.is_ascii_hexdigit()), "{ids:?}");
        let fields = ["caller", "server", "credential_stripped", "outcome", "status"]
            .map(|field| line[field].clone());
        assert_eq!(json!(fields), expected, "{line}");
        let upstream_address = upstream.address().to_string();
        for absent in ["token-", "sk-unknown", "chosen-by", &upstream_address] {
            assert!(!line.to_string().contains(absent), "{line}");
        }
    }
    assert_eq!(gateway.stop().await.code, 0);
}

#[tokio::test]
async fn a_request_that_its_client_aborted_has_a_log_line_without_a_status() {
    let upstream = ManualUpstream::start().await;
    let file = ConfigurationFile::forwarding("", &upstream.url("/mcp"));
    let mut gateway = start_with_json_log(&file).await;
    let client = Connection::call_tool(&gateway).await;
    let probe = upstream.next_request().await;
    drop(client);
    let line = gateway
        .child
        .wait_for_output("the line of a request", |lines| {
            lines_with_message(lines, "request").next()
        })
        .await;
    assert_eq!(
        ["caller", "server", "status"].map(|field| line[field].clone()),
        [json!("alice"), json!("alpha"), Value::Null]
    );
    probe.wait_until_closed().await;
}
