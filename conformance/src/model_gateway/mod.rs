//! A small model of an MCP gateway that can be given one fault, so that the suite can be shown to notice it; or one decision that is
//! different and right, so that the suite can be shown to accept it (a *variant*).
//!
//! Written from the requirements and nothing else: it shares no code with the gateway of this project, so that without a fault it is a
//! second, differently built implementation that must pass everything. It asks first (strategy `probe`), serves one server
//! or several, and speaks HTTP/1.1 without TLS on both sides; an upstream that needs TLS is one that it cannot reach.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::cases::deployment::Deployment;
use crate::catalogue::Profile;

mod admission;
mod answer;
mod challenge;
mod discovery;
mod edge;
mod fault;
mod gateway;
mod merge;
mod modern;
mod operators;
mod otherwise;
mod places;
mod relay;
mod reworded;
mod several;
mod upstream;
mod variant;

pub use fault::{Fault, Switch, all};
pub use places::Places;
pub use variant::{Variant, all as variants};

/// How long the model waits for a probe's answer before it goes on without.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// How long the model waits for the head of the real answer, and then again for the body of one that is not a stream.
pub const REQUEST_DEADLINE: Duration = Duration::from_millis(1_500);

/// How long the end of a probe's session may take. Nobody waits for it.
const CLEAN_UP_DEADLINE: Duration = Duration::from_secs(3);

/// A running model gateway. Stops when it is dropped.
#[derive(Debug)]
pub struct RunningDefect {
    base_url: String,
    metrics: String,
    shown: operators::Shown,
    accepting: JoinHandle<()>,
}

impl RunningDefect {
    /// Where clients find it: scheme, host and port, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where its counts are.
    #[must_use]
    pub fn metrics(&self) -> &str {
        &self.metrics
    }

    /// Everything that it has logged since it started.
    #[must_use]
    pub fn output(&self) -> String {
        self.shown.log()
    }

    /// Closes the listener and every connection.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // An aborted task ends with an error that says so; there is nothing else to learn from it.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for RunningDefect {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Starts the model on a free loopback port, with one decision taken otherwise or with none.
///
/// # Errors
///
/// When no port can be bound.
pub async fn start(
    switch: Option<Switch>,
    deployment: &Deployment,
    profile: Profile,
) -> io::Result<RunningDefect> {
    let in_the_clear = deployment.servers.iter().find(|server| upstream::is_in_the_clear(server));
    if let Some(server) = in_the_clear.filter(|_| switch != Some(Switch::SendsInTheClear)) {
        return Err(io::Error::other(format!(
            "server `{}`: a token would leave this machine in cleartext",
            server.name
        )));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let gateway =
        Arc::new(gateway::Gateway::new(switch, profile, deployment.clone(), base_url.clone()));
    let shown = gateway.shown.clone();
    let accepting = tokio::spawn(async move {
        // Dropped with this task, and every connection with it.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    // A failed accept concerns one client that is gone already.
                    let Ok((stream, _)) = accepted else { continue };
                    let _ = stream.set_nodelay(true);
                    let gateway = Arc::clone(&gateway);
                    connections.spawn(async move {
                        if gateway.has(Switch::SpeaksHttp2) {
                            let wire = TokioIo::new(edge::Wire::new(stream, &gateway));
                            let service = service_fn(move |request| Arc::clone(&gateway).serve(request));
                            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(wire, service).await;
                            return;
                        }
                        let mut http = http1::Builder::new();
                        http.ignore_invalid_headers(gateway.has(Switch::SkipsOddLines));
                        http.title_case_headers(gateway.has(Switch::TitleCase)).keep_alive(!gateway.has(Switch::ClosesConnections));
                        let wire = edge::Wire::new(stream, &gateway);
                        let service = service_fn(move |request| Arc::clone(&gateway).serve(request));
                        // The client hears of a broken connection by its breaking.
                        let _ = http.serve_connection(TokioIo::new(wire), service).await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
    let metrics = format!("{base_url}{}", operators::METRICS);
    Ok(RunningDefect { base_url, metrics, shown, accepting })
}
