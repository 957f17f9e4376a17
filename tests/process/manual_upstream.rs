//! An upstream without behaviour of its own: the test takes each request and responds to it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    RESULT,
    child::{TIMEOUT, gateway::Gateway},
    connection::Connection,
};

pub(crate) struct ManualUpstream(TcpListener);

/// A request that has no response yet.
pub(crate) struct PendingRequest {
    /// Head and body.
    pub(crate) text: String,
    stream: TcpStream,
}

impl ManualUpstream {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().unwrap())
    }

    /// Waits for the next request. Each one has its own connection, because every response closes
    /// its connection.
    pub(crate) async fn next_request(&self) -> PendingRequest {
        let (mut stream, _) = timeout(TIMEOUT, self.0.accept())
            .await
            .expect("the gateway connects to the upstream")
            .unwrap();
        let mut request = Vec::new();
        while !is_complete(&request) {
            let count = stream.read_buf(&mut request).await.unwrap();
            assert_ne!(count, 0, "the request is incomplete: {request:?}");
        }
        PendingRequest { text: String::from_utf8(request).unwrap(), stream }
    }

    /// Sends `tools/call` to the gateway, and returns the request that reaches the upstream for it.
    /// Probes before it are accepted.
    pub(crate) async fn hold_call(&self, gateway: &Gateway) -> (Connection, PendingRequest) {
        let client = Connection::call_tool(gateway).await;
        loop {
            let request = self.next_request().await;
            if !request.text.contains("initialize") {
                return (client, request);
            }
            request.respond("200 OK", "", RESULT).await;
        }
    }

    /// Like [`Self::hold_call`], but the upstream has already begun an event stream.
    pub(crate) async fn begin_stream(&self, gateway: &Gateway) -> (Connection, PendingRequest) {
        let (mut client, mut request) = self.hold_call(gateway).await;
        request
            .write(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
                 : begun\n\n",
            )
            .await;
        client.read_until(": begun\n\n").await;
        (client, request)
    }
}

impl PendingRequest {
    /// Responds with a JSON document and more header fields.
    pub(crate) async fn respond(mut self, status: &str, fields: &str, json: &str) {
        let length = json.len();
        self.write(&format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n{fields}\r\n{json}"
        ))
        .await;
    }

    /// Writes bytes and leaves the connection open.
    pub(crate) async fn write(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Waits until the gateway closes or resets the connection.
    pub(crate) async fn wait_until_closed(mut self) {
        let mut rest = [0];
        let end = timeout(TIMEOUT, self.stream.read(&mut rest))
            .await
            .expect("the gateway closes the connection");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

/// Whether the bytes contain a head and the body that its `Content-Length` declares.
fn is_complete(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let fields = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = fields
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
    request.len() >= head + 4 + length.unwrap_or(0)
}
