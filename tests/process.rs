//! The binary as an operator meets it: its commands and exit codes, how it stops, and what it never writes into its log.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod child;
#[path = "process/disclosure.rs"]
mod disclosure;
#[path = "process/exchange.rs"]
mod exchange;
#[path = "process/operators.rs"]
mod operators;
#[path = "process/sessions.rs"]
mod sessions;
#[path = "process/upstream.rs"]
mod upstream;

use std::{net::SocketAddr, path::PathBuf, process::Output};

use child::{
    PATIENCE,
    gateway::{Configuration, Gateway, command},
};
use exchange::Exchange;
use rustix::process::Signal;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use upstream::Upstream;

const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
const NOWHERE: &str = "http://127.0.0.1:9/mcp";

/// What a command that ends by itself says, and with which code.
async fn run(verb: &str, configuration: &Configuration) -> (i32, String, String) {
    let output = command(verb, configuration).env("RUST_LOG", "info").kill_on_drop(true).output();
    let Output { status, stdout, stderr } =
        timeout(PATIENCE, output).await.expect("the command ends").unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

#[tokio::test]
async fn check_passes_a_good_file() {
    let good = Configuration::forwarding("", NOWHERE);
    let (code, said, errors) = run("check", &good).await;
    assert_eq!(
        (code, said.as_str(), errors.as_str()),
        (0, &*format!("{}: valid (servers: 1, keys: 1)\n", good.0.display()), "")
    );
}

#[tokio::test]
async fn a_bad_file_is_shown_at_its_place_by_either_command() {
    let bad = Configuration::file(
        "listen = \"127.0.0.1:0\"\n\n[[server]]\nname = \"alpha\"\nurll = \"http://127.0.0.1:9/mcp\"\n",
    );
    for verb in ["check", "serve"] {
        let (code, said, errors) = run(verb, &bad).await;
        assert_eq!((code, said.as_str()), (2, ""), "{errors}");
        assert!(errors.starts_with(&format!("{}:5:1: ", bad.0.display())), "{errors}");
        assert!(
            errors.contains("    5 | urll = ") && errors.contains("expected `url`?"),
            "{errors}"
        );
    }
}

#[tokio::test]
async fn a_missing_secret_or_file_is_named() {
    let unset = Configuration::with_server(
        "",
        &format!("url = \"{NOWHERE}\"\nbearer = {{ env = \"PREFLIGHT_UNSET\" }}"),
    );
    let (code, _, errors) = run("check", &unset).await;
    assert!(
        code == 2
            && errors.contains(":10:10: the environment variable `PREFLIGHT_UNSET` is not set"),
        "{code}: {errors}"
    );

    let nowhere = Configuration(PathBuf::from("no/such/preflight.toml"));
    let (code, _, errors) = run("serve", &nowhere).await;
    assert!(
        code == 2 && errors.starts_with("no/such/preflight.toml: cannot be read"),
        "{code}: {errors}"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let (code, _, errors) =
        run("serve", &Configuration::forwarding(&format!("listen = \"{address}\""), NOWHERE)).await;
    assert!(
        code == 1 && errors.starts_with(&format!("cannot serve {address}: Address already in use")),
        "{code}: {errors}"
    );
}

#[tokio::test]
async fn health_and_readiness_are_told_without_a_key() {
    let gateway = Gateway::serve(&Configuration::forwarding("", NOWHERE), "info").await;
    for (path, word) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        let answer = Exchange::send(
            &gateway,
            &format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n"),
        )
        .await
        .ends()
        .await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(word), "{answer}");
    }
    assert_eq!(gateway.stop().await.code, 0);
}

/// Waits until nobody listens there any more.
async fn refuses_connections(address: SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("new connections are refused");
}

/// A running request of which the upstream holds the answer; probes are answered.
async fn held(gateway: &Gateway, upstream: &Upstream) -> (Exchange, upstream::Asked) {
    let exchange = Exchange::call(gateway).await;
    loop {
        let asked = upstream.asked().await;
        if !asked.request.contains("initialize") {
            return (exchange, asked);
        }
        asked.answer("200 OK", "", RESULT).await;
    }
}

#[tokio::test]
async fn a_signal_lets_running_requests_finish_and_takes_no_new_ones() {
    for (signal, strategy) in [
        (Signal::TERM, "probe"),
        (Signal::TERM, "deferred"),
        (Signal::INT, "probe"),
        (Signal::INT, "deferred"),
    ] {
        let upstream = Upstream::start().await;
        let settings = format!("strategy = \"{strategy}\"\nshutdown_deadline_ms = 3600000");
        let gateway =
            Gateway::serve(&Configuration::forwarding(&settings, &upstream.url("/mcp")), "info")
                .await;
        // Connections without a request must not hold it up.
        let _silent = TcpStream::connect(gateway.address).await.unwrap();
        let mut kept =
            Exchange::send(&gateway, "GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n").await;
        kept.reads("alive").await;
        let (mut streamed, mut streaming) = held(&gateway, &upstream).await;
        streaming.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: begun\n\n").await;
        streamed.reads(": begun\n\n").await;
        let (waiting, asked) = held(&gateway, &upstream).await;

        gateway.child.signal(signal);
        refuses_connections(gateway.address).await;
        streaming.write(&format!("data: {RESULT}\n\n")).await;
        drop(streaming);
        assert!(streamed.ends().await.contains(RESULT), "{signal:?} {strategy}");
        asked.answer("200 OK", "", RESULT).await;
        let answer = waiting.ends().await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(RESULT),
            "{signal:?} {strategy}: {answer}"
        );
        assert_eq!(gateway.child.ends().await.code, 0, "{signal:?} {strategy}");
    }
}

#[tokio::test]
async fn a_request_that_outlives_the_shutdown_deadline_is_cut_off() {
    for strategy in ["probe", "deferred"] {
        let upstream = Upstream::start().await;
        let settings = format!("strategy = \"{strategy}\"\nshutdown_deadline_ms = 50");
        let gateway =
            Gateway::serve(&Configuration::forwarding(&settings, &upstream.url("/mcp")), "info")
                .await;
        let (waiting, asked) = held(&gateway, &upstream).await;
        let ended = gateway.stop().await;
        assert_eq!((ended.code, waiting.ends().await.as_str()), (0, ""), "{strategy}");
        asked.given_up().await;
        assert!(
            ended.lines.iter().any(|line| line.contains("WARN") && line.contains("cut off")),
            "{:?}",
            ended.lines
        );
    }
}

#[tokio::test]
async fn after_kill_9_it_can_be_started_again_at_once() {
    let upstream = Upstream::start().await;
    let gateway =
        Gateway::serve(&Configuration::forwarding("", &upstream.url("/mcp")), "info").await;
    let (_waiting, _asked) = held(&gateway, &upstream).await;
    let address = gateway.address;
    gateway.child.signal(Signal::KILL);
    assert_eq!(gateway.child.ends().await.code, -Signal::KILL.as_raw());

    let again =
        Configuration::forwarding(&format!("listen = \"{address}\""), &upstream.url("/mcp"));
    let gateway = Gateway::serve(&again, "info").await;
    assert_eq!(gateway.address, address);
    let (waiting, asked) = held(&gateway, &upstream).await;
    asked.answer("200 OK", "connection: close\r\n", RESULT).await;
    assert_eq!(gateway.stop().await.code, 0);
    assert!(waiting.ends().await.ends_with(RESULT));
}
