//! Takes connections and gives each its requests, until told to stop; then finishes what runs.
//!
//! Framing, limits on heads and both HTTP versions are hyper's; what a request means is not looked at here.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Gateway, metrics, request};

/// How long a client may take to send a request head.
pub(super) const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How large a request head may be, in bytes.
const HEAD_LIMIT: u32 = 64 * 1024;

/// A gateway that is being served. Dropping it stops it at once; [`Running::stop`] lets it finish.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    stopping: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Running {
    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that metrics are served at, where they are.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Takes no new connection, lets running requests finish within the configured deadline, and returns when all is done.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Some(serving) = self.serving.take() {
            // It ends by itself; an error could only say that it panicked, which the panic hook has already said.
            let _ended = serving.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopping.cancel();
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

/// A listener and the address that it got.
pub(super) type Bound = (TcpListener, SocketAddr);

/// Serves requests, and metrics for as long as there are any.
pub(super) fn serve(gateway: Arc<Gateway>, (listener, address): Bound, metrics: Option<Bound>) -> Running {
    let stopping = gateway.stopping.clone();
    let (metrics_listener, metrics) = metrics.unzip();
    let serving = tokio::spawn(async move {
        let counted = Arc::clone(&gateway.metrics);
        let _until_the_end = metrics_listener.map(|listener| AbortOnDropHandle::new(tokio::spawn(metrics::serve(counted, listener))));
        accept(gateway, listener).await;
    });
    Running { address, metrics, stopping, serving: Some(serving) }
}

async fn accept(gateway: Arc<Gateway>, listener: TcpListener) {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(HEAD_LIMIT as usize);
    http.http2().timer(TokioTimer::new()).max_header_list_size(HEAD_LIMIT);
    let graceful = GracefulShutdown::new();
    // Dropped with this task, so that no connection outlives it.
    let connections = CancellationToken::new();
    let _at_the_latest = connections.clone().drop_guard();

    loop {
        tokio::select! {
            () = gateway.stopping.cancelled() => break,
            stream = next(&listener) => connection(&gateway, &http, &graceful, connections.clone(), stream),
        }
    }
    drop(listener);

    let deadline = gateway.config.deadlines.shutdown;
    let finished = async {
        graceful.shutdown().await;
        gateway.tasks.close();
        gateway.tasks.wait().await;
    };
    if timeout(deadline, finished).await.is_err() {
        tracing::warn!(deadline_ms = deadline.as_millis(), "requests were still running at the shutdown deadline and have been cut off");
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
    gateway: &Arc<Gateway>,
    http: &Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    cut_off: CancellationToken,
    stream: TcpStream,
) {
    // Without it small events would wait for each other; a socket that refuses it is on its way out.
    let _best_effort = stream.set_nodelay(true);
    let gateway = Arc::clone(gateway);
    let service = service_fn(move |incoming| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(request::handle(gateway, incoming).await) }
    });
    let serving = graceful.watch(http.serve_connection(TokioIo::new(stream), service).into_owned());
    tokio::spawn(async move {
        tokio::select! {
            () = cut_off.cancelled() => {}
            ended = serving => if let Err(error) = ended {
                tracing::debug!(%error, "a client's connection ended early");
            }
        }
    });
}
