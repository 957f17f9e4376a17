//! Holds a client's request after its body has been read.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{ACCEPT, ORIGIN, TRANSFER_ENCODING},
};
use hyper::body::Incoming;
use serde_json::Value;

use super::{protocol::STATELESS_VERSION, relay::media_type};

/// A client's request.
#[derive(Clone)]
pub(super) struct ClientRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The id of the JSON-RPC request; `None` for any other message.
    pub(super) id: Option<Value>,
    /// The JSON-RPC method.
    pub(super) rpc_method: Option<String>,
    /// On an aggregate endpoint, the path and query of the metadata of the server that refuses
    /// (AGG-06).
    pub(super) refusing_server: Option<String>,
}

impl ClientRequest {
    /// The request before its body is read.
    pub(super) fn new(method: Method, path: &str, headers: HeaderMap) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers,
            body: Bytes::new(),
            id: None,
            rpc_method: None,
            refusing_server: None,
        }
    }

    /// The request with its body.
    pub(super) fn with_body(mut self, body: Bytes) -> Self {
        if let Ok(Value::Object(mut message)) = serde_json::from_slice(&body) {
            self.rpc_method = message.get("method").and_then(Value::as_str).map(str::to_owned);
            let is_request = self.rpc_method.is_some();
            self.id = message
                .remove("id")
                .filter(|id| is_request && (id.is_string() || id.is_number()));
        }
        self.body = body;
        self
    }

    /// The path of the metadata that a refusal refers to.
    pub(super) fn metadata_target(&self) -> &str {
        self.refusing_server.as_deref().unwrap_or(&self.path)
    }

    /// The same request, as refused by the server with this path.
    pub(super) fn refused_by(&self, path: &str) -> Self {
        Self {
            refusing_server: Some(format!("{path}?resource={}", self.path)),
            ..self.clone()
        }
    }

    /// Whether the client's header states protocol version 2026-07-28.
    pub(super) fn is_stateless(&self) -> bool {
        self.field("mcp-protocol-version") == Some(STATELESS_VERSION)
    }

    /// The text of a header field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the head of a successful response can belong to an MCP response (OPN-10).
    pub(super) fn is_answered_by(&self, response: &Response<Incoming>) -> bool {
        match media_type(response.headers()) {
            Some(media) => ["application/json", "text/event-stream"]
                .iter()
                .any(|known| media.eq_ignore_ascii_case(known)),
            None => self.id.is_none() && self.method != Method::GET,
        }
    }
}

/// What the form of the response depends on, kept from the head of the request.
pub(super) struct ClientFacts {
    /// The origin of the page that sent the request.
    pub(super) origin: Option<HeaderValue>,
    /// Whether the request has `Transfer-Encoding`.
    pub(super) chunked: bool,
    /// Whether the method is POST.
    pub(super) posted: bool,
    /// Whether `Accept` lists event streams.
    pub(super) accepts_events: bool,
}

impl ClientFacts {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        Self {
            origin: headers.get(ORIGIN).cloned(),
            chunked: headers.contains_key(TRANSFER_ENCODING),
            posted: request.method() == Method::POST,
            accepts_events: headers
                .get(ACCEPT)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.contains("text/event-stream")),
        }
    }
}
