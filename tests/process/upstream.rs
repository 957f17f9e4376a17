//! An upstream that does nothing by itself: each request that reaches it is handed to the test, which answers when it wants to.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::child::PATIENCE;

pub(crate) struct Upstream(TcpListener);

/// A request that waits for its answer.
pub(crate) struct Asked {
    pub(crate) request: String,
    stream: TcpStream,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().unwrap())
    }

    /// The next request. There is one for each connection, because every answer closes its own.
    pub(crate) async fn asked(&self) -> Asked {
        let (mut stream, _) = timeout(PATIENCE, self.0.accept())
            .await
            .expect("the gateway asks the upstream")
            .unwrap();
        let mut request = Vec::new();
        while !whole(&request) {
            assert_ne!(
                stream.read_buf(&mut request).await.unwrap(),
                0,
                "the request broke off: {request:?}"
            );
        }
        Asked { request: String::from_utf8(request).unwrap(), stream }
    }
}

impl Asked {
    /// Answers with a JSON document and header fields of its own.
    pub(crate) async fn answer(mut self, status: &str, fields: &str, json: &str) {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n",
            json.len()
        );
        self.write(&format!("{head}{fields}\r\n{json}")).await;
    }

    /// Answers with bytes as they are, and leaves the connection open.
    pub(crate) async fn write(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Waits until the gateway has given the request up.
    pub(crate) async fn given_up(mut self) {
        let mut rest = [0];
        let end = timeout(PATIENCE, self.stream.read(&mut rest))
            .await
            .expect("the gateway closes the connection");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

/// Whether a request has been read to its end.
fn whole(request: &[u8]) -> bool {
    let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let length = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = length
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
    request.len() >= head + 4 + length.unwrap_or(0)
}
