//! The state that all requests under one configuration share.

use std::{io, net::SocketAddr, sync::Arc};

use secrecy::ExposeSecret;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    accepted_tokens::AcceptedTokens, client_credentials::TokenCache, http_client::HttpClient,
    metadata_cache::MetadataCache, metrics::Metrics, random::random_bytes,
};
use crate::{
    config::Config,
    core::{access::ServerId, discovery::ExternalUrl, origin::AllowedOrigins, session::Sealer},
};

/// One configuration and what belongs to it.
pub(super) struct Gateway {
    pub(super) config: Config,
    /// The address of the listener.
    pub(super) address: SocketAddr,
    pub(super) external: ExternalUrl,
    pub(super) origins: AllowedOrigins,
    pub(super) sealer: Sealer,
    pub(super) http: HttpClient,
    /// One for each server, by position.
    tokens: Vec<TokenCache>,
    /// One for each server, by position.
    metadata: Vec<MetadataCache>,
    pub(super) accepted_tokens: AcceptedTokens,
    pub(super) metrics: Arc<Metrics>,
    /// Clean-up that continues after its request (PRB-09).
    pub(super) background: TaskTracker,
    /// Cancelled when the gateway accepts no new connections.
    pub(super) stopping: CancellationToken,
}

impl Gateway {
    pub(super) fn new(config: Config, address: SocketAddr) -> io::Result<Self> {
        let external = config.external(address);
        let sealer = match &config.session_secret {
            Some(secret) => Sealer::new(secret.expose_secret().as_bytes()),
            // Sessions sealed with a random secret end with this process.
            None => Sealer::new(&random_bytes::<32>()),
        };
        Ok(Self {
            http: HttpClient::new(&config)?,
            tokens: config.servers.iter().map(|_| TokenCache::default()).collect(),
            metadata: config.servers.iter().map(|_| MetadataCache::default()).collect(),
            accepted_tokens: AcceptedTokens::new(config.probe_reuse),
            metrics: Arc::new(Metrics::new()),
            background: TaskTracker::new(),
            stopping: CancellationToken::new(),
            address,
            sealer,
            origins: AllowedOrigins::new(&external, &config.allowed_origins),
            external,
            config,
        })
    }

    /// The gateway of a new configuration, which replaces this one. A random session secret is
    /// kept, so that open sessions stay valid.
    pub(super) fn with_config(&self, config: Config) -> io::Result<Self> {
        let keeps_sealer = config.session_secret.is_none();
        let new = Self::new(config, self.address)?;
        Ok(Self {
            sealer: if keeps_sealer { self.sealer.clone() } else { new.sealer.clone() },
            metrics: Arc::clone(&self.metrics),
            background: self.background.clone(),
            stopping: self.stopping.clone(),
            ..new
        })
    }

    /// The name of a server in the configuration.
    pub(super) fn server_name(&self, server: ServerId) -> &str {
        &self.config.server(server).name
    }

    /// The access tokens that the gateway obtains for a server.
    pub(super) fn tokens(&self, server: ServerId) -> &TokenCache {
        &self.tokens[usize::from(server.0)]
    }

    /// The metadata that was fetched for a server.
    pub(super) fn metadata(&self, server: ServerId) -> &MetadataCache {
        &self.metadata[usize::from(server.0)]
    }
}
