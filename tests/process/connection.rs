//! A TCP connection to the gateway, on which tests write requests byte by byte.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::child::{
    TIMEOUT,
    gateway::{Gateway, KEY, KEY_HEADER},
};

/// The caller's token.
pub(crate) const TOKEN: &str = "tk-Q7rW2mYc5uLd9aKo";
/// A request that needs no gateway key and leaves its connection open.
pub(crate) const HEALTH_REQUEST: &str = "GET /healthz HTTP/1.1\r\nhost: gateway\r\n\r\n";

/// A connection on which a request has been sent.
pub(crate) struct Connection(TcpStream);

impl Connection {
    /// Opens a connection and sends a request.
    pub(crate) async fn open(gateway: &Gateway, request: &str) -> Self {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// Sends `tools/call` with the gateway key and the caller's token.
    pub(crate) async fn call_tool(gateway: &Gateway) -> Self {
        let fields = format!("{KEY_HEADER}: {KEY}\r\nauthorization: Bearer {TOKEN}\r\n");
        Self::post(gateway, &fields, &message("tools/call")).await
    }

    /// Posts a message to the single-server endpoint of `alpha`.
    pub(crate) async fn post(gateway: &Gateway, fields: &str, message: &str) -> Self {
        Self::post_to(gateway, "/mcp/alpha", fields, message).await
    }

    pub(crate) async fn post_to(
        gateway: &Gateway,
        path: &str,
        fields: &str,
        message: &str,
    ) -> Self {
        let length = message.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\n{fields}content-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n\
             content-length: {length}\r\n\r\n{message}"
        );
        Self::open(gateway, &request).await
    }

    /// Sends another request.
    pub(crate) async fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Reads until the bytes read by this call contain a text.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut response = Vec::new();
        while !String::from_utf8_lossy(&response).contains(text) {
            let count = timeout(TIMEOUT, self.0.read_buf(&mut response))
                .await
                .expect("the gateway responds")
                .unwrap();
            let response = String::from_utf8_lossy(&response);
            assert_ne!(count, 0, "the response ended before {text:?}: {response:?}");
        }
        String::from_utf8(response).unwrap()
    }

    /// Reads until the gateway closes or resets the connection.
    pub(crate) async fn read_to_end(mut self) -> String {
        let mut response = Vec::new();
        let _closed_or_reset = timeout(TIMEOUT, self.0.read_to_end(&mut response))
            .await
            .expect("the gateway closes the connection");
        String::from_utf8(response).unwrap()
    }
}

/// A JSON-RPC request.
pub(crate) fn message(method: &str) -> String {
    serde_json::json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": {} }).to_string()
}
