//! Keeps the metadata that was fetched for one server, so that unauthenticated requests cause few
//! fetches.

use std::sync::Arc;

use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::core::discovery::UpstreamMetadata;

/// How long a fetched document is kept.
const DOCUMENT_LIFETIME: Duration = Duration::from_secs(300);
/// How long the gateway waits after a failed fetch before it tries again.
const FAILURE_LIFETIME: Duration = Duration::from_secs(10);

/// The metadata of one server.
#[derive(Default)]
pub(super) struct MetadataCache {
    /// The server's protected resource metadata.
    pub(super) protected_resource: CachedDocument<UpstreamMetadata>,
    /// The metadata of its authorization server, serialized.
    pub(super) authorization_server: CachedDocument<String>,
}

/// A document that is fetched again only when its lifetime is over. Concurrent requests wait for
/// one fetch.
pub(super) struct CachedDocument<T>(Mutex<Option<Fetched<T>>>);

struct Fetched<T> {
    expires: Instant,
    /// `None` if the fetch failed.
    document: Option<Arc<T>>,
}

impl<T> Default for CachedDocument<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> CachedDocument<T> {
    /// The cached document, or else the result of `fetch`.
    pub(super) async fn get(&self, fetch: impl Future<Output = Option<T>>) -> Option<Arc<T>> {
        let mut cached = self.0.lock().await;
        let current = cached.as_ref().filter(|fetched| Instant::now() < fetched.expires);
        if let Some(fetched) = current {
            return fetched.document.clone();
        }
        let document = fetch.await.map(Arc::new);
        let lifetime = if document.is_some() { DOCUMENT_LIFETIME } else { FAILURE_LIFETIME };
        let expires = Instant::now() + lifetime;
        *cached = Some(Fetched { expires, document: document.clone() });
        document
    }
}
