//! Sends requests to servers over pooled connections.
//!
//! One attempt each (PRB-12), no redirects (PRB-13), no proxy. The credential of a request is
//! chosen by its sender.

use std::{error::Error, io, iter::successors, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use tokio::time::timeout;

use super::{
    body::{Body, empty_body},
    request_body::body_failure,
};
use crate::{
    config::{Config, CredentialSource},
    core::{outcome::Cause, relay::carries_document, status::Failure},
};

/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest document that [`HttpClient::fetch_document`] reads, in bytes.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// The pooled client for all servers.
pub(super) struct HttpClient(Client<HttpsConnector<HttpConnector>, Body>);

/// Why there is no response.
#[derive(Debug)]
pub(super) enum SendError {
    /// The body of the client's request failed.
    Client(Failure),
    /// The server or the connection to it failed.
    Upstream(Cause),
}

impl HttpClient {
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        let tls = tls_config(&config.trusted_certificates, needs_tls(config))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // Applies only if the pooled connection was closed before a byte of the request was
            // written, so the server sees one attempt.
            .retry_canceled_requests(true)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request and waits for the response head. The deadline covers name resolution,
    /// connection, handshake and head (PRB-02). Dropping the future closes the connection (PRB-03).
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        deadline: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        match timeout(deadline, self.0.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(send_error(&error)),
            Err(_) => Err(SendError::Upstream(Cause::TimedOut)),
        }
    }

    /// Fetches a JSON document from a URL, or `None` if there is none.
    pub(super) async fn get_document(&self, url: &str, deadline: Duration) -> Option<Bytes> {
        let request = Request::get(url.parse::<Uri>().ok()?)
            .header(header::ACCEPT, "application/json")
            .body(empty_body())
            .ok()?;
        self.fetch_document(request, deadline).await
    }

    /// Sends a request and reads the document in the response, at most 64 KiB, or `None` if there
    /// is none.
    pub(super) async fn fetch_document(
        &self,
        request: Request<Body>,
        deadline: Duration,
    ) -> Option<Bytes> {
        let reading = async {
            let response = self.send(request, deadline).await.ok()?;
            if !carries_document(response.status()) {
                return None;
            }
            let body = Limited::new(response.into_body(), MAX_DOCUMENT_BYTES);
            Some(body.collect().await.ok()?.to_bytes())
        };
        timeout(deadline, reading).await.ok().flatten()
    }
}

/// Whether any request of this configuration goes to an https URL.
fn needs_tls(config: &Config) -> bool {
    config.servers.iter().any(|server| {
        let token_url = match &server.credential {
            CredentialSource::ClientCredentials(client) => Some(&client.token_url),
            CredentialSource::TokenForwarding(_)
            | CredentialSource::StaticCredential(_)
            | CredentialSource::NoCredential => None,
        };
        [Some(&server.url), token_url]
            .into_iter()
            .flatten()
            .any(|url| url.scheme_str() == Some("https"))
    })
}

fn tls_config(
    trusted: &[CertificateDer<'static>],
    uses_system_roots: bool,
) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if uses_system_roots {
        // If the system has no usable certificates, those of the configuration remain.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    roots.add_parsable_certificates(trusted.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Classifies an error by its causes. Its text is not kept, because it may contain a URL (OBS-05).
fn send_error(error: &hyper_util::client::legacy::Error) -> SendError {
    let causes = || successors(Some(error as &(dyn Error + 'static)), |cause| (*cause).source());
    let is_client_body = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user)
    };
    if causes().any(is_client_body) {
        return SendError::Client(body_failure(error));
    }
    SendError::Upstream(if causes().any(is_tls_error) {
        Cause::Tls
    } else if error.is_connect() {
        Cause::Unreachable
    } else {
        Cause::Broken
    })
}

fn is_tls_error(cause: &(dyn Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Client(failure) => failure,
            SendError::Upstream(cause) => Self::NoResponse(cause),
        }
    }
}
