//! The gateway in process, before mock upstreams: what the I/O does that the pure core cannot show.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod secrets;
mod upstreams;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use mcp_preflight::{config::Config, gateway};
use secrets::environment;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use upstreams::TlsUpstream;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, header, method, path},
};

const STRATEGIES: [&str; 2] = ["probe", "deferred"];

/// A gateway with one key, `sk`, for every server.
async fn serve(settings: &str, servers: &str) -> gateway::Running {
    let text = format!(
        "listen = \"127.0.0.1:0\"\n{settings}\n[[key]]\nname = \"a\"\nvalue = {{ env = \"KEY\" }}\nservers = \"all\"\n{servers}"
    );
    let config =
        Config::parse("test", &text, &environment).unwrap_or_else(|error| panic!("{error}"));
    gateway::start(config).await.unwrap()
}

fn forwarding(name: &str, url: &str) -> String {
    format!("[[server]]\nname = \"{name}\"\nurl = \"{url}/mcp\"\nforward = [\"authorization\"]\n")
}

fn call(running: &gateway::Running, at: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("http://{}{at}", running.address()))
        .header("x-litellm-api-key", "sk")
        .header("authorization", "Bearer caller")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn send(request: Request<Full<Bytes>>) -> (StatusCode, HeaderMap, Bytes) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    whole(client.request(request).await.unwrap()).await
}

async fn whole(response: Response<hyper::body::Incoming>) -> (StatusCode, HeaderMap, Bytes) {
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
}

fn message(method: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": {} }).to_string()
}

fn result() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "jsonrpc": "2.0", "id": 7, "result": {} }))
}

#[tokio::test]
async fn a_refusal_keeps_its_status_by_either_strategy() {
    for strategy in STRATEGIES {
        let upstream = MockServer::start().await;
        for (token, status) in [("Bearer expired", 401), ("Bearer poor", 403)] {
            let refusal = ResponseTemplate::new(status)
                .insert_header("www-authenticate", "Bearer scope=\"up\"")
                .set_body_string("upstream's words");
            Mock::given(header("authorization", token))
                .respond_with(refusal)
                .mount(&upstream)
                .await;
        }
        let running =
            serve(&format!("strategy = \"{strategy}\""), &forwarding("alpha", &upstream.uri()))
                .await;

        for (token, expected, challenged) in
            [("Bearer expired", 401, true), ("Bearer poor", 403, false)]
        {
            let mut request = call(&running, "/mcp/alpha", message("tools/list"));
            request.headers_mut().insert("authorization", token.parse().unwrap());
            let (status, headers, body) = send(request).await;
            assert_eq!(
                (status.as_u16(), headers.contains_key("www-authenticate")),
                (expected, challenged),
                "{strategy}"
            );
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                (&body["id"], body["error"]["code"].as_u64().unwrap() / 100),
                (&json!(7), u64::from(expected)),
                "{strategy}"
            );
            assert!(!body.to_string().contains("upstream's words"), "{body}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_good_probe_does_not_hide_a_later_refusal() {
    let upstream = MockServer::start().await;
    Mock::given(body_string_contains("initialize"))
        .respond_with(result())
        .mount(&upstream)
        .await;
    Mock::given(body_string_contains("tools/call"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&upstream)
        .await;
    let running = serve("", &forwarding("alpha", &upstream.uri())).await;
    let (status, headers, _) = send(call(&running, "/alpha/mcp/", message("tools/call"))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let challenge = headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("/.well-known/oauth-protected-resource/alpha/mcp/\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn the_head_that_names_the_session_is_always_waited_for() {
    let upstream = MockServer::start().await;
    let slow = |answer: ResponseTemplate| answer.set_delay(std::time::Duration::from_millis(200));
    Mock::given(body_string_contains("initialize"))
        .respond_with(slow(result().insert_header("mcp-session-id", "s1")))
        .mount(&upstream)
        .await;
    Mock::given(body_string_contains("tools/list"))
        .respond_with(slow(result()))
        .mount(&upstream)
        .await;
    let running = serve(
        "strategy = \"deferred\"\ncommit_deadline_ms = 1",
        &forwarding("alpha", &upstream.uri()),
    )
    .await;
    for (opens, method) in [(true, "initialize"), (false, "tools/list")] {
        let (status, headers, body) = send(call(&running, "/mcp/alpha", message(method))).await;
        assert_eq!(
            (status, headers.contains_key("mcp-session-id")),
            (StatusCode::OK, opens),
            "{method}"
        );
        assert_eq!(body.starts_with(b": waiting"), !opens, "{body:?}");
    }
}

#[tokio::test]
async fn a_credential_is_minted_once_and_anew_after_a_refusal() {
    let issuer = MockServer::start().await;
    for bearer in ["first", "second"] {
        let token = ResponseTemplate::new(200).set_body_json(
            json!({ "access_token": bearer, "token_type": "Bearer", "expires_in": 3600 }),
        );
        let minting = Mock::given(method("POST"))
            .and(path("/token"))
            .and(body_string_contains("grant_type=client_credentials"));
        // user-id "gw", secret "s cret" form-encoded, then Basic (RFC 6749 §2.3.1)
        let minting = minting.and(header("authorization", "Basic Z3c6aHVzaCUyRGh1c2g="));
        minting.respond_with(token).up_to_n_times(1).expect(1).mount(&issuer).await;
    }
    let upstream = MockServer::start().await;
    Mock::given(header("authorization", "Bearer first"))
        .and(body_string_contains("refuse"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&upstream)
        .await;
    Mock::given(header("authorization", "Bearer first"))
        .respond_with(result())
        .mount(&upstream)
        .await;
    Mock::given(header("authorization", "Bearer second"))
        .respond_with(result())
        .mount(&upstream)
        .await;
    let credentials = format!(
        "{{ token_url = \"{}/token\", client_id = \"gw\", client_secret = {{ env = \"SECRET\" }} }}",
        issuer.uri()
    );
    let running = serve(
        "",
        &format!(
            "[[server]]\nname = \"m\"\nurl = \"{}/mcp\"\nclient_credentials = {credentials}",
            upstream.uri()
        ),
    )
    .await;

    let together =
        (0..10).map(|_| tokio::spawn(send(call(&running, "/mcp/m", message("tools/list")))));
    for answered in together.collect::<Vec<_>>() {
        assert_eq!(answered.await.unwrap().0, StatusCode::OK);
    }
    let (status, headers, _) = send(call(&running, "/mcp/m", message("refuse"))).await;
    assert_eq!(
        (status, headers.contains_key("www-authenticate")),
        (StatusCode::BAD_GATEWAY, false)
    );
    assert_eq!(send(call(&running, "/mcp/m", message("tools/list"))).await.0, StatusCode::OK);
    assert!(
        upstream
            .received_requests()
            .await
            .unwrap()
            .iter()
            .all(|seen| seen.headers["authorization"] != "Bearer caller")
    );
}

#[tokio::test]
async fn without_the_credential_that_it_needs_a_server_is_not_asked() {
    let nobody = MockServer::start().await;
    let credentials = format!(
        "{{ token_url = \"{}/token\", client_id = \"gw\", client_secret = {{ env = \"SECRET\" }} }}",
        nobody.uri()
    );
    let running = serve(
        "",
        &format!(
            "[[server]]\nname = \"m\"\nurl = \"{}/mcp\"\nclient_credentials = {credentials}",
            nobody.uri()
        ),
    )
    .await;
    let (status, _, body) = send(call(&running, "/mcp/m", message("tools/list"))).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "{body:?}");
    assert!(
        nobody
            .received_requests()
            .await
            .unwrap()
            .iter()
            .all(|seen| seen.url.path() == "/token")
    );
}

#[tokio::test]
async fn a_long_message_streams_through_whole_and_one_too_long_is_refused() {
    let upstream = MockServer::start().await;
    Mock::given(method("POST")).respond_with(result()).mount(&upstream).await;
    let running = serve(
        "max_message_bytes = 300000\nstrategy = \"deferred\"",
        &forwarding("alpha", &upstream.uri()),
    )
    .await;
    let long = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "text": "x".repeat(200_000) } }).to_string();
    assert_eq!(send(call(&running, "/mcp/alpha", long.clone())).await.0, StatusCode::OK);
    assert_eq!(upstream.received_requests().await.unwrap()[0].body, long.as_bytes());

    let (status, _, body) = send(call(&running, "/mcp/alpha", message(&"x".repeat(400_000)))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{body:?}");
}

#[tokio::test]
async fn discovery_names_the_gateway_as_the_resource_and_asks_the_upstream_once() {
    let upstream = MockServer::start().await;
    let prm = ResponseTemplate::new(200).set_body_json(
        json!({ "resource": upstream.uri(), "authorization_servers": [upstream.uri()] }),
    );
    Mock::given(path("/.well-known/oauth-protected-resource/mcp"))
        .respond_with(prm)
        .expect(1)
        .mount(&upstream)
        .await;
    let asm = ResponseTemplate::new(200).set_body_json(json!({ "issuer": upstream.uri() }));
    Mock::given(path("/.well-known/oauth-authorization-server"))
        .respond_with(asm)
        .expect(1)
        .mount(&upstream)
        .await;
    let running =
        serve("external_url = \"https://gw.example\"", &forwarding("alpha", &upstream.uri())).await;
    for _ in 0..2 {
        for endpoint in ["/mcp/alpha", "/alpha/mcp/"] {
            let at = format!(
                "http://{}/.well-known/oauth-protected-resource{endpoint}",
                running.address()
            );
            let (status, _, body) = send(Request::get(at).body(Full::default()).unwrap()).await;
            let document: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                (status, &document["resource"]),
                (StatusCode::OK, &json!(format!("https://gw.example{endpoint}")))
            );
            assert_eq!(document["authorization_servers"], json!([upstream.uri()]));

            let at = format!(
                "http://{}/.well-known/oauth-authorization-server{endpoint}",
                running.address()
            );
            let (status, _, body) = send(Request::get(at).body(Full::default()).unwrap()).await;
            assert_eq!(
                (status, serde_json::from_slice::<Value>(&body).unwrap()["issuer"].as_str()),
                (StatusCode::OK, Some(upstream.uri().as_str()))
            );
        }
    }
    let unknown =
        format!("http://{}/.well-known/oauth-protected-resource/mcp/nobody", running.address());
    assert_eq!(
        send(Request::get(unknown).body(Full::default()).unwrap()).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_listening_stream_does_not_hold_up_a_gateway_that_stops() {
    let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let (mut stream, _) = upstream.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n")
            .await
            .unwrap();
        let _until_closed = stream.read_to_end(&mut Vec::new()).await;
    });
    let running = serve(
        "strategy = \"deferred\"\nshutdown_deadline_ms = 3600000",
        &forwarding("alpha", &url),
    )
    .await;
    let mut request = call(&running, "/mcp/alpha", "");
    *request.method_mut() = Method::GET;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut response = client.request(request).await.unwrap();
    assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "data: {}\n\n");
    let (_, rest) = tokio::join!(running.stop(), response.collect());
    assert_eq!(rest.unwrap().to_bytes(), "", "the stream ends, and does not break");
    silent.await.unwrap();
}

#[tokio::test]
async fn a_client_may_speak_http2_in_the_clear() {
    let upstream = MockServer::start().await;
    Mock::given(method("POST")).respond_with(result()).mount(&upstream).await;
    let running = serve("", &forwarding("alpha", &upstream.uri())).await;
    let stream = tokio::net::TcpStream::connect(running.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let serving = tokio::spawn(connection);
    let response = sender
        .send_request(call(&running, "/mcp/alpha", message("tools/list")))
        .await
        .unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    drop((sender, response));
    running.stop().await;
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_upstream_is_reached_over_tls_and_http2_if_its_certificate_is_trusted() {
    let upstream = TlsUpstream::start().await;
    let trusting = serve(
        &format!("trusted_certificates = [\"{}\"]", upstream.certificate().display()),
        &forwarding("tls", &upstream.url()),
    )
    .await;
    let (status, headers, _) = send(call(&trusting, "/mcp/tls", message("tools/list"))).await;
    assert_eq!((status, headers["x-version"].as_bytes()), (StatusCode::OK, &b"HTTP/2.0"[..]));

    let doubting = serve("", &forwarding("tls", &upstream.url())).await;
    let (status, _, body) = send(call(&doubting, "/mcp/tls", message("tools/list"))).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(!String::from_utf8_lossy(&body).contains("localhost"), "{body:?}");
}

#[tokio::test]
async fn what_is_not_a_method_of_the_transport_reaches_nobody() {
    let nobody = MockServer::start().await;
    let running = serve("", &forwarding("alpha", &nobody.uri())).await;
    for verb in [Method::OPTIONS, Method::HEAD, Method::PUT] {
        let mut request = call(&running, "/mcp/alpha", "");
        *request.method_mut() = verb;
        let (status, headers, _) = send(request).await;
        assert_eq!(
            (status, headers["allow"].as_bytes()),
            (StatusCode::METHOD_NOT_ALLOWED, &b"POST, GET, DELETE"[..])
        );
    }
    assert_eq!(nobody.received_requests().await.unwrap().len(), 0);
}
