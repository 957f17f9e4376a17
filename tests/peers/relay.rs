//! A relay that adds a gateway key and a token to every request, for peers that can send neither, and changes nothing else.

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
    client::TOKEN,
};

/// Relays to a URL from the URL that it returns, for as long as the test's runtime lives.
pub(crate) async fn to(url: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client: Client<HttpConnector, Incoming> =
        Client::builder(TokioExecutor::new()).build_http();
    let url: Uri = url.parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (client, url) = (client.clone(), url.clone());
            let pass = service_fn(move |request| pass(client.clone(), url.clone(), request));
            tokio::spawn(async move {
                // A connection ends as its client wants it to.
                let _ended = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), pass)
                    .await;
            });
        }
    });
    format!("http://{address}/mcp")
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    url: Uri,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    *request.uri_mut() = url;
    request.headers_mut().insert(KEY_HEADER, KEY.parse().unwrap());
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    let answer = client.request(request).await.expect("the gateway answers every request");
    Ok(answer.map(BodyExt::boxed))
}
