//! The log contains no part of a secret, in any encoding, even at the most detailed level (OBS-01).

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
    child::gateway::{ConfigurationFile, Gateway, KEY, KEY_HEADER, SECRET},
    connection::{Connection, TOKEN, message},
};

/// The session id that the upstream issues.
const SESSION: &str = "se-M3cJ7kPwUy2fEo9h";
/// The token that the authorization server issues to the gateway.
const ISSUED_TOKEN: &str = "mt-D5gXa1SvCr8iLz4t";
/// A gateway key that is not configured.
const UNKNOWN_KEY: &str = "ml-W6nFq9ObYj3uTe2k";

/// The encodings of each eight consecutive bytes of a secret, and each eight consecutive characters
/// of its Base64 encodings.
fn encoded_parts(secret: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in secret.as_bytes().windows(8) {
        let list = format!("{part:?}");
        parts.push(String::from_utf8_lossy(part).into_owned());
        parts.push(part.iter().map(|byte| format!("{byte:02x}")).collect());
        parts.push(list[1..list.len() - 1].to_owned());
    }
    for offset in 0..3 {
        // If a secret is encoded as part of a longer text, the first and last groups depend on the
        // surrounding bytes.
        let encoded = STANDARD.encode(format!("{}{secret}", "?".repeat(offset)));
        for part in encoded.as_bytes()[4..encoded.len() - 4].windows(8) {
            parts.push(String::from_utf8_lossy(part).into_owned());
        }
    }
    parts
}

/// The secrets of which the log contains a part.
fn disclosed(log: &str) -> Vec<&'static str> {
    let mut secrets = vec![KEY, SECRET, TOKEN, SESSION, ISSUED_TOKEN, UNKNOWN_KEY];
    secrets.retain(|secret| encoded_parts(secret).iter().any(|part| log.contains(part)));
    secrets
}

#[test]
fn a_part_of_a_secret_is_found_in_each_encoding() {
    assert_eq!(disclosed("a line without a secret"), [""; 0]);
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

/// Sends requests with accepted and refused tokens, with credentials in wrong fields and formats,
/// and over HTTP/2.
async fn send_requests(gateway: &Gateway) {
    let key = format!("{KEY_HEADER}: {KEY}\r\n");
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let basic = STANDARD.encode(format!("caller:{TOKEN}"));
    for fields in [
        format!("{key}{token}"),
        format!("{key}{token}mcp-session-id: {SESSION}\r\n"),
        format!("authorization: Bearer {KEY}\r\n"),
        format!("{KEY_HEADER}: {UNKNOWN_KEY}\r\n{token}"),
        format!("{key}{key}"),
        format!("{key}{token}{token}"),
        format!("{key}authorization: Basic {basic}\r\n"),
        format!("{key}authorization: Bearer Bearer {TOKEN}\r\n"),
        format!("{key}{token}cookie: session={SESSION}\r\n"),
    ] {
        for method in ["tools/list", "refuse", "forbid"] {
            let fields = format!("{fields}connection: close\r\n");
            Connection::post(gateway, &fields, &message(method)).await.read_to_end().await;
        }
    }
    send_http2_request(gateway).await;
}

async fn send_http2_request(gateway: &Gateway) {
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

/// An upstream with sessions, which also is an authorization server. The method of a message
/// decides the status.
async fn upstream() -> MockServer {
    let upstream = MockServer::start().await;
    let token = ResponseTemplate::new(200).set_body_json(
        json!({ "access_token": ISSUED_TOKEN, "token_type": "Bearer", "expires_in": 3600 }),
    );
    Mock::given(path("/token")).respond_with(token).mount(&upstream).await;
    for (method, status) in [("refuse", 401), ("forbid", 403)] {
        Mock::given(body_string_contains(method))
            .respond_with(ResponseTemplate::new(status))
            .mount(&upstream)
            .await;
    }
    let result = ResponseTemplate::new(200)
        .insert_header("mcp-session-id", SESSION)
        .set_body_json(json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
    Mock::given(any()).respond_with(result).mount(&upstream).await;
    upstream
}

#[tokio::test]
async fn the_log_contains_no_part_of_a_secret_at_any_level() {
    let upstream = upstream().await;
    let client_credentials = format!(
        r#"client_credentials.token_url = "{}/token"
client_credentials.client_id = "gateway"
client_credentials.client_secret = {{ env = "ALPHA_SECRET" }}"#,
        upstream.uri()
    );
    for (strategy, credential) in [
        ("probe", r#"forward = ["authorization"]"#),
        ("deferred", r#"forward = ["authorization"]"#),
        ("probe", r#"bearer = { env = "ALPHA_SECRET" }"#),
        ("probe", &client_credentials),
    ] {
        let settings = format!("strategy = \"{strategy}\"");
        let server = format!("url = \"{}/mcp\"\n{credential}", upstream.uri());
        let file = ConfigurationFile::with_server(&settings, &server);
        let gateway = Gateway::start(&file, "trace").await;
        send_requests(&gateway).await;
        let exit = gateway.stop().await;
        let log = exit.lines.join("\n");
        assert_eq!(exit.code, 0, "{log}");
        assert!(log.contains("TRACE") && log.contains("caller=\"alice\""), "{log}");
        assert_eq!(disclosed(&log), [""; 0], "{strategy} {credential}");
    }

    // Otherwise the absence of a secret in the log would show nothing.
    let requests = upstream.received_requests().await.unwrap();
    for secret in [TOKEN, SECRET, ISSUED_TOKEN, SESSION] {
        let contains = |value: &http::HeaderValue| value.to_str().unwrap().contains(secret);
        let sent = requests.iter().any(|request| request.headers.values().any(contains));
        assert!(sent, "{secret} was not sent upstream in any request");
    }
}
