//! Session ids that clients send.

use mcp_preflight::gateway;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header},
};

use crate::harness::{KEY, RESULT, call, configuration, field, requests, send, start};

const SETTINGS: &str = "strategy = \"deferred\"";
/// The session id that the upstream issues.
const UPSTREAM_SESSION: &str = "upstream-s1";

/// An upstream that opens a session with every response, and refuses one token.
async fn upstream() -> MockServer {
    let upstream = MockServer::start().await;
    Mock::given(header("authorization", "Bearer refused"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&upstream)
        .await;
    let response = ResponseTemplate::new(200)
        .set_body_raw(RESULT, "application/json")
        .insert_header("mcp-session-id", UPSTREAM_SESSION);
    Mock::given(any()).respond_with(response).mount(&upstream).await;
    upstream
}

/// Opens a session and returns its id, with upper and lower case preserved.
async fn open_session(gateway: &gateway::Running) -> String {
    let request = call("alpha", &format!("{KEY}connection: close\r\n"));
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(!response.contains(UPSTREAM_SESSION), "{response}");
    field(&response, "mcp-session-id").unwrap().to_owned()
}

fn session_line(id: &str) -> String {
    format!("mcp-session-id: {id}\r\n")
}

#[tokio::test]
async fn a_session_id_is_valid_only_for_its_caller_server_and_gateway() {
    let upstream = upstream().await;
    let gateway = start(SETTINGS, &upstream).await;
    let other_gateway = start(SETTINGS, &upstream).await;
    let session = open_session(&gateway).await;
    let line = session_line(&session);
    let before = requests(&upstream).await.len();
    for (gateway, server, lines) in [
        (&gateway, "alpha", format!("x-litellm-api-key: sk-other\r\n{line}")),
        (&gateway, "beta", format!("{KEY}{line}")),
        (&other_gateway, "alpha", format!("{KEY}{line}")),
        (
            &gateway,
            "alpha",
            format!("{KEY}{}", session_line(&session[..session.len() - 1])),
        ),
        (&gateway, "alpha", format!("{KEY}{}", session_line(UPSTREAM_SESSION))),
        (&gateway, "alpha", format!("{KEY}{}", session_line(""))),
        (&gateway, "alpha", format!("{KEY}{line}{line}")),
    ] {
        let response = send(gateway, call(server, &lines)).await;
        let body = &response.body;
        assert_eq!(response.status, 404, "{server} {lines} {body}");
        let error = "\"id\":7,\"error\":{\"code\":40403";
        assert!(body.contains(error), "{server} {lines} {body}");
    }
    assert_eq!(requests(&upstream).await.len(), before);
}

/// A refused token does not end the session. A stateless request never carries a session id.
#[tokio::test]
async fn a_session_outlives_a_reload_and_a_refused_token() {
    let upstream = upstream().await;
    let gateway = start(SETTINGS, &upstream).await;
    let line = session_line(&open_session(&gateway).await);
    gateway.reload(configuration(SETTINGS, &upstream)).unwrap();
    let stateless = "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n";
    for (lines, status, sent_upstream) in [
        ("authorization: Bearer accepted\r\n", 200, Some(UPSTREAM_SESSION)),
        ("authorization: Bearer refused\r\n", 401, Some(UPSTREAM_SESSION)),
        (stateless, 200, None),
    ] {
        let before = requests(&upstream).await.len();
        let response = send(&gateway, call("alpha", &format!("{KEY}{lines}{line}"))).await;
        assert_eq!(response.status, status, "{lines}");
        let request = &requests(&upstream).await[before];
        let id = request.headers.get("mcp-session-id").map(|id| id.to_str().unwrap());
        assert_eq!(id, sent_upstream, "{lines}");
    }
}
