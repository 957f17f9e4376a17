//! Serves the connections of clients, replaces the configuration on reload, and stops gracefully.
//!
//! `hyper` frames the requests, limits their heads and speaks both HTTP versions.

use std::{convert::Infallible, fmt, io, net::SocketAddr, pin::pin, sync::Arc};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{Duration, timeout},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use super::{
    body::guarded_body,
    connection::{ClientConnection, FramingState},
    connection_slots::{ConnectionSlot, ConnectionSlots},
    idle_deadline::ConnectionRequests,
    listener::{BoundListener, HEAD_TIMEOUT, accept},
    metrics, request,
    state::Gateway,
};
use crate::config::Config;

/// The largest request head, in bytes.
const MAX_HEAD_BYTES: u32 = 64 * 1024;
/// How long an idle connection may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A gateway that serves requests. Dropping it stops it immediately; [`Running::stop`] lets running
/// requests finish.
pub struct Running {
    /// The gateway that the next request uses.
    gateway: watch::Sender<Arc<Gateway>>,
    metrics: Option<SocketAddr>,
    serving: Option<JoinHandle<()>>,
}

impl Running {
    /// The address of the listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.gateway.borrow().address
    }

    /// The address of the metrics listener, if there is one.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Serves a new configuration from the next request on, on open connections too.
    ///
    /// Requests and streams that have begun keep the configuration with which they began. Counts
    /// are kept; access tokens of the gateway and pooled connections are not.
    ///
    /// # Errors
    /// The new configuration cannot be served by this process; the previous one stays in use.
    pub fn reload(&self, config: Config) -> Result<(), ReloadError> {
        let current = Arc::clone(&self.gateway.borrow());
        let shown = |address: Option<SocketAddr>| {
            address.map_or("nothing".to_owned(), |address| address.to_string())
        };
        for (key, before, now) in [
            ("listen", Some(current.config.listen), Some(config.listen)),
            ("metrics_listen", current.config.metrics_listen, config.metrics_listen),
        ] {
            if before != now {
                return Err(ReloadError::Moved { key, before: shown(before), now: shown(now) });
            }
        }
        self.gateway.send_replace(Arc::new(current.with_config(config)?));
        Ok(())
    }

    /// Stops accepting connections, lets running requests finish within the configured deadline,
    /// and returns when all have ended.
    pub async fn stop(mut self) {
        self.gateway.borrow().stopping.cancel();
        if let Some(serving) = self.serving.take() {
            // The task is never aborted here, so an error means a panic, which the panic hook has
            // reported.
            let _ended = serving.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gateway.borrow().stopping.cancel();
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address())
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

/// Why a new configuration is not served.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The address of a listener has changed.
    #[error(
        "`{key}` has changed to {now}\nexpected {before}, as when the gateway was started; to \
         listen elsewhere, restart it"
    )]
    Moved {
        /// The key in the configuration.
        key: &'static str,
        /// The address in use.
        before: String,
        /// The address in the new configuration.
        now: String,
    },
    /// TLS to the servers cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] io::Error),
}

/// The gateway that the next request uses.
type CurrentGateway = watch::Receiver<Arc<Gateway>>;

/// Serves requests in the background, and metrics until the last request has ended.
pub(super) fn serve(
    gateway: Gateway,
    listener: TcpListener,
    metrics: Option<BoundListener>,
) -> Running {
    let counts = Arc::clone(&gateway.metrics);
    let (gateway, current) = watch::channel(Arc::new(gateway));
    let (metrics_listener, metrics) = metrics.unzip();
    let serving = tokio::spawn(async move {
        let _serving_metrics = metrics_listener
            .map(|listener| AbortOnDropHandle::new(tokio::spawn(metrics::serve(counts, listener))));
        serve_connections(current, listener).await;
    });
    Running { gateway, metrics, serving: Some(serving) }
}

async fn serve_connections(gateway: CurrentGateway, listener: TcpListener) {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES as usize);
    http.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEAD_BYTES);
    let connections = TaskTracker::new();
    // Cancelled when this task ends, so that no connection outlives it.
    let cut_off = CancellationToken::new();
    let _cut_off_guard = cut_off.clone().drop_guard();
    let slots = Arc::new(ConnectionSlots::default());
    let stopping = gateway.borrow().stopping.clone();

    loop {
        let next = async {
            let max_total = gateway.borrow().config.connection_limits.total;
            slots.wait(max_total).await;
            accept(&listener).await
        };
        tokio::select! {
            () = stopping.cancelled() => break,
            (stream, peer) = next => {
                let limits = gateway.borrow().config.connection_limits;
                if let Some(slot) = slots.take(peer.ip(), limits) {
                    let serving = serve_connection(&gateway, &http, stream, slot);
                    let cut_off = cut_off.clone();
                    connections.spawn(async move {
                        tokio::select! {
                            // First: once the deadline has passed, other tasks of the request are
                            // dropped, and `serving` could then still write the resulting error as
                            // a response.
                            biased;
                            () = cut_off.cancelled() => {}
                            () = serving => {}
                        }
                    });
                }
            }
        }
    }
    drop(listener);

    let gateway = Arc::clone(&gateway.borrow());
    let deadline = gateway.config.deadlines.shutdown;
    let finished = async {
        connections.close();
        connections.wait().await;
        gateway.background.close();
        gateway.background.wait().await;
    };
    if timeout(deadline, finished).await.is_err() {
        tracing::warn!(
            deadline_ms = deadline.as_millis(),
            "requests were still running at the shutdown deadline and have been cut off"
        );
    }
}

/// Serves a connection until it ends. An idle connection is ended, and one that is not idle ends
/// after its running requests when the gateway stops.
fn serve_connection(
    gateway: &CurrentGateway,
    http: &Builder<TokioExecutor>,
    stream: TcpStream,
    slot: ConnectionSlot,
) -> impl Future<Output = ()> + Send + 'static {
    // Without it the kernel may delay small events. A socket that rejects the option is already
    // closing.
    let _best_effort = stream.set_nodelay(true);
    let stopping = gateway.borrow().stopping.clone();
    let gateway = gateway.clone();
    let framing = Arc::new(FramingState::default());
    let connection = ClientConnection::new(stream, Arc::clone(&framing));
    let requests = ConnectionRequests::new(HEAD_TIMEOUT);
    let idle = requests.clone().idle();
    let service = service_fn(move |incoming| {
        let request = requests.begin();
        let gateway = Arc::clone(&gateway.borrow());
        let framing = Arc::clone(&framing);
        async move {
            let response = request::handle(gateway, incoming, &framing).await;
            Ok::<_, Infallible>(response.map(|body| guarded_body(body, request)))
        }
    });
    let connection = http.serve_connection(TokioIo::new(connection), service).into_owned();
    async move {
        let _slot = slot;
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                Some(connection.await)
            }
            () = idle => {
                connection.as_mut().graceful_shutdown();
                timeout(CLOSE_TIMEOUT, connection).await.ok()
            }
        };
        if let Some(Err(error)) = ended {
            tracing::debug!(%error, "a client's connection ended early");
        }
    }
}
