//! Sessions that outlive the process that opened them, because no process keeps any.

use rustix::process::Signal;

use crate::{
    RESULT,
    child::gateway::{Configuration, Gateway, KEY, KEY_HEADER},
    exchange::{Exchange, message},
    upstream::Upstream,
};

const ISSUED: &str = "upstream-session-7c1e";
const SHARED: &str = "strategy = \"deferred\"\nsession_secret = { env = \"SESSION_SECRET\" }";

/// Opens a session and gives back the id that the client was given for it.
async fn open(gateway: &Gateway, upstream: &Upstream) -> String {
    let mut exchange =
        Exchange::post(gateway, &format!("{KEY_HEADER}: {KEY}\r\n"), &message("initialize")).await;
    upstream
        .asked()
        .await
        .answer("200 OK", &format!("mcp-session-id: {ISSUED}\r\n"), RESULT)
        .await;
    let response = exchange.reads(RESULT).await;
    assert!(!response.contains(ISSUED), "{response}");
    let given = response
        .lines()
        .find_map(|line| line.strip_prefix("mcp-session-id: "))
        .unwrap()
        .to_owned();
    assert!(given.bytes().all(|byte| byte.is_ascii_graphic()), "{given}");
    given
}

/// Makes one call of a session, and sees to it that the upstream is asked in its own words.
async fn call(gateway: &Gateway, upstream: &Upstream, session: &str) {
    let fields = format!("{KEY_HEADER}: {KEY}\r\nmcp-session-id: {session}\r\n");
    let mut exchange = Exchange::post(gateway, &fields, &message("tools/list")).await;
    let asked = upstream.asked().await;
    assert!(
        asked.request.contains(&format!("mcp-session-id: {ISSUED}\r\n"))
            && !asked.request.contains(session),
        "{}",
        asked.request
    );
    asked.answer("200 OK", &format!("mcp-session-id: {ISSUED}\r\n"), RESULT).await;
    let response = exchange.reads(RESULT).await;
    assert!(
        response.contains(&format!("mcp-session-id: {session}\r\n")) && !response.contains(ISSUED),
        "{response}"
    );
}

#[tokio::test]
async fn processes_with_one_secret_serve_one_session_and_a_killed_one_loses_nothing() {
    let upstream = Upstream::start().await;
    let configuration = Configuration::forwarding(SHARED, &upstream.url("/mcp"));
    let first = Gateway::serve(&configuration, "info").await;
    let second = Gateway::serve(&configuration, "info").await;
    let session = open(&first, &upstream).await;
    for gateway in [&second, &first, &second] {
        call(gateway, &upstream, &session).await;
    }

    first.child.signal(Signal::KILL);
    assert_eq!(first.child.ends().await.code, -9);
    let restarted = Gateway::serve(&configuration, "info").await;
    for gateway in [&restarted, &second] {
        call(gateway, &upstream, &session).await;
    }
}

#[tokio::test]
async fn without_a_secret_a_session_ends_with_its_process_and_the_log_says_so() {
    let upstream = Upstream::start().await;
    let configuration = Configuration::forwarding("strategy = \"deferred\"", &upstream.url("/mcp"));
    let first = Gateway::serve(&configuration, "info").await;
    let session = open(&first, &upstream).await;
    call(&first, &upstream, &session).await;
    let ended = first.stop().await;
    assert!(
        ended.lines.iter().any(|line| line.contains("no session_secret is configured")),
        "{:?}",
        ended.lines
    );
    assert!(
        ended
            .lines
            .iter()
            .all(|line| !line.contains(&session) && !line.contains(ISSUED)),
        "{:?}",
        ended.lines
    );

    let restarted = Gateway::serve(&configuration, "info").await;
    let fields = format!("{KEY_HEADER}: {KEY}\r\nmcp-session-id: {session}\r\n");
    let response = Exchange::post(&restarted, &fields, &message("tools/list"))
        .await
        .reads("40403")
        .await;
    assert!(
        response.starts_with("HTTP/1.1 404 ") && response.contains("\"id\":7"),
        "{response}"
    );
}

/// One id for the sessions of two servers, opened by one process and used by three.
#[tokio::test]
async fn the_sessions_of_several_servers_outlive_a_process_together() {
    let (alpha, beta) = (Upstream::start().await, Upstream::start().await);
    let second = format!(
        "url = \"{}\"\n[[server]]\nname = \"beta\"\nurl = \"{}\"",
        alpha.url("/mcp"),
        beta.url("/mcp")
    );
    let configuration = Configuration::with_server(SHARED, &second);
    let first = Gateway::serve(&configuration, "info").await;
    let mut opening = Exchange::post_to(
        &first,
        "/mcp",
        &format!("{KEY_HEADER}: {KEY}\r\n"),
        &message("initialize"),
    )
    .await;
    for (upstream, id) in [(&alpha, "session-of-alpha"), (&beta, "session-of-beta")] {
        let opened = r#"{"jsonrpc":"2.0","id":"mcp-preflight","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}}"#;
        upstream
            .asked()
            .await
            .answer("200 OK", &format!("mcp-session-id: {id}\r\n"), opened)
            .await;
    }
    let response = opening.reads("serverInfo").await;
    let session = response
        .lines()
        .find_map(|line| line.strip_prefix("mcp-session-id: "))
        .unwrap()
        .to_owned();
    assert!(!response.contains("session-of"), "{response}");

    let other = Gateway::serve(&configuration, "info").await;
    first.child.signal(Signal::KILL);
    assert_eq!(first.child.ends().await.code, -9);
    let restarted = Gateway::serve(&configuration, "info").await;
    for gateway in [&other, &restarted, &other] {
        let fields = format!("{KEY_HEADER}: {KEY}\r\nmcp-session-id: {session}\r\n");
        let mut listing = Exchange::post_to(gateway, "/mcp", &fields, &message("tools/list")).await;
        for (upstream, id) in [(&alpha, "session-of-alpha"), (&beta, "session-of-beta")] {
            let asked = upstream.asked().await;
            assert!(
                asked.request.contains(&format!("mcp-session-id: {id}\r\n")),
                "{}",
                asked.request
            );
            asked
                .answer(
                    "200 OK",
                    "",
                    r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"echo"}]}}"#,
                )
                .await;
        }
        let listed = listing.reads("beta-echo").await;
        assert!(listed.contains("alpha-echo") && !listed.contains("session-of"), "{listed}");
    }
}
