//! A client that writes and reads bytes and reports how the connection ended.

use std::time::Duration;

use mcp_preflight_conformance::{cases::deployment::Deployment, upstreams::MockUpstreams};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than every response takes, so that reaching it is a failure.
const HUNG: Duration = Duration::from_secs(20);

/// One request, not yet written.
#[derive(Clone)]
pub(crate) struct Call {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Call {
    /// POST of a JSON-RPC request to the endpoint.
    pub(crate) fn rpc(method: &str) -> Self {
        Self::post(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{}}}}"#))
    }

    /// POST of a JSON body to the endpoint.
    pub(crate) fn post(body: &str) -> Self {
        Self::body("/mcp", body).header("content-TYPE", "application/json")
    }

    /// POST of a body to a target.
    pub(crate) fn body(target: &str, body: &str) -> Self {
        Self { body: body.to_owned(), ..Self::bare("POST", target) }
    }

    /// `tools/call` of the tool `echo`.
    pub(crate) fn echo() -> Self {
        Self::post(concat!(
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","#,
            r#""params":{"name":"echo","arguments":{"text":"hi"}}}"#,
        ))
    }

    /// A request without a body.
    pub(crate) fn bare(method: &str, target: &str) -> Self {
        let headers = vec![("Host".to_owned(), "upstreams".to_owned())];
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: String::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        format!("{text}\r\n{}", self.body).into_bytes()
    }
}

/// How the response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By its framing; the connection stays open.
    Framed,
    /// With the connection.
    Closed,
    /// With a TCP reset.
    Reset,
    /// It exceeded the limit of the test.
    Endless,
}

/// The bytes that were read.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The status of the last head that is not 1xx.
    pub(crate) fn status(&self) -> Option<u16> {
        let text = self.text();
        let heads = text.lines().filter(|line| line.starts_with("HTTP/1."));
        heads
            .filter_map(|line| line.split(' ').nth(1)?.parse().ok())
            .rfind(|status: &u16| *status >= 200)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let text = std::str::from_utf8(&self.bytes).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(line, _)| line.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn body(&self) -> String {
        self.text()
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default()
    }
}

/// One connection to one host of the mock upstreams.
pub(crate) struct Client {
    stream: TcpStream,
}

/// The `host:port` of a URL.
pub(crate) fn authority(url: &str) -> &str {
    url.split('/').nth(2).unwrap()
}

pub(crate) fn address(deployment: &Deployment, server: &str) -> String {
    let url = if server == "issuer" {
        &deployment.issuer
    } else {
        &deployment.server(server).unwrap().url
    };
    authority(url).to_owned()
}

impl Client {
    pub(crate) async fn connect(upstreams: &MockUpstreams, server: &str) -> Self {
        Self::to(&address(upstreams.deployment(), server)).await
    }

    pub(crate) async fn to(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn start(&mut self, call: &Call) {
        self.write(&call.bytes()).await;
    }

    /// Sends a request and reads the response to the end of its framing.
    pub(crate) async fn send(&mut self, call: &Call) -> Answer {
        self.start(call).await;
        let head_only = call.method == "HEAD";
        timeout(HUNG, self.read(usize::MAX, |bytes| is_complete(bytes, head_only)))
            .await
            .expect("the answer ends")
    }

    /// Closes the sending half of the connection.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads until `enough` is true, the limit is exceeded, or the connection ends.
    pub(crate) async fn read(&mut self, limit: usize, enough: impl Fn(&[u8]) -> bool) -> Answer {
        let mut bytes = Vec::new();
        let end = loop {
            if enough(&bytes) {
                break End::Framed;
            }
            if bytes.len() > limit {
                break End::Endless;
            }
            match self.stream.read_buf(&mut bytes).await {
                Ok(0) => break End::Closed,
                Ok(_) => {}
                Err(_) => break End::Reset,
            }
        };
        Answer { bytes, end }
    }
}

/// Whether the bytes are a complete response.
fn is_complete(bytes: &[u8], head_only: bool) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if head.starts_with("http/1.1 1") {
        return is_complete(&bytes[end + 4..], head_only);
    }
    let body = &bytes[end + 4..];
    if head_only || head.starts_with("http/1.1 204") {
        return true;
    }
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    head.lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .is_some_and(|length: usize| body.len() >= length)
}
