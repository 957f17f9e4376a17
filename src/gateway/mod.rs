//! The I/O around the core: connections in, probes and requests out. It decides nothing.
//!
//! [`start`] serves a configuration until it is stopped. Each module is one step of a request's way: `server` takes connections,
//! `wire` is one of them, `plan` has the core decide what it can before anyone is asked, `request` walks one request through all of
//! its decisions, `message` reads its body, `session` opens and seals session ids, `preflight` and `probe` ask upstreams, all at once by
//! `fanout`, `reuse` remembers for a while, `mint` obtains credentials, `forward` sends the request up, `aggregate` serves several servers
//! as one, `relayed` brings the answer down, `commit` holds its head until it is known, `metadata` serves
//! discovery, `answer` writes what the gateway itself says, `audit` the line that is left of it, `metrics` the counts.

mod aggregate;
pub(crate) mod answer;
mod audit;
mod commit;
mod fanout;
mod forward;
mod message;
mod metadata;
mod metrics;
mod mint;
pub(crate) mod plan;
mod preflight;
mod probe;
mod relayed;
mod request;
mod reuse;
mod server;
mod session;
mod upstream;
mod wire;

use std::{error::Error, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use secrecy::ExposeSecret;
pub use server::{ReloadError, Running};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    metadata::Metadata, metrics::Metrics, mint::Mint, reuse::Reuse, server::Bound,
    upstream::Upstream,
};
use crate::{
    config::Config,
    core::{discovery::ExternalUrl, origin::AllowedOrigins, session::Sealer},
};

/// Any body that crosses the gateway, in either direction.
type Body = UnsyncBoxBody<Bytes, BoxError>;
type BoxError = Box<dyn Error + Send + Sync>;

/// What the requests of one configuration share.
struct Gateway {
    config: Config,
    /// The address that is listened on.
    address: SocketAddr,
    external: ExternalUrl,
    origins: AllowedOrigins,
    sealer: Sealer,
    upstream: Upstream,
    /// By position of the server.
    mints: Vec<Mint>,
    /// By position of the server.
    metadata: Vec<Metadata>,
    reuse: Reuse,
    metrics: Arc<Metrics>,
    /// Clean-up that outlives its request (PRB-09).
    tasks: TaskTracker,
    /// Set when the gateway takes no new connections.
    stopping: CancellationToken,
}

impl Gateway {
    fn new(config: Config, address: SocketAddr) -> io::Result<Self> {
        let external = config.external(address);
        Ok(Self {
            upstream: Upstream::new(&config)?,
            mints: config.servers.iter().map(|_| Mint::default()).collect(),
            metadata: config.servers.iter().map(|_| Metadata::default()).collect(),
            reuse: Reuse::new(config.probe_reuse),
            metrics: Arc::new(Metrics::new()),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            address,
            sealer: config.session_secret.as_ref().map_or_else(session::forgetful, |secret| {
                Sealer::new(secret.expose_secret().as_bytes())
            }),
            origins: AllowedOrigins::new(&external, &config.allowed_origins),
            external,
            config,
        })
    }

    /// The gateway of a new configuration, in the place of this one. A secret of its own goes on, with the sessions sealed with it.
    fn renewed(&self, config: Config) -> io::Result<Self> {
        let kept = config.session_secret.is_none().then(|| self.sealer.clone());
        let renewed = Self::new(config, self.address)?;
        Ok(Self {
            sealer: kept.unwrap_or_else(|| renewed.sealer.clone()),
            metrics: Arc::clone(&self.metrics),
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
            ..renewed
        })
    }
}

/// Binds the configured addresses and serves them in the background.
///
/// # Errors
/// An address cannot be bound.
pub async fn start(config: Config) -> io::Result<Running> {
    let (listener, address) = bind(config.listen).await?;
    if config.session_secret.is_none() {
        tracing::warn!(
            "no session_secret is configured: sessions will not survive a restart, and no other process can serve them"
        );
    }
    let metrics = match config.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    Ok(server::serve(Gateway::new(config, address)?, listener, metrics))
}

async fn bind(address: SocketAddr) -> io::Result<Bound> {
    let binding = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    binding.await.map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot serve {address}: {error}"))
    })
}
