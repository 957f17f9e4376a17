//! Mock upstreams whose behaviour the test changes while they run.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::model::{Behaviour, Behaviours};

/// What the upstreams do, and what they have recorded.
pub(crate) struct Upstreams {
    pub(crate) behaviours: Behaviours,
    /// The servers that have received a request.
    pub(crate) reached: BTreeSet<usize>,
    /// Whether a request has contained the gateway key.
    pub(crate) received_gateway_key: bool,
}

/// Serves one upstream, which is identified by its position.
pub(crate) async fn serve(listener: TcpListener, server: usize, upstreams: Arc<Mutex<Upstreams>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let upstreams = Arc::clone(&upstreams);
        let service = service_fn(move |request: Request<Incoming>| {
            respond(request, server, Arc::clone(&upstreams))
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn respond(
    request: Request<Incoming>,
    server: usize,
    upstreams: Arc<Mutex<Upstreams>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let has_gateway_key = contains_gateway_key(request.headers());
    let token = token(request.headers());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let message: Value = serde_json::from_slice(&body).unwrap();
    let behaviour = {
        let mut upstreams = upstreams.lock().unwrap();
        upstreams.reached.insert(server);
        upstreams.received_gateway_key |= has_gateway_key;
        token.map_or(Behaviour::Unauthorized, |token| upstreams.behaviours[token][server])
    };
    let result = json!({ "resultType": "complete", "tools": [{ "name": "echo" }] });
    let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
    let response = Response::builder()
        .status(behaviour.status())
        .header("content-type", "application/json");
    Ok(response.body(Full::from(body.to_string())).unwrap())
}

fn contains_gateway_key(headers: &HeaderMap) -> bool {
    headers
        .values()
        .any(|value| value.as_bytes().windows(2).any(|part| part == b"sk"))
}

/// The number of the token in `Authorization`.
fn token(headers: &HeaderMap) -> Option<usize> {
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer token-")?.parse().ok()
}
