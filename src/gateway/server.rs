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
use tokio_util::sync::CancellationToken;

use super::{Gateway, request};

/// How long a client may take to send a request head.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How large a request head may be, in bytes.
const HEAD_LIMIT: u32 = 64 * 1024;

/// A gateway that is being served. Dropping it stops it at once; [`Running::stop`] lets it finish.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stopping: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Running {
    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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

pub(super) fn serve(gateway: Arc<Gateway>, listener: TcpListener, address: SocketAddr) -> Running {
    let stopping = gateway.stopping.clone();
    Running { address, stopping, serving: Some(tokio::spawn(accept(gateway, listener))) }
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
        let stream = tokio::select! {
            () = gateway.stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end make room.
                    tracing::warn!(error = %error.kind(), "a connection could not be accepted");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        connection(&gateway, &http, &graceful, connections.clone(), stream);
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
