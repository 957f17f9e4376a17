//! A log that cannot be written: requests, reloads and the end of the process do not depend on it.

use std::{
    fs::File,
    io::{Read, pipe},
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::atomic::{AtomicU8, Ordering},
};

use rustix::process::Signal;
use tokio::{net::TcpStream, task::spawn_blocking, time::timeout};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    RESULT, UNUSED_URL,
    child::{
        Child, TIMEOUT,
        gateway::{ConfigurationFile, Gateway, command},
    },
    connection::Connection,
    manual_upstream::ManualUpstream,
};

/// An address that no other program uses: a test cannot read from the log where the gateway
/// listens.
fn own_address() -> SocketAddr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let last = COUNT.fetch_add(1, Ordering::Relaxed);
    (Ipv4Addr::new(127, high.max(1), low, last), 18_080).into()
}

/// Starts the gateway with this standard error, and waits until it serves.
async fn start(strategy: &str, upstream: &str, stderr: impl Into<Stdio>) -> Gateway {
    let address = own_address();
    let settings = format!("listen = \"{address}\"\nstrategy = \"{strategy}\"");
    let file = ConfigurationFile::forwarding(&settings, upstream);
    let mut command = command("serve", &file);
    let child = Child::spawn_with_stderr(command.env("RUST_LOG", "info"), stderr.into());
    let serving = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, serving).await.expect("the gateway serves");
    Gateway { child, address }
}

/// A full disk, and a pipe whose other end is closed.
fn unwritable() -> [Stdio; 2] {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (_, writer) = pipe().unwrap();
    [full.into(), writer.into()]
}

#[tokio::test]
async fn requests_are_answered_although_the_log_is_not_writable() {
    let upstream = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_raw(RESULT, "application/json"))
        .mount(&upstream)
        .await;
    for strategy in ["probe", "deferred"] {
        for stderr in unwritable() {
            let gateway = start(strategy, &format!("{}/mcp", upstream.uri()), stderr).await;
            for signal in [None, Some(Signal::HUP)] {
                if let Some(signal) = signal {
                    gateway.child.signal(signal);
                }
                let response = Connection::call_tool(&gateway).await.read_until(RESULT).await;
                assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{strategy}: {response}");
            }
            assert_eq!(gateway.stop().await.code, 0, "{strategy}");
        }
    }
}

#[tokio::test]
async fn a_shutdown_lets_a_request_finish_although_the_log_is_not_writable() {
    for stderr in unwritable() {
        let upstream = ManualUpstream::start().await;
        let gateway = start("probe", &upstream.url("/mcp"), stderr).await;
        let (mut client, pending) = upstream.hold_call(&gateway).await;
        gateway.child.signal(Signal::TERM);
        pending.respond("200 OK", "", RESULT).await;
        let response = client.read_until(RESULT).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert_eq!(gateway.child.wait().await.code, 0);
    }
}

/// A pipe holds 64 KiB, about 300 lines.
#[tokio::test]
async fn requests_are_answered_although_the_log_is_not_read() {
    const REQUESTS: usize = 1000;
    let (reader, writer) = pipe().unwrap();
    let gateway = start("probe", UNUSED_URL, writer).await;
    let rejected = "POST /mcp/alpha HTTP/1.1\r\nhost: gateway\r\ncontent-length: 2\r\n\r\n{}";
    let mut client = Connection::open(&gateway, rejected).await;
    for _ in 1..REQUESTS {
        client.read_until("HTTP/1.1 401 Unauthorized\r\n").await;
        client.send(rejected).await;
    }
    client.read_until("HTTP/1.1 401 Unauthorized\r\n").await;
    drop(client);
    let log = spawn_blocking(move || {
        let (mut reader, mut log) = (reader, String::new());
        reader.read_to_string(&mut log).map(|_| log)
    });
    // The end of the process closes the pipe.
    assert_eq!(gateway.stop().await.code, 0);
    let log = timeout(TIMEOUT, log).await.expect("the pipe ends").unwrap().unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("status=401")).count(), REQUESTS);
}
