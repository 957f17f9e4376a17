//! What a client can do to the gateway by the bytes that it sends, shown over raw sockets: pages, framing, credentials, limits.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use mcp_preflight::{config::Config, gateway};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{any, header},
};

/// Two keys and two forwarding servers, both of them this upstream.
fn configuration(settings: &str, upstream: &MockServer) -> Config {
    let mut text = format!("listen = \"127.0.0.1:0\"\n{settings}\n");
    for (name, secret) in [("a", "KEY"), ("b", "OTHER")] {
        text += &format!(
            "[[key]]\nname = \"{name}\"\nvalue = {{ env = \"{secret}\" }}\nservers = \"all\"\n"
        );
    }
    for name in ["alpha", "beta"] {
        text += &format!(
            "[[server]]\nname = \"{name}\"\nurl = \"{}/{name}\"\nforward = [\"authorization\"]\n",
            upstream.uri()
        );
    }
    let environment = |name: &str| Some(if name == "KEY" { "sk" } else { "sk-other" }.to_owned());
    Config::parse("test", &text, &environment).unwrap_or_else(|error| panic!("{error}"))
}

async fn serve(settings: &str, upstream: &MockServer) -> gateway::Running {
    gateway::start(configuration(settings, upstream)).await.unwrap()
}

async fn upstream() -> MockServer {
    let upstream = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_raw(RESULT, "application/json");
    Mock::given(any()).respond_with(answer).mount(&upstream).await;
    upstream
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
const KEY: &str = "x-litellm-api-key: sk\r\n";

/// A call on a server with these further lines.
fn call(server: &str, lines: &str) -> String {
    format!(
        "POST /mcp/{server} HTTP/1.1\r\nhost: gw\r\ncontent-type: application/json\r\n{lines}content-length: {}\r\n\r\n{CALL}",
        CALL.len()
    )
}

/// Sends bytes and reads one answer: status, head and body.
async fn answer(running: &gateway::Running, bytes: impl AsRef<[u8]>) -> (u16, String, String) {
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    read_answer(&mut stream).await
}

async fn read_answer(stream: &mut TcpStream) -> (u16, String, String) {
    let mut read = Vec::new();
    let head = loop {
        match read.windows(4).position(|end| end == b"\r\n\r\n") {
            Some(end) => {
                break String::from_utf8(read.drain(..end + 4).collect())
                    .unwrap()
                    .to_ascii_lowercase();
            }
            None => assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "no answer: {read:?}"),
        }
    };
    let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    while read.len() < length {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "half an answer: {read:?}");
    }
    (head[9..12].parse().unwrap(), head, String::from_utf8(read).unwrap())
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

async fn asked(upstream: &MockServer) -> Vec<Request> {
    upstream.received_requests().await.unwrap()
}

#[tokio::test]
async fn a_foreign_page_reaches_nothing_and_an_allowed_one_can_read_every_answer() {
    let upstream = upstream().await;
    let running = serve("allowed_origins = [\"https://app.example\"]", &upstream).await;
    for credentials in [KEY, "x-litellm-api-key: wrong\r\n", ""] {
        let (status, head, body) = answer(
            &running,
            call("alpha", &format!("origin: https://evil.example\r\n{credentials}")),
        )
        .await;
        assert_eq!(
            (
                status,
                field(&head, "www-authenticate"),
                field(&head, "access-control-allow-origin")
            ),
            (403, None, None)
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["error"]["code"], body.get("id")), (&40302.into(), None));
    }
    assert_eq!(asked(&upstream).await.len(), 0);

    for (credentials, expected) in [(KEY, 200), ("", 401)] {
        for origin in ["https://app.example", "http://localhost:6274"] {
            let (status, head, _) =
                answer(&running, call("alpha", &format!("origin: {origin}\r\n{credentials}")))
                    .await;
            assert_eq!(
                (status, field(&head, "access-control-allow-origin"), field(&head, "vary")),
                (expected, Some(origin), Some("origin"))
            );
            assert!(
                field(&head, "access-control-expose-headers")
                    .unwrap()
                    .contains("www-authenticate"),
                "{head}"
            );
        }
        let (status, head, _) = answer(&running, call("alpha", credentials)).await;
        assert_eq!(
            (status, field(&head, "access-control-allow-origin")),
            (expected, None),
            "no browser, nothing to tell it"
        );
    }
    assert_eq!(asked(&upstream).await.len(), 3);
}

#[tokio::test]
async fn a_browser_that_asks_first_is_answered_without_a_key() {
    let upstream = upstream().await;
    let running = serve("", &upstream).await;
    let ask = |path: &str, origin: &str| {
        format!(
            "OPTIONS {path} HTTP/1.1\r\nhost: gw\r\norigin: {origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization,mcp-protocol-version,x-litellm-api-key\r\n\r\n"
        )
    };
    let (status, head, _) = answer(&running, ask("/mcp/alpha", "http://localhost:6274")).await;
    assert_eq!(
        (status, field(&head, "access-control-allow-origin")),
        (204, Some("http://localhost:6274"))
    );
    assert_eq!(
        field(&head, "access-control-allow-headers"),
        Some("authorization, mcp-protocol-version, x-litellm-api-key")
    );
    assert_eq!(answer(&running, ask("/mcp/alpha", "https://evil.example")).await.0, 403);

    let document = "/.well-known/oauth-protected-resource/mcp/alpha";
    let (status, head, _) = answer(&running, ask(document, "https://evil.example")).await;
    assert_eq!((status, field(&head, "access-control-allow-origin")), (204, Some("*")));
    assert_eq!(asked(&upstream).await.len(), 0);

    let read =
        format!("GET {document} HTTP/1.1\r\nhost: gw\r\norigin: https://evil.example\r\n\r\n");
    assert_eq!(field(&answer(&running, read).await.1, "access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_token_for_one_server_reaches_that_server_alone() {
    let upstream = upstream().await;
    let running = serve("", &upstream).await;
    let tokens = "authorization: Bearer all\r\nx-mcp-ALPHA-authorization: Bearer one\r\nx-mcp-nobody-authorization: Bearer none\r\n";
    for (server, credentials) in [
        ("alpha", format!("{KEY}{tokens}")),
        ("beta", format!("{KEY}{tokens}")),
        (
            "alpha",
            "authorization: Bearer sk\r\nx-mcp-alpha-authorization: Bearer one\r\n".to_owned(),
        ),
    ] {
        assert_eq!(answer(&running, call(server, &credentials)).await.0, 200);
    }
    let seen = asked(&upstream).await;
    let seen = seen.iter().map(|request| {
        let names = request
            .headers
            .keys()
            .map(wiremock::http::HeaderName::as_str)
            .filter(|name| name.starts_with("x-"))
            .collect::<Vec<_>>();
        assert_eq!(names, [] as [&str; 0]);
        format!("{} {}", request.url.path(), request.headers["authorization"].to_str().unwrap())
    });
    let seen = seen.collect::<Vec<_>>();
    let asked_and_called = |line| [line, line];
    assert_eq!(
        seen,
        ["/alpha Bearer one", "/beta Bearer all", "/alpha Bearer one"]
            .map(asked_and_called)
            .concat()
    );
}

#[tokio::test]
async fn a_credential_that_nobody_can_read_one_way_reaches_nobody() {
    let upstream = upstream().await;
    let running = serve("", &upstream).await;
    for (credentials, code) in [
        ("authorization: Bearer sk-other\r\n", 40005),
        ("x-mcp-beta-authorization: Bearer sk-other\r\n", 40005),
        ("x-mcp-beta-authorization: Bearer a, Bearer b\r\n", 40003),
        (
            "x-mcp-alpha-authorization: Bearer a\r\nx-mcp-alpha-authorization: Bearer b\r\n",
            40001,
        ),
        ("authorization: Basic dXNlcjpwYXNz\r\n", 40105),
        ("authorization: Bearer a\r\nx-mcp-alpha-authorization: DPoP b\r\n", 40105),
    ] {
        let (status, head, body) =
            answer(&running, call("alpha", &format!("{KEY}{credentials}"))).await;
        assert_eq!(
            (u64::from(status), body.contains(&format!("\"code\":{code}"))),
            (code / 100, true),
            "{credentials} {body}"
        );
        assert_eq!(field(&head, "www-authenticate").is_some(), status == 401);
    }
    assert_eq!(asked(&upstream).await.len(), 0);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_400_and_reaches_nobody() {
    let upstream = upstream().await;
    let running = serve("", &upstream).await;
    let head = |lines: &str| format!("POST /mcp/alpha HTTP/1.1\r\nhost: gw\r\n{KEY}{lines}\r\n");
    let chunked = format!("{:x}\r\n{CALL}\r\n0\r\n\r\n", CALL.len());
    for bytes in [
        head("content-length: 5\r\ntransfer-encoding: chunked\r\n") + &chunked,
        head("transfer-encoding: chunked\r\ncontent-length: 5\r\n") + &chunked,
        head("transfer-encoding: gzip, chunked\r\n") + &chunked,
        head("transfer-encoding: identity\r\n") + CALL,
        head("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n") + &chunked,
        head(&format!("content-length: {}\r\ncontent-length: 5\r\n", CALL.len())) + CALL,
        head(&format!("content-length: {}, 5\r\n", CALL.len())) + CALL,
        head("content-length: +5\r\n") + CALL,
        call("alpha", &format!("{KEY}authorization: Bearer a\r\n folded\r\n")),
        call("alpha", &format!("{KEY}authorization : Bearer a\r\n")),
        call("alpha", &format!("{KEY}x-a: b\rx-c: d\r\n")),
        call("alpha", &format!("{KEY}x-a: b\n")),
        call("alpha", KEY).replace("\r\n", "\n"),
        call("alpha", &format!("{KEY}x-a: \0\r\n")),
        call(
            "alpha",
            &format!("{KEY}connection: close, Authorization\r\nauthorization: Bearer a\r\n"),
        ),
        call("alpha", &format!("{KEY}connection: x-litellm-api-key\r\n")),
        call("alpha", &format!("{KEY}connection: mcp-session-id\r\nmcp-session-id: s\r\n")),
    ] {
        let (status, _, _) = answer(&running, &bytes).await;
        assert_eq!(status, 400, "{bytes:?}");
    }
    assert_eq!(asked(&upstream).await.len(), 0);

    let (status, _, _) = answer(&running, head("transfer-encoding: chunked\r\n") + &chunked).await;
    assert_eq!(
        (status, asked(&upstream).await[0].body.as_slice()),
        (200, CALL.as_bytes()),
        "a plain chunked body is none of these"
    );
}

#[tokio::test]
async fn a_request_smuggled_behind_another_is_not_served() {
    let upstream = upstream().await;
    let running = serve("", &upstream).await;
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    let smuggled = call("beta", KEY);
    let lines = format!("{KEY}transfer-encoding: chunked\r\n");
    let carrier = call("alpha", &lines).replace(CALL, &format!("0\r\n\r\n{smuggled}"));
    stream
        .write_all(format!("{}{carrier}", call("alpha", KEY)).as_bytes())
        .await
        .unwrap();
    let mut rest = Vec::new();
    let first = read_answer(&mut stream).await.0;
    stream.read_to_end(&mut rest).await.unwrap();
    let answers = String::from_utf8(rest).unwrap();
    assert!(!answers.contains("HTTP/1.1 200") || first == 400, "{first} {answers}");
    assert!(asked(&upstream).await.iter().all(|request| request.url.path() != "/beta"));
}

#[tokio::test]
async fn what_is_too_large_is_told_so_even_while_it_is_still_sent() {
    let upstream = upstream().await;
    let running = serve("max_message_bytes = 100000", &upstream).await;
    let filler = "x".repeat(1 << 20);
    let chunk = format!("{:x}\r\n{filler}\r\n", filler.len());
    for (bytes, expected) in [
        (call("alpha", &format!("{KEY}x-long: {filler}\r\n")), 431),
        (call("alpha", &"x-many: 1\r\n".repeat(200)), 431),
        (
            call("alpha", KEY)
                .replace(&format!("content-length: {}", CALL.len()), "content-length: 1048576")
                .replace(CALL, &filler),
            413,
        ),
        (
            format!(
                "POST /mcp/alpha HTTP/1.1\r\nhost: gw\r\n{KEY}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
            ),
            413,
        ),
    ] {
        assert_eq!(answer(&running, bytes).await.0, expected);
    }
    assert_eq!(asked(&upstream).await.len(), 0);
}

#[tokio::test]
async fn a_session_opens_for_its_caller_on_its_server_alone() {
    let upstream = MockServer::start().await;
    let answer_with_session = ResponseTemplate::new(200)
        .set_body_raw(RESULT, "application/json")
        .insert_header("mcp-session-id", "upstream-s1");
    Mock::given(header("authorization", "Bearer expired"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&upstream)
        .await;
    Mock::given(any()).respond_with(answer_with_session).mount(&upstream).await;
    let [running, stranger] = [
        serve("strategy = \"deferred\"", &upstream).await,
        serve("strategy = \"deferred\"", &upstream).await,
    ];

    let (_, head, _) = answer(&running, call("alpha", KEY)).await;
    let session = field_as_sent(&running, &call("alpha", KEY), "mcp-session-id").await;
    assert!(!head.contains("upstream-s1") && !session.contains("upstream-s1"), "{head}");
    let named = |session: &str| format!("mcp-session-id: {session}\r\n");
    let mut asked_so_far = asked(&upstream).await.len();
    for (gateway, server, lines) in [
        (&running, "alpha", format!("x-litellm-api-key: sk-other\r\n{}", named(&session))),
        (&running, "beta", format!("{KEY}{}", named(&session))),
        (&stranger, "alpha", format!("{KEY}{}", named(&session))),
        (&running, "alpha", format!("{KEY}{}", named(&session[..session.len() - 1]))),
        (&running, "alpha", format!("{KEY}{}", named("upstream-s1"))),
        (&running, "alpha", format!("{KEY}{}", named(""))),
        (&running, "alpha", format!("{KEY}{}{}", named(&session), named(&session))),
    ] {
        let (status, _, body) = answer(gateway, call(server, &lines)).await;
        assert_eq!(
            (status, body.contains("\"id\":7,\"error\":{\"code\":40403")),
            (404, true),
            "{server} {lines} {body}"
        );
    }
    assert_eq!(asked(&upstream).await.len(), asked_so_far);

    running.reload(configuration("strategy = \"deferred\"", &upstream)).unwrap();
    for (lines, expected, sent) in [
        (
            format!("authorization: Bearer fresh\r\n{}", named(&session)),
            200,
            Some("upstream-s1"),
        ),
        (
            format!("authorization: Bearer expired\r\n{}", named(&session)),
            401,
            Some("upstream-s1"),
        ),
        (
            format!(
                "mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n{}",
                named(&session)
            ),
            200,
            None,
        ),
    ] {
        assert_eq!(
            answer(&running, call("alpha", &format!("{KEY}{lines}"))).await.0,
            expected,
            "{lines}"
        );
        let seen = asked(&upstream).await;
        assert_eq!(
            seen[asked_so_far].headers.get("mcp-session-id").map(|id| id.to_str().unwrap()),
            sent
        );
        asked_so_far += 1;
    }
}

/// A field of an answer, in the case in which it came.
async fn field_as_sent(running: &gateway::Running, request: &str, name: &str) -> String {
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream
        .write_all(request.replacen("host: gw", "host: gw\r\nconnection: close", 1).as_bytes())
        .await
        .unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    field(&all, name).unwrap().to_owned()
}

#[tokio::test]
async fn a_field_that_mirrors_another_message_is_400_before_anyone_is_asked() {
    let upstream = upstream().await;
    let running = serve("", &upstream).await;
    let filler = "x".repeat(100_000);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"arguments":{{"text":"{filler}"}},"name":"echo"}}}}"#
    );
    let named = |server: &str, key: &str, name: &str| {
        let lines = format!(
            "{key}mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {name}\r\nmcp-param-region: eu\r\n"
        );
        call(server, &lines)
            .replace(
                &format!("content-length: {}", CALL.len()),
                &format!("content-length: {}", body.len()),
            )
            .replace(CALL, &body)
    };
    for server in ["alpha", "nobody"] {
        let (status, _, answered) = answer(&running, named(server, KEY, "delete-all")).await;
        assert_eq!(
            (status, answered.contains("\"id\":7,\"error\":{\"code\":-32020")),
            (400, true),
            "{answered}"
        );
    }
    assert_eq!(
        answer(&running, named("alpha", "", "delete-all")).await.0,
        401,
        "a stranger does not learn of it"
    );
    assert_eq!(asked(&upstream).await.len(), 0);

    assert_eq!(answer(&running, named("alpha", KEY, "=?base64?ZWNobw==?=")).await.0, 200);
    let seen = &asked(&upstream).await[0];
    assert_eq!(
        (seen.body.as_slice(), &seen.headers["mcp-param-region"]),
        (body.as_bytes(), &"eu".parse().unwrap())
    );
}
