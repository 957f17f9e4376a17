//! What an operator reads in the log, what SIGHUP does, and how a request is explained.

use rustix::process::Signal;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::header};

use crate::{
    NOWHERE, RESULT,
    child::{
        Child,
        gateway::{Configuration, Gateway, KEY, KEY_HEADER, command},
    },
    exchange::{Exchange, message},
    held,
    upstream::Upstream,
};

/// Serves a configuration and logs JSON.
async fn serve(configuration: &Configuration) -> Gateway {
    let mut child = Child::spawn(
        command("serve", configuration)
            .args(["--log-format", "json"])
            .env("RUST_LOG", "info"),
    );
    let address = child
        .prints("the address that it serves", |lines| {
            told(lines, "serving").next()?["address"].as_str()?.parse().ok()
        })
        .await;
    Gateway { child, address }
}

/// The log lines with a message, each of them an object.
fn told(lines: &[String], message: &str) -> impl Iterator<Item = Value> {
    let objects = lines.iter().map(|line| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    objects.filter(move |object| object["message"] == message)
}

#[tokio::test]
async fn every_line_of_a_json_log_is_an_object() {
    let gateway = serve(&Configuration::forwarding("", NOWHERE)).await;
    gateway.child.signal(Signal::INT);
    let ended = gateway.child.ends().await;
    assert_eq!(
        (ended.code, told(&ended.lines, "stopping").next().unwrap()["level"].as_str()),
        (0, Some("INFO"))
    );
}

/// Posts a message and returns its answer.
async fn post(gateway: &Gateway, path: &str, key: &str, token: &str) -> String {
    let message = message("tools/list");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\n{KEY_HEADER}: {key}\r\nauthorization: Bearer {token}\r\n\
         x-request-id: chosen-by-the-client\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        message.len()
    );
    Exchange::send(gateway, &format!("{head}{message}")).await.ends().await
}

#[tokio::test]
async fn every_request_has_a_line_that_its_answer_names() {
    let upstream = MockServer::start().await;
    for (token, status) in [("Bearer good", 200), ("Bearer expired", 401), ("Bearer unlucky", 500)]
    {
        let answer =
            ResponseTemplate::new(status).insert_header("x-request-id", "chosen-by-the-upstream");
        let answer = answer.set_body_json(json!({ "jsonrpc": "2.0", "id": 7, "result": {} }));
        Mock::given(header("authorization", token))
            .respond_with(answer)
            .mount(&upstream)
            .await;
    }
    let mut gateway =
        serve(&Configuration::forwarding("", &format!("{}/mcp", upstream.uri()))).await;
    let requests = [
        ("/mcp/alpha", KEY, "good", json!(["alice", "alpha", false, "accepted", 200])),
        (
            "/mcp/alpha",
            KEY,
            "expired",
            json!(["alice", "alpha", false, "unauthorized", 401]),
        ),
        ("/mcp/alpha", KEY, "unlucky", json!(["alice", "alpha", false, "open-500", 502])),
        ("/mcp/alpha", KEY, KEY, json!(["alice", "alpha", true, null, 404])),
        (
            "/mcp/chosen-by-the-client",
            KEY,
            "good",
            json!(["alice", null, false, null, 404]),
        ),
        ("/mcp/alpha", "sk-unknown", "good", json!([null, null, false, null, 401])),
    ];
    for (nth, (path, key, token, expected)) in requests.into_iter().enumerate() {
        let answer = post(&gateway, path, key, token).await;
        let line = gateway
            .child
            .prints("the line of a request", |lines| told(lines, "request").nth(nth))
            .await;
        let ids: Vec<&str> =
            answer.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect();
        assert_eq!(ids, [line["request_id"].as_str().unwrap()]);
        assert!(ids[0].len() == 16 && ids[0].bytes().all(|b| b.is_ascii_hexdigit()), "{ids:?}");
        let fields = ["caller", "server", "credential_stripped", "outcome", "status"]
            .map(|field| line[field].clone());
        assert_eq!(json!(fields), expected, "{line}");
        let unsaid = [
            "good",
            "expired",
            "unlucky",
            "sk-unknown",
            "chosen-by",
            &upstream.address().to_string(),
        ];
        assert!(unsaid.iter().all(|text| !line.to_string().contains(text)), "{line}");
    }
    assert_eq!(gateway.stop().await.code, 0);
}

#[tokio::test]
async fn a_request_that_its_client_gave_up_has_a_line_too() {
    let upstream = Upstream::start().await;
    let mut gateway = serve(&Configuration::forwarding("", &upstream.url("/mcp"))).await;
    let waiting = Exchange::call(&gateway).await;
    let probe = upstream.asked().await;
    drop(waiting);
    let line = gateway
        .child
        .prints("the line of a request", |lines| told(lines, "request").next())
        .await;
    assert_eq!(
        ["caller", "server", "status"].map(|field| line[field].clone()),
        [json!("alice"), json!("alpha"), Value::Null]
    );
    probe.given_up().await;
}

/// Asks for a reload and returns the line that tells what came of it.
async fn reloads(gateway: &mut Gateway, configuration: &Configuration, text: &str) -> Value {
    let told_so_far =
        |lines: &[String]| lines.iter().filter(|line| line.contains("reloaded")).count();
    let before = gateway.child.prints("anything", |lines| Some(told_so_far(lines))).await;
    std::fs::write(&configuration.0, text).unwrap();
    gateway.child.signal(Signal::HUP);
    let line = gateway.child.prints("what came of a reload", |lines| {
        lines.iter().filter(|line| line.contains("reloaded")).nth(before).cloned()
    });
    serde_json::from_str(&line.await).unwrap()
}

#[tokio::test]
async fn a_reload_reaches_the_next_request_and_none_that_has_begun() {
    for strategy in ["probe", "deferred"] {
        let (before, after) = (Upstream::start().await, Upstream::start().await);
        let configuration =
            Configuration::forwarding(&format!("strategy = \"{strategy}\""), &before.url("/mcp"));
        let mut gateway = serve(&configuration).await;
        let mut kept =
            Exchange::send(&gateway, "GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n").await;
        kept.reads("alive").await;
        let (mut streamed, mut streaming) = held(&gateway, &before).await;
        streaming.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: begun\n\n").await;
        streamed.reads(": begun\n\n").await;
        let (mut waiting, asked) = held(&gateway, &before).await;
        let probing = Exchange::call(&gateway).await;
        let first = before.asked().await;

        let text = std::fs::read_to_string(&configuration.0)
            .unwrap()
            .replace(&before.url(""), &after.url(""));
        assert_eq!(reloads(&mut gateway, &configuration, &text).await["level"], "INFO");

        // What had begun goes on where it began: a stream, a request whose answer is awaited, and one that was being probed for.
        streaming.write(&format!("data: {RESULT}\n\n")).await;
        streamed.reads(RESULT).await;
        asked.answer("200 OK", "", RESULT).await;
        assert!(waiting.reads(RESULT).await.starts_with("HTTP/1.1 200 OK\r\n"), "{strategy}");
        first.answer("200 OK", "", RESULT).await;
        if strategy == "probe" {
            before.asked().await.answer("200 OK", "", RESULT).await;
        }
        drop(probing);

        // What begins now begins anew, also on a connection that was open.
        kept.sends(&format!(
            "DELETE /mcp/alpha HTTP/1.1\r\nhost: gateway\r\n{KEY_HEADER}: {KEY}\r\n\r\n"
        ))
        .await;
        let moved = after.asked().await;
        assert!(
            moved.request.starts_with("DELETE /mcp HTTP/1.1\r\n"),
            "{strategy}: {}",
            moved.request
        );
        moved.answer("200 OK", "", RESULT).await;
        kept.reads(RESULT).await;

        gateway.child.signal(Signal::TERM);
        drop(streaming);
        streamed.ends().await;
        assert_eq!(gateway.child.ends().await.code, 0, "{strategy}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_served_is_refused_and_the_old_one_kept() {
    let upstream = Upstream::start().await;
    let configuration = Configuration::forwarding("", &upstream.url("/mcp"));
    let mut gateway = serve(&configuration).await;
    let good = std::fs::read_to_string(&configuration.0).unwrap();
    for (text, why) in [
        (good.replace("url =", "urll ="), ":9:1: unknown field `urll`"),
        (
            good.replace("ALICE_KEY", "PREFLIGHT_UNSET"),
            "the environment variable `PREFLIGHT_UNSET` is not set",
        ),
        (
            good.replace("127.0.0.1:0", "127.0.0.1:1"),
            "`listen` has changed to 127.0.0.1:1\nexpected 127.0.0.1:0",
        ),
        (
            format!("metrics_listen = \"127.0.0.1:0\"\n{good}"),
            "`metrics_listen` has changed to 127.0.0.1:0\nexpected nothing",
        ),
    ] {
        let line = reloads(&mut gateway, &configuration, &text).await;
        let error = line["error"].as_str().unwrap();
        assert!(line["level"] == "ERROR" && error.contains(why), "{line}");
        let (waiting, asked) = held(&gateway, &upstream).await;
        asked.answer("200 OK", "", RESULT).await;
        drop(waiting);
    }
    assert_eq!(reloads(&mut gateway, &configuration, &good).await["level"], "INFO");
    assert_eq!(gateway.stop().await.code, 0);
}

#[tokio::test]
async fn a_request_is_explained_and_nobody_is_asked() {
    let configuration = Configuration::forwarding("", NOWHERE);
    let explain = async |header: &str| {
        let key = format!("{KEY_HEADER}:{KEY} ");
        let request = [
            "--method",
            "GET",
            "--path",
            "/mcp/alpha?x=y",
            "--header",
            &key,
            "--header",
            header,
        ];
        let child = Child::spawn(command("explain", &configuration).args(request));
        let ended = child.ends().await;
        (ended.code, ended.lines.join("\n"))
    };
    let (code, said) = explain("Authorization: Bearer to-canary").await;
    assert!(
        code == 0
            && said.starts_with(
                "request     GET /mcp/alpha\ncaller      alice\nserver      alpha at "
            ),
        "{said}"
    );
    assert!(
        said.contains("… (16 characters)") && !said.contains("canary") && !said.contains(KEY),
        "{said}"
    );

    for header in ["Bearer to-canary", "authorization: to\ncanary", "bad name: to-canary"] {
        let (code, said) = explain(header).await;
        assert!(
            code == 2
                && said.starts_with("a --header is no header field\n")
                && !said.contains("canary"),
            "{code}: {said}"
        );
    }
}
