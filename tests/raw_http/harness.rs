//! The gateway in front of one mock upstream, and a client that writes bytes.

use mcp_preflight::{config::Config, gateway};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::secrets::environment;

/// The message of [`call`].
pub(crate) const MESSAGE: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#;
/// The mock upstream's response body.
pub(crate) const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
/// The field line of the first gateway key.
pub(crate) const KEY: &str = "x-litellm-api-key: sk\r\n";

/// Two gateway keys, and two token-forwarding servers with the URL of one mock upstream.
pub(crate) fn configuration(settings: &str, upstream: &MockServer) -> Config {
    let mut text = format!("listen = \"127.0.0.1:0\"\n{settings}\n");
    for (name, variable) in [("a", "KEY"), ("b", "OTHER_KEY")] {
        text += &format!(
            "[[key]]\nname = \"{name}\"\nvalue = {{ env = \"{variable}\" }}\nservers = \"all\"\n"
        );
    }
    for name in ["alpha", "beta"] {
        let url = format!("{}/{name}", upstream.uri());
        text += &format!(
            "[[server]]\nname = \"{name}\"\nurl = \"{url}\"\nforward = [\"authorization\"]\n"
        );
    }
    Config::parse("test", &text, &environment).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn start(settings: &str, upstream: &MockServer) -> gateway::Running {
    gateway::start(configuration(settings, upstream)).await.unwrap()
}

/// An upstream that answers every request with [`RESULT`].
pub(crate) async fn upstream() -> MockServer {
    let upstream = MockServer::start().await;
    let response = ResponseTemplate::new(200).set_body_raw(RESULT, "application/json");
    Mock::given(any()).respond_with(response).mount(&upstream).await;
    upstream
}

pub(crate) async fn requests(upstream: &MockServer) -> Vec<Request> {
    upstream.received_requests().await.unwrap()
}

/// A POST request with more field lines, each of which ends in CRLF.
pub(crate) fn call(server: &str, lines: &str) -> String {
    call_with_body(server, lines, MESSAGE)
}

pub(crate) fn call_with_body(server: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /mcp/{server} HTTP/1.1\r\nhost: gw\r\ncontent-type: application/json\r\n{lines}\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// A response of the gateway.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Status line and field lines, in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// The value of the first field line with a lower-case name.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Sends bytes on a new connection and reads one response.
pub(crate) async fn send(gateway: &gateway::Running, bytes: impl AsRef<[u8]>) -> Response {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    read_response(&mut stream).await
}

/// Reads one response whose body is empty or has a `Content-Length`.
pub(crate) async fn read_response(stream: &mut TcpStream) -> Response {
    let mut read = Vec::new();
    let head = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = read.drain(..end + 4).collect();
            break String::from_utf8(head).unwrap().to_ascii_lowercase();
        }
        let count = stream.read_buf(&mut read).await.unwrap();
        assert_ne!(count, 0, "the connection ended before the response head: {read:?}");
    };
    let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    while read.len() < length {
        let count = stream.read_buf(&mut read).await.unwrap();
        assert_ne!(count, 0, "the connection ended inside the response body: {read:?}");
    }
    Response {
        status: head[9..12].parse().unwrap(),
        head,
        body: String::from_utf8(read).unwrap(),
    }
}
