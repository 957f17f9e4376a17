//! Sends one request over pooled connections and says what came of it.
//!
//! One attempt each (PRB-12), no redirects (PRB-13), no proxy. Which credential a request carries is its sender's business.

use std::{error::Error, io, sync::Arc, time::Duration};

use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use tokio::time::timeout;

use super::{Body, answer::whole, message};
use crate::{
    config::{Config, CredentialSource},
    core::{outcome::Cause, status::Failure},
};

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// The pooled client towards every upstream.
pub(super) struct Upstream(Client<HttpsConnector<HttpConnector>, Body>);

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The client's own body was at fault.
    Client(Failure),
    /// The upstream or the way to it.
    Upstream(Cause),
}

impl Upstream {
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        let needs_tls = config.servers.iter().any(|server| {
            let token_url = match &server.credential {
                CredentialSource::ClientCredentials(client) => Some(&client.token_url),
                CredentialSource::Forwarding(_)
                | CredentialSource::Static(_)
                | CredentialSource::Open => None,
            };
            [Some(&server.url), token_url]
                .into_iter()
                .flatten()
                .any(|url| url.scheme_str() == Some("https"))
        });
        let tls = tls(&config.trusted_certificates, needs_tls)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // A request is sent anew only if no byte of it was written, because its pooled connection had just been closed: the
            // upstream sees one attempt.
            .retry_canceled_requests(true)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request and waits for the response head, no longer than the deadline: name, connection, handshake and head together
    /// (PRB-02). Dropping the future closes the connection (PRB-03).
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        deadline: Duration,
    ) -> Result<Response<Incoming>, Unanswered> {
        match timeout(deadline, self.0.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unanswered(&error)),
            Err(_) => Err(Unanswered::Upstream(Cause::TimedOut)),
        }
    }

    /// Fetches a small document: at most 64 KiB, status 200, or nothing.
    pub(super) async fn fetch(&self, url: &str, deadline: Duration) -> Option<bytes::Bytes> {
        let request = Request::get(url.parse::<Uri>().ok()?)
            .header(http::header::ACCEPT, "application/json")
            .body(whole(String::new()))
            .ok()?;
        self.read(request, deadline).await
    }

    /// Sends a request and reads its small answer: at most 64 KiB, status 200, or nothing.
    pub(super) async fn read(
        &self,
        request: Request<Body>,
        deadline: Duration,
    ) -> Option<bytes::Bytes> {
        let reading = async {
            let response = self.send(request, deadline).await.ok()?;
            if response.status() != http::StatusCode::OK {
                return None;
            }
            let body = http_body_util::Limited::new(response.into_body(), 64 * 1024);
            Some(body.collect().await.ok()?.to_bytes())
        };
        timeout(deadline, reading).await.ok().flatten()
    }
}

fn tls(trusted: &[CertificateDer<'static>], system: bool) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if system {
        // A system without certificates, or with broken ones, still has those of the configuration.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    roots.add_parsable_certificates(trusted.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Sorts a client error by its causes; its text may hold a URL and is not kept (OBS-05).
fn unanswered(error: &hyper_util::client::legacy::Error) -> Unanswered {
    let causes =
        || std::iter::successors(Some(error as &(dyn Error + 'static)), |cause| (*cause).source());
    if causes().any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user))
    {
        return Unanswered::Client(message::broken(error));
    }
    let of_tls = |cause: &(dyn Error + 'static)| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<rustls::Error>()
            || inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
    };
    Unanswered::Upstream(match () {
        () if causes().any(of_tls) => Cause::Tls,
        () if error.is_connect() => Cause::Unreachable,
        () => Cause::Broken,
    })
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Client(failure) => failure,
            Unanswered::Upstream(cause) => Self::NoResponse(cause),
        }
    }
}
