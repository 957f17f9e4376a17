//! What the log holds at its most talkative: no part of a secret, in no encoding (OBS-01).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, body_string_contains, path},
};

use crate::{
    child::gateway::{Configuration, Gateway, KEY, KEY_HEADER, SECRET},
    exchange::{Exchange, TOKEN, message},
};

const SESSION: &str = "se-M3cJ7kPwUy2fEo9h";
const MINTED: &str = "mt-D5gXa1SvCr8iLz4t";
const MISTYPED: &str = "ml-W6nFq9ObYj3uTe2k";

/// Every way to write eight bytes in a row of a secret, or eight characters of its Base64.
fn writings(secret: &str) -> Vec<String> {
    let parts = secret.as_bytes().windows(8).flat_map(|part| {
        let hex = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{part:?}");
        [
            String::from_utf8_lossy(part).into_owned(),
            hex,
            list[1..list.len() - 1].to_owned(),
        ]
    });
    let base64 = (0..3).flat_map(|before| {
        // Of a secret inside something longer, the first and last groups depend on what stands around it.
        let encoded = STANDARD.encode(format!("{}{secret}", "?".repeat(before)));
        encoded.as_bytes()[4..encoded.len() - 4]
            .windows(8)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect::<Vec<_>>()
    });
    parts.chain(base64).collect()
}

/// The secrets of which the log holds a part.
fn disclosed(log: &str) -> Vec<&'static str> {
    let mut secrets = vec![KEY, SECRET, TOKEN, SESSION, MINTED, MISTYPED];
    secrets.retain(|secret| writings(secret).iter().any(|writing| log.contains(writing)));
    secrets
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    assert_eq!(disclosed("nothing of that kind"), [""; 0]);
    let user_and_secret = STANDARD.encode(format!("gateway:{SECRET}"));
    let bytes = format!("{:?}", TOKEN.as_bytes());
    for (line, secret) in [
        (&KEY[..9], KEY),
        (&user_and_secret, SECRET),
        (&bytes, TOKEN),
        ("736b2d5a78383171", KEY),
    ] {
        assert_eq!(disclosed(line), [secret], "{line}");
    }
}

/// Clients of every sort: with a good token, with one that is refused, with credentials in wrong places and shapes, and over HTTP/2.
async fn visit(gateway: &Gateway) {
    let key = format!("{KEY_HEADER}: {KEY}\r\n");
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let fields = [
        format!("{key}{token}"),
        format!("{key}{token}mcp-session-id: {SESSION}\r\n"),
        format!("authorization: Bearer {KEY}\r\n"),
        format!("{KEY_HEADER}: {MISTYPED}\r\n{token}"),
        format!("{key}{key}"),
        format!("{key}{token}{token}"),
        format!("{key}authorization: Basic {}\r\n", STANDARD.encode(format!("caller:{TOKEN}"))),
        format!("{key}authorization: Bearer Bearer {TOKEN}\r\n"),
        format!("{key}{token}cookie: session={SESSION}\r\n"),
    ];
    for fields in fields {
        for method in ["tools/list", "refuse", "forbid"] {
            Exchange::post(gateway, &format!("{fields}connection: close\r\n"), &message(method))
                .await
                .ends()
                .await;
        }
    }
    let stream = TokioIo::new(TcpStream::connect(gateway.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{}/mcp/alpha", gateway.address))
        .header(KEY_HEADER, KEY)
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Full::new(Bytes::from(message("tools/list"))));
    sender.send_request(request.unwrap()).await.unwrap().collect().await.unwrap();
}

#[tokio::test]
async fn the_log_holds_no_part_of_a_secret_at_any_level() {
    let upstream = MockServer::start().await;
    let token = ResponseTemplate::new(200).set_body_json(
        json!({ "access_token": MINTED, "token_type": "Bearer", "expires_in": 3600 }),
    );
    Mock::given(path("/token")).respond_with(token).mount(&upstream).await;
    for (method, status) in [("refuse", 401), ("forbid", 403)] {
        Mock::given(body_string_contains(method))
            .respond_with(ResponseTemplate::new(status))
            .mount(&upstream)
            .await;
    }
    let result = ResponseTemplate::new(200).insert_header("mcp-session-id", SESSION);
    Mock::given(any())
        .respond_with(result.set_body_json(json!({ "jsonrpc": "2.0", "id": 7, "result": {} })))
        .mount(&upstream)
        .await;

    let minted = format!(
        r#"client_credentials = {{ token_url = "{}/token", client_id = "gateway", client_secret = {{ env = "ALPHA_SECRET" }} }}"#,
        upstream.uri()
    );
    for (strategy, credential) in [
        ("probe", r#"forward = ["authorization"]"#),
        ("deferred", r#"forward = ["authorization"]"#),
        ("probe", r#"bearer = { env = "ALPHA_SECRET" }"#),
        ("probe", &minted),
    ] {
        let server = format!("url = \"{}/mcp\"\n{credential}", upstream.uri());
        let gateway = Gateway::serve(
            &Configuration::with_server(&format!("strategy = \"{strategy}\""), &server),
            "trace",
        )
        .await;
        visit(&gateway).await;
        let ended = gateway.stop().await;
        let log = ended.lines.join("\n");
        assert!(
            ended.code == 0 && log.contains("TRACE") && log.contains("caller=\"alice\""),
            "{log}"
        );
        assert_eq!(disclosed(&log), [""; 0], "{strategy} {credential}");
    }
    let seen = upstream.received_requests().await.unwrap();
    for secret in [TOKEN, SECRET, MINTED, SESSION] {
        let travelled = |value: &http::HeaderValue| value.to_str().unwrap().contains(secret);
        let sent = seen.iter().any(|request| request.headers.values().any(travelled));
        assert!(sent, "{secret} was never in play");
    }
}
