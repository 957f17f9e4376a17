//! A small gateway: an HTTP server in the test process that answers each request with one function.
//!
//! It has no behaviour of its own. Each test states the behaviour in its function, mostly as a
//! deviation from [`relay`].

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body_util::{BodyExt as _, Collected};
use hyper::{
    body::{Body, Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use mcp_preflight_conformance::cases::deployment::Deployment;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// The header field in which the gateway expects its key, unless a test says otherwise.
pub(crate) const KEY_HEADER: &str = "x-gateway-key";

/// A running gateway. Dropping it closes every connection.
pub(crate) struct TestGateway {
    pub(crate) base_url: String,
    _connections: JoinSet<()>,
}

impl TestGateway {
    /// Starts a gateway that answers every request with this function.
    pub(crate) async fn start<F, A>(deployment: &Deployment, answer: F) -> Self
    where
        F: Fn(ClientRequest, UpstreamClient) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("the listener is bound");
        let upstreams = UpstreamClient::new(deployment);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, upstreams) = (answer.clone(), upstreams.clone());
                let serve = service_fn(move |request| {
                    let (answer, upstreams) = (answer.clone(), upstreams.clone());
                    async move {
                        let request = ClientRequest::read(request).await;
                        Ok::<_, Infallible>(answer(request, upstreams).await.into_response())
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
                // An error means that the client closed the connection.
                connections.spawn(async move { drop(connection.await) });
            }
        });
        Self {
            base_url: format!("http://{address}"),
            _connections: connections,
        }
    }
}

/// A request of a client, read completely.
#[derive(Clone, Debug)]
pub(crate) struct ClientRequest {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// The JSON-RPC message; `null` if there is none.
    pub(crate) message: Value,
}

impl ClientRequest {
    async fn read(request: http::Request<Incoming>) -> Self {
        let (head, body) = request.into_parts();
        // A body that breaks off is judged as an empty one.
        let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            headers: head.headers,
            message: serde_json::from_slice(&body).unwrap_or_default(),
            body,
        }
    }

    /// The method of the JSON-RPC message; empty if there is none.
    pub(crate) fn rpc_method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// The name of the server: the last segment of the path.
    pub(crate) fn server(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// A header field, as text; empty if it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the token makes the mock upstreams behave in this way.
    pub(crate) fn is_scripted(&self, behaviour: &str) -> bool {
        self.field("authorization").contains(&format!(".{behaviour}"))
    }
}

/// Sends requests to the configured servers.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamClient {
    pub(crate) deployment: Arc<Deployment>,
    http: reqwest::Client,
}

impl UpstreamClient {
    fn new(deployment: &Deployment) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("the HTTP library can be set up");
        Self { deployment: Arc::new(deployment.clone()), http }
    }

    /// Whether this is one of the configured gateway keys.
    pub(crate) fn is_key(&self, key: &str) -> bool {
        key == self.deployment.limited_key || key == self.deployment.full_key
    }

    /// Sends a request to a server; a failure becomes 502, and an unknown server 404.
    pub(crate) async fn send(
        &self,
        server: &str,
        method: http::Method,
        headers: http::HeaderMap,
        body: impl Into<Bytes>,
    ) -> Answer {
        let Some(server) = self.deployment.server(server) else {
            return Answer::empty(404);
        };
        let request = self.http.request(method, &server.url).headers(headers).body(body.into());
        let Ok(response) = request.send().await else {
            return Answer::empty(502);
        };
        let (status, mut headers) = (response.status(), response.headers().clone());
        for name in ["connection", "transfer-encoding", "content-length"] {
            headers.remove(name);
        }
        match response.bytes().await {
            Ok(body) => Answer { status: status.as_u16(), headers, body, stays_open: false },
            Err(_) => Answer::empty(502),
        }
    }

    /// Sends a JSON-RPC message to a server, with the token and the session of these header fields.
    pub(crate) async fn post(
        &self,
        server: &str,
        headers: &http::HeaderMap,
        message: &Value,
    ) -> Answer {
        let mut sent = http::HeaderMap::new();
        let json = http::HeaderValue::from_static;
        sent.insert("content-type", json("application/json"));
        sent.insert("accept", json("application/json, text/event-stream"));
        for name in ["authorization", "mcp-session-id"] {
            if let Some(value) = headers.get(name) {
                sent.insert(name, value.clone());
            }
        }
        self.send(server, http::Method::POST, sent, message.to_string()).await
    }
}

/// The `initialize` of a gateway that names itself as the client.
pub(crate) fn initialize(client: &str, version: &str) -> Value {
    let client = json!({ "name": client, "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

/// Answers like a correct relay: checks the gateway key, and returns the server's answer unchanged.
pub(crate) async fn relay(request: &ClientRequest, upstreams: &UpstreamClient) -> Answer {
    if !upstreams.is_key(request.field(KEY_HEADER)) {
        return Answer::empty(401).with("www-authenticate", "Bearer realm=\"gateway\"");
    }
    let mut headers = request.headers.clone();
    for name in [KEY_HEADER, "host", "connection", "content-length", "transfer-encoding"] {
        headers.remove(name);
    }
    let (method, body) = (request.method.clone(), request.body.clone());
    upstreams.send(request.server(), method, headers, body).await
}

/// The answer of the gateway, or of a server.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body never ends.
    pub(crate) stays_open: bool,
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            stays_open: false,
        }
    }

    /// An answer with this body.
    pub(crate) fn with_body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..Self::empty(status).with("content-type", content_type)
        }
    }

    /// A JSON-RPC response with this result and status 200.
    pub(crate) fn result(request: &ClientRequest, result: &Value) -> Self {
        let message = json!({ "jsonrpc": "2.0", "id": request.message["id"], "result": result });
        Self::with_body(200, "application/json", message.to_string())
    }

    /// A tool result that says in a text that the call failed.
    pub(crate) fn error_result(request: &ClientRequest, text: &str) -> Self {
        let content = [json!({ "type": "text", "text": text })];
        Self::result(request, &json!({ "content": content, "isError": true }))
    }

    /// A JSON-RPC error with this HTTP status.
    pub(crate) fn error(request: &ClientRequest, status: u16, text: &str) -> Self {
        let error = json!({ "code": -31_000, "message": text });
        let message = json!({ "jsonrpc": "2.0", "id": request.message["id"], "error": error });
        Self::with_body(status, "application/json", message.to_string())
    }

    /// Adds a header field.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = value.parse().expect("the tests state valid header fields");
        self.headers.insert(name, value);
        self
    }

    /// The JSON-RPC message; `null` if there is none.
    pub(crate) fn message(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn into_response(self) -> http::Response<AnswerBody> {
        let mut response = http::Response::new(AnswerBody {
            bytes: Some(self.body).filter(|body| !body.is_empty()),
            stays_open: self.stays_open,
        });
        *response.status_mut() = self.status.try_into().expect("the tests state valid statuses");
        *response.headers_mut() = self.headers;
        response
    }
}

/// A body of one frame, which ends after it or never.
struct AnswerBody {
    bytes: Option<Bytes>,
    stays_open: bool,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.stays_open => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}
