//! Sessions that several gateway processes share, because the state of a session is in its id.

use rustix::process::Signal;

use crate::{
    RESULT,
    child::gateway::{ConfigurationFile, Gateway, KEY, KEY_HEADER},
    connection::{Connection, message},
    manual_upstream::ManualUpstream,
};

/// The session id that the upstream issues.
const UPSTREAM_SESSION: &str = "upstream-session-7c1e";
const WITH_SESSION_SECRET: &str =
    "strategy = \"deferred\"\nsession_secret = { env = \"SESSION_SECRET\" }";

fn session_field(id: &str) -> String {
    format!("mcp-session-id: {id}\r\n")
}

/// The session id in the response head.
fn session_id(response: &str) -> &str {
    response.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap()
}

async fn kill(gateway: Gateway) {
    gateway.child.signal(Signal::KILL);
    assert_eq!(gateway.child.wait().await.code, -9);
}

/// Opens a session and returns its id.
async fn open_session(gateway: &Gateway, upstream: &ManualUpstream) -> String {
    let fields = format!("{KEY_HEADER}: {KEY}\r\n");
    let mut client = Connection::post(gateway, &fields, &message("initialize")).await;
    let request = upstream.next_request().await;
    request.respond("200 OK", &session_field(UPSTREAM_SESSION), RESULT).await;
    let response = client.read_until(RESULT).await;
    assert!(!response.contains(UPSTREAM_SESSION), "{response}");
    let id = session_id(&response);
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    id.to_owned()
}

/// Sends a request of a session, and checks that client and upstream each see their own session id.
async fn list_tools(gateway: &Gateway, upstream: &ManualUpstream, session: &str) {
    let fields = format!("{KEY_HEADER}: {KEY}\r\n{}", session_field(session));
    let mut client = Connection::post(gateway, &fields, &message("tools/list")).await;
    let request = upstream.next_request().await;
    let text = &request.text;
    assert!(text.contains(&session_field(UPSTREAM_SESSION)), "{text}");
    assert!(!text.contains(session), "{text}");
    request.respond("200 OK", &session_field(UPSTREAM_SESSION), RESULT).await;
    let response = client.read_until(RESULT).await;
    assert!(response.contains(&session_field(session)), "{response}");
    assert!(!response.contains(UPSTREAM_SESSION), "{response}");
}

#[tokio::test]
async fn processes_with_one_session_secret_share_a_session_and_may_be_restarted() {
    let upstream = ManualUpstream::start().await;
    let file = ConfigurationFile::forwarding(WITH_SESSION_SECRET, &upstream.url("/mcp"));
    let first = Gateway::start(&file, "info").await;
    let second = Gateway::start(&file, "info").await;
    let session = open_session(&first, &upstream).await;
    for gateway in [&second, &first, &second] {
        list_tools(gateway, &upstream, &session).await;
    }

    kill(first).await;
    let restarted = Gateway::start(&file, "info").await;
    for gateway in [&restarted, &second] {
        list_tools(gateway, &upstream, &session).await;
    }
}

#[tokio::test]
async fn without_a_session_secret_a_session_ends_with_its_process_and_a_warning_is_logged() {
    let upstream = ManualUpstream::start().await;
    let file = ConfigurationFile::forwarding("strategy = \"deferred\"", &upstream.url("/mcp"));
    let first = Gateway::start(&file, "info").await;
    let session = open_session(&first, &upstream).await;
    list_tools(&first, &upstream, &session).await;
    let log = first.stop().await.lines.join("\n");
    assert!(log.contains("no session_secret is configured"), "{log}");
    assert!(!log.contains(&session) && !log.contains(UPSTREAM_SESSION), "{log}");

    let restarted = Gateway::start(&file, "info").await;
    let fields = format!("{KEY_HEADER}: {KEY}\r\n{}", session_field(&session));
    let mut client = Connection::post(&restarted, &fields, &message("tools/list")).await;
    let response = client.read_until("40403").await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    assert!(response.contains("\"id\":7"), "{response}");
}

/// One session id stands for the upstream sessions of two servers. One process opens the session,
/// and three processes use it.
#[tokio::test]
async fn processes_share_a_session_on_an_aggregate_endpoint() {
    let (alpha, beta) = (ManualUpstream::start().await, ManualUpstream::start().await);
    let upstreams = [(&alpha, "session-of-alpha"), (&beta, "session-of-beta")];
    let servers = format!(
        "url = \"{}\"\n[[server]]\nname = \"beta\"\nurl = \"{}\"",
        alpha.url("/mcp"),
        beta.url("/mcp")
    );
    let file = ConfigurationFile::with_server(WITH_SESSION_SECRET, &servers);
    let first = Gateway::start(&file, "info").await;
    let key = format!("{KEY_HEADER}: {KEY}\r\n");
    let mut client = Connection::post_to(&first, "/mcp", &key, &message("initialize")).await;
    let initialized = serde_json::json!({
        "jsonrpc": "2.0",
        "id": "mcp-preflight",
        "result": { "protocolVersion": "2025-11-25", "capabilities": { "tools": {} } },
    })
    .to_string();
    for (upstream, id) in upstreams {
        let request = upstream.next_request().await;
        request.respond("200 OK", &session_field(id), &initialized).await;
    }
    let response = client.read_until("serverInfo").await;
    let session = session_id(&response);
    assert!(!response.contains("session-of"), "{response}");

    let second = Gateway::start(&file, "info").await;
    kill(first).await;
    let restarted = Gateway::start(&file, "info").await;
    let fields = format!("{key}{}", session_field(session));
    let tools = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"echo"}]}}"#;
    for gateway in [&second, &restarted, &second] {
        let mut client =
            Connection::post_to(gateway, "/mcp", &fields, &message("tools/list")).await;
        for (upstream, id) in upstreams {
            let request = upstream.next_request().await;
            assert!(request.text.contains(&session_field(id)), "{}", request.text);
            request.respond("200 OK", "", tools).await;
        }
        let response = client.read_until("beta-echo").await;
        assert!(response.contains("alpha-echo"), "{response}");
        assert!(!response.contains("session-of"), "{response}");
    }
}
