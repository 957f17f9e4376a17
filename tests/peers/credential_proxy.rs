//! A proxy that adds the gateway key and a token to every request, for clients that can send
//! neither. It changes nothing else.

use std::convert::Infallible;

use http::{Request, Response, Uri};
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};

use crate::{
    child::gateway::{KEY, KEY_HEADER},
    rust_client::TOKEN,
};

/// Starts a proxy to a URL and returns the proxy's URL. It runs as long as the test's runtime.
pub(crate) async fn start(url: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client: Client<HttpConnector, Incoming> =
        Client::builder(TokioExecutor::new()).build_http();
    let url: Uri = url.parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (client, url) = (client.clone(), url.clone());
            let service = service_fn(move |request| forward(client.clone(), url.clone(), request));
            tokio::spawn(async move {
                // The client may end its connection at any time.
                let _ended = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    format!("http://{address}/mcp")
}

async fn forward(
    client: Client<HttpConnector, Incoming>,
    url: Uri,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    *request.uri_mut() = url;
    request.headers_mut().insert(KEY_HEADER, KEY.parse().unwrap());
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    let response = client.request(request).await.expect("the gateway answers every request");
    Ok(response.map(BodyExt::boxed))
}
