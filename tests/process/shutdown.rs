//! Signals: graceful shutdown, its deadline, and SIGKILL.

use std::net::SocketAddr;

use rustix::process::Signal;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    RESULT,
    child::{
        TIMEOUT,
        gateway::{ConfigurationFile, Gateway},
    },
    connection::{Connection, HEALTH_REQUEST},
    manual_upstream::ManualUpstream,
};

/// Waits until connections to an address are refused.
async fn wait_until_refused(address: SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, refused).await.expect("new connections are refused");
}

#[tokio::test]
async fn after_a_signal_running_requests_finish_and_new_connections_are_refused() {
    for signal in [Signal::TERM, Signal::INT] {
        for strategy in ["probe", "deferred"] {
            shuts_down_gracefully(signal, strategy).await;
        }
    }
}

async fn shuts_down_gracefully(signal: Signal, strategy: &str) {
    let upstream = ManualUpstream::start().await;
    let settings = format!("strategy = \"{strategy}\"\nshutdown_deadline_ms = 3600000");
    let file = ConfigurationFile::forwarding(&settings, &upstream.url("/mcp"));
    let gateway = Gateway::start(&file, "info").await;
    // Connections without a request in progress do not delay the shutdown.
    let _unused = TcpStream::connect(gateway.address).await.unwrap();
    let mut idle = Connection::open(&gateway, HEALTH_REQUEST).await;
    idle.read_until("alive").await;
    let (streaming_client, mut stream) = upstream.begin_stream(&gateway).await;
    let (waiting_client, pending) = upstream.hold_call(&gateway).await;

    gateway.child.signal(signal);
    wait_until_refused(gateway.address).await;
    stream.write(&format!("data: {RESULT}\n\n")).await;
    drop(stream);
    let streamed = streaming_client.read_to_end().await;
    assert!(streamed.contains(RESULT), "{signal:?} {strategy}: {streamed}");
    pending.respond("200 OK", "", RESULT).await;
    let response = waiting_client.read_to_end().await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{signal:?} {strategy}: {response}");
    assert!(response.ends_with(RESULT), "{signal:?} {strategy}: {response}");
    assert_eq!(gateway.child.wait().await.code, 0, "{signal:?} {strategy}");
}

#[tokio::test]
async fn a_request_is_aborted_at_the_shutdown_deadline() {
    for strategy in ["probe", "deferred"] {
        let upstream = ManualUpstream::start().await;
        let settings = format!("strategy = \"{strategy}\"\nshutdown_deadline_ms = 50");
        let file = ConfigurationFile::forwarding(&settings, &upstream.url("/mcp"));
        let gateway = Gateway::start(&file, "info").await;
        let (client, pending) = upstream.hold_call(&gateway).await;
        let exit = gateway.stop().await;
        assert_eq!(exit.code, 0, "{strategy}");
        assert_eq!(client.read_to_end().await, "", "{strategy}");
        pending.wait_until_closed().await;
        let warned = |line: &String| line.contains("WARN") && line.contains("cut off");
        assert!(exit.lines.iter().any(warned), "{:?}", exit.lines);
    }
}

#[tokio::test]
async fn the_gateway_can_be_restarted_on_its_address_after_sigkill() {
    let upstream = ManualUpstream::start().await;
    let url = upstream.url("/mcp");
    let gateway = Gateway::start(&ConfigurationFile::forwarding("", &url), "info").await;
    let _running_request = upstream.hold_call(&gateway).await;
    let address = gateway.address;
    gateway.child.signal(Signal::KILL);
    assert_eq!(gateway.child.wait().await.code, -Signal::KILL.as_raw());

    let same_address = ConfigurationFile::forwarding(&format!("listen = \"{address}\""), &url);
    let gateway = Gateway::start(&same_address, "info").await;
    assert_eq!(gateway.address, address);
    let (client, pending) = upstream.hold_call(&gateway).await;
    pending.respond("200 OK", "connection: close\r\n", RESULT).await;
    assert_eq!(gateway.stop().await.code, 0);
    assert!(client.read_to_end().await.ends_with(RESULT));
}
