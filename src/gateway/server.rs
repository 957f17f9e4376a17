//! Takes connections and gives each its requests, until told to stop; then finishes what runs. Changes the configuration on the way.
//!
//! Framing, limits on heads and both HTTP versions are hyper's; what a request means is not looked at here.

use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Gateway, metrics, request, wire::Wire};
use crate::config::Config;

/// How long a client may take to send a request head.
pub(super) const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How large a request head may be, in bytes.
const HEAD_LIMIT: u32 = 64 * 1024;

/// A gateway that is being served. Dropping it stops it at once; [`Running::stop`] lets it finish.
pub struct Running {
    /// The gateway that the next request begins with.
    gateway: watch::Sender<Arc<Gateway>>,
    metrics: Option<SocketAddr>,
    serving: Option<JoinHandle<()>>,
}

impl Running {
    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.gateway.borrow().address
    }

    /// The address that metrics are served at, where they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Serves a new configuration from the next request on, on connections that are open already, too. Requests that have begun end as
    /// they began, streams with them; what has been counted stays, while minted credentials and pooled connections are made anew.
    ///
    /// # Errors
    /// The new configuration cannot be served here; then the one before stays.
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
        self.gateway.send_replace(Arc::new(current.renewed(config)?));
        Ok(())
    }

    /// Takes no new connection, lets running requests finish within the configured deadline, and returns when all is done.
    pub async fn stop(mut self) {
        self.gateway.borrow().stopping.cancel();
        if let Some(serving) = self.serving.take() {
            // It ends by itself; an error could only say that it panicked, which the panic hook has already said.
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
    /// It has another address.
    #[error(
        "`{key}` has changed to {now}\nexpected {before}, as when the gateway was started; to listen elsewhere, restart it"
    )]
    Moved {
        /// The key in the configuration.
        key: &'static str,
        /// What is listened on.
        before: String,
        /// What the new configuration says.
        now: String,
    },
    /// Connections to its servers cannot be made.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] io::Error),
}

/// Where a request finds the gateway that it begins with.
type Current = watch::Receiver<Arc<Gateway>>;

/// A listener and the address that it got.
pub(super) type Bound = (TcpListener, SocketAddr);

/// Serves requests, and metrics for as long as there are any.
pub(super) fn serve(gateway: Gateway, listener: TcpListener, metrics: Option<Bound>) -> Running {
    let counted = Arc::clone(&gateway.metrics);
    let (gateway, current) = watch::channel(Arc::new(gateway));
    let (metrics_listener, metrics) = metrics.unzip();
    let serving = tokio::spawn(async move {
        let _until_the_end = metrics_listener.map(|listener| {
            AbortOnDropHandle::new(tokio::spawn(metrics::serve(counted, listener)))
        });
        accept(current, listener).await;
    });
    Running { gateway, metrics, serving: Some(serving) }
}

async fn accept(gateway: Current, listener: TcpListener) {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_LIMIT as usize);
    http.http2().timer(TokioTimer::new()).max_header_list_size(HEAD_LIMIT);
    let graceful = GracefulShutdown::new();
    // Dropped with this task, so that no connection outlives it.
    let connections = CancellationToken::new();
    let _at_the_latest = connections.clone().drop_guard();
    let stopping = gateway.borrow().stopping.clone();

    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            stream = next(&listener) => connection(&gateway, &http, &graceful, connections.clone(), stream),
        }
    }
    drop(listener);

    let gateway = Arc::clone(&gateway.borrow());
    let deadline = gateway.config.deadlines.shutdown;
    let finished = async {
        graceful.shutdown().await;
        gateway.tasks.close();
        gateway.tasks.wait().await;
    };
    if timeout(deadline, finished).await.is_err() {
        tracing::warn!(
            deadline_ms = deadline.as_millis(),
            "requests were still running at the shutdown deadline and have been cut off"
        );
    }
}

/// The next connection, whatever became of others.
pub(super) async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Out of file descriptors, most likely: connections that end make room.
                tracing::warn!(error = %error.kind(), "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn connection(
    gateway: &Current,
    http: &Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    cut_off: CancellationToken,
    stream: TcpStream,
) {
    // Without it small events would wait for each other; a socket that refuses it is on its way out.
    let _best_effort = stream.set_nodelay(true);
    let gateway = gateway.clone();
    let ambiguous = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(stream, Arc::clone(&ambiguous));
    let service = service_fn(move |incoming| {
        let gateway = Arc::clone(&gateway.borrow());
        let ambiguous = ambiguous.load(Ordering::Relaxed);
        async move { Ok::<_, Infallible>(request::handle(gateway, incoming, ambiguous).await) }
    });
    let serving = graceful.watch(http.serve_connection(TokioIo::new(wire), service).into_owned());
    tokio::spawn(async move {
        tokio::select! {
            () = cut_off.cancelled() => {}
            ended = serving => if let Err(error) = ended {
                tracing::debug!(%error, "a client's connection ended early");
            }
        }
    });
}
