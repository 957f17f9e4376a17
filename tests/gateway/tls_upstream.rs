//! A mock upstream that requires TLS.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, pem::PemObject},
    },
};

/// A server with a self-signed certificate. Its responses name the HTTP version of their request in
/// `x-version`.
pub(crate) struct TlsUpstream {
    address: SocketAddr,
    certificate: PathBuf,
}

impl TlsUpstream {
    pub(crate) async fn start() -> Self {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certificate = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "certificate-{}-{}.pem",
            std::process::id(),
            address.port()
        ));
        std::fs::write(&certificate, issued.cert.pem()).unwrap();

        let key =
            PrivateKeyDer::from_pem_slice(issued.signing_key.serialize_pem().as_bytes()).unwrap();
        let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));

        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the certificate ends the handshake.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ended = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service_fn(respond))
                        .await;
                });
            }
        });
        Self { address, certificate }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The PEM file of the certificate.
    pub(crate) fn certificate(&self) -> &PathBuf {
        &self.certificate
    }
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("x-version", format!("{:?}", request.version()));
    Ok(response.body(Full::from(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)).unwrap())
}
