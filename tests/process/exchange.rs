//! One request to the gateway on a raw connection, so that nothing between the test and the wire is polite.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::child::{
    PATIENCE,
    gateway::{Gateway, KEY, KEY_HEADER},
};

/// The token of the caller.
pub(crate) const TOKEN: &str = "tk-Q7rW2mYc5uLd9aKo";

/// A request that has been sent.
pub(crate) struct Exchange(TcpStream);

impl Exchange {
    /// Calls a tool with key and token.
    pub(crate) async fn call(gateway: &Gateway) -> Self {
        let fields = format!("{KEY_HEADER}: {KEY}\r\nauthorization: Bearer {TOKEN}\r\n");
        Self::post(gateway, &fields, &message("tools/call")).await
    }

    /// Posts a message to the one server.
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
        Self::send(
            gateway,
            &format!(
                "POST {path} HTTP/1.1\r\nhost: gateway\r\n{fields}content-type: application/json\r\n\
                 accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n\r\n{message}"
            ),
        )
        .await
    }

    pub(crate) async fn send(gateway: &Gateway, request: &str) -> Self {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// Sends another request on the same connection.
    pub(crate) async fn sends(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Reads until the response holds a text.
    pub(crate) async fn reads(&mut self, text: &str) -> String {
        let mut response = Vec::new();
        while !String::from_utf8_lossy(&response).contains(text) {
            let read = timeout(PATIENCE, self.0.read_buf(&mut response))
                .await
                .expect("the gateway answers")
                .unwrap();
            assert_ne!(
                read,
                0,
                "the response ended before {text:?}: {:?}",
                String::from_utf8_lossy(&response)
            );
        }
        String::from_utf8(response).unwrap()
    }

    /// Reads to the end of the connection, which is the gateway's to close.
    pub(crate) async fn ends(mut self) -> String {
        let mut response = Vec::new();
        // A reset is an end, too.
        let _end = timeout(PATIENCE, self.0.read_to_end(&mut response))
            .await
            .expect("the gateway closes the connection");
        String::from_utf8(response).unwrap()
    }
}

/// A JSON-RPC request.
pub(crate) fn message(method: &str) -> String {
    serde_json::json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": {} }).to_string()
}
