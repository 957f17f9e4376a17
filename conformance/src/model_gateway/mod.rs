//! A small second gateway, by which the suite tests itself.
//!
//! Without a deviation it is correct and must pass every case. A *defect* changes one decision to a
//! wrong one: the suite must report exactly the requirements that the defect names. A *variant*
//! changes a decision to another correct one: the suite must report nothing.
//!
//! The gateway is written from the requirements and shares no code with the reference gateway. It
//! probes before it forwards, serves single-server and aggregate endpoints, and speaks HTTP/1.1
//! without TLS on both sides; an upstream with TLS is unreachable.
//!
//! [`decisions`] lists what a defect or variant can change. [`defects`] and [`variants`] hold one
//! unit for each, by theme, with the code of the deviation beside its description.

use std::{io, net::Ipv4Addr, sync::Arc};

use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::{cases::deployment::Deployment, catalogue::Profile};

mod admission;
mod aggregate;
mod aggregate_names;
mod aggregate_part;
mod aggregate_session;
mod aggregate_verdict;
mod caller;
mod challenge;
mod client_request;
mod credential;
mod deadlines;
pub mod decisions;
pub mod defects;
mod discovery;
mod disposition;
mod gateway;
mod http_client;
mod layout;
mod observability;
mod probe;
mod probe_request;
mod probe_result;
mod protocol;
mod refusal;
mod relay;
mod request_record;
mod routing;
mod rpc_response;
mod selection;
mod single_server;
mod stateless;
mod transport;
mod upstream_client;
mod upstream_request;
mod upstream_response;
pub mod variants;

pub use deadlines::{PROBE_DEADLINE, REQUEST_DEADLINE};
pub use decisions::Decisions;
pub use defects::Defect;
pub use layout::Layout;
pub use variants::Variant;

/// A running model gateway. It stops when it is dropped.
#[derive(Debug)]
pub struct RunningModelGateway {
    base_url: String,
    metrics: String,
    observability: observability::Observability,
    accepting: JoinHandle<()>,
}

impl RunningModelGateway {
    /// Scheme, host and port, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The URL of its metrics.
    #[must_use]
    pub fn metrics(&self) -> &str {
        &self.metrics
    }

    /// Everything that it has logged since it started.
    #[must_use]
    pub fn output(&self) -> String {
        self.observability.log()
    }

    /// Closes the listener and every connection.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The only possible error is that the task was aborted.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for RunningModelGateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Starts a model gateway on a free loopback port.
///
/// # Errors
///
/// If no port can be bound, or if a token would leave this machine without TLS (SEC-07).
pub async fn start(
    decisions: &Decisions,
    deployment: &Deployment,
    profile: Profile,
) -> io::Result<RunningModelGateway> {
    let cleartext = deployment.servers.iter().find(|server| credential::sends_cleartext(server));
    if let Some(server) = cleartext
        && !decisions.allows_cleartext_upstream()
    {
        return Err(io::Error::other(format!(
            "server `{}`: a token would leave this machine in cleartext",
            server.name
        )));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let gateway = Arc::new(gateway::Gateway::new(
        decisions.clone(),
        profile,
        deployment.clone(),
        base_url.clone(),
    ));
    let observability = gateway.observability.clone();
    let metrics = format!("{base_url}{}", observability::METRICS);
    let accepting = tokio::spawn(accept(listener, gateway));
    Ok(RunningModelGateway { base_url, metrics, observability, accepting })
}

/// Accepts connections until the task is aborted, which closes them.
async fn accept(listener: TcpListener, gateway: Arc<gateway::Gateway>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A failed accept concerns one client, which is already gone.
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                connections.spawn(transport::serve_connection(Arc::clone(&gateway), stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
