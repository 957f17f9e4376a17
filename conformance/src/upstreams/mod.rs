//! The mock upstreams: a fixed set of mock MCP servers and a mock authorization server, which
//! record every request.
//!
//! A mock server behaves as the script of the request's token says. A request without a script gets
//! the behaviour that is assigned to the server. Without either, the server is healthy. The mock
//! upstreams judge nothing.
//!
//! | module | contents |
//! | --- | --- |
//! | `addresses` | [`Addresses`]: where the mock upstreams listen, and the host in their URLs |
//! | `bind` | binds the ports and creates the deployment with its secrets |
//! | `plan_file` | [`PlanFile`]: makes the same mock upstreams available in a later start |
//! | `hand_over` | lets a run use the ports of an `upstreams` process |
//! | `state` | the state that all hosts share |
//! | `host` | one listening host: accepts connections, records and answers requests |
//! | `connection`, `request` | a connection as bytes; reading requests from it |
//! | `attribution` | which case a request belongs to, and which behaviour it gets |
//! | `assigned_behaviour` | behaviours for requests without a script |
//! | `healthy_phase` | the times at which a client opens or ends the session of a case |
//! | `upstream` | the response of a mock MCP server, by its behaviour |
//! | `mcp_server` | the responses of a healthy MCP server |
//! | `authorization_server` | the responses of the mock authorization server |
//! | `stated_response` | responses that `upstreams.toml` states, with placeholders |
//! | `response`, `delivery` | a response, and how it is sent, with or without a fault |
//! | `synchronisation` | barriers, the order of responses, and the release of events |
//! | `record` | [`Record`]: everything that the mock upstreams have seen |

mod addresses;
mod assigned_behaviour;
mod attribution;
mod authorization_server;
mod bind;
mod connection;
mod delivery;
pub mod hand_over;
mod healthy_phase;
mod host;
mod mcp_server;
mod plan_file;
mod record;
mod request;
mod response;
mod state;
mod stated_response;
mod synchronisation;
mod upstream;

use std::{fmt, io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
    time::{sleep, timeout},
};

pub use self::{
    addresses::{Addresses, InvalidHost, Listener},
    assigned_behaviour::AssignedBehaviour,
    healthy_phase::HealthyPhase,
    plan_file::{PlanError, PlanFile},
    record::Record,
};
use self::{bind::BoundMocks, state::State};
use crate::cases::{deployment::Deployment, token_script::CaseId};

/// The recorded name of the host that redirects to another origin point at.
pub const ELSEWHERE: &str = "elsewhere";
/// The path of the redirect target that refuses every request with 401.
const REFUSING_PATH: &str = "/refused";
/// The recorded name of the mock authorization server.
pub const ISSUER: &str = "issuer";
/// The header field that marks a response of the mock upstreams.
///
/// Its value is `SERVER/CASE/N` for the N-th request of the case; CASE is `-` for a request of no
/// case.
pub const MARK: &str = "x-mock-answer";

/// How long [`MockUpstreams::stop`] waits for its connections, which end at once.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The running mock upstreams. Dropping them closes every connection.
pub struct MockUpstreams {
    state: Arc<State>,
    hosts: JoinSet<()>,
    addresses: Addresses,
    listeners: Vec<Listener>,
    /// Bound but not listening, so that no other process takes the port and connections are
    /// refused.
    _closed: TcpSocket,
}

impl fmt::Debug for MockUpstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The deployment contains secrets.
        f.debug_struct("MockUpstreams").finish_non_exhaustive()
    }
}

impl MockUpstreams {
    /// Starts every mock server on a free port of the loopback interface.
    ///
    /// The random seed determines the secrets of the deployment.
    ///
    /// # Errors
    ///
    /// A port could not be bound.
    pub async fn start(random_seed: u64) -> io::Result<Self> {
        Self::start_at(random_seed, Addresses::free()).await
    }

    /// Starts every mock server at these addresses.
    ///
    /// # Errors
    ///
    /// A port could not be bound; the error names it.
    pub async fn start_at(random_seed: u64, addresses: Addresses) -> io::Result<Self> {
        let BoundMocks { state, hosts, closed, listeners } =
            bind::bind(random_seed, &addresses).await?;
        let state = Arc::new(state);
        let mut running = JoinSet::new();
        for (host, listener) in hosts {
            running.spawn(host.listen(listener, Arc::clone(&state)));
        }
        Ok(Self { state, hosts: running, addresses, listeners, _closed: closed })
    }

    /// Closes every connection and listener. Returns when all are closed.
    pub async fn stop(mut self) {
        self.hosts.shutdown().await;
        // Each connection has a reference to the state.
        let connections_closed = async {
            while Arc::strong_count(&self.state) > 1 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        // A later bind does not depend on it: a connection does not keep the port of its listener.
        let _ = timeout(STOP_WITHIN, connections_closed).await;
    }

    /// Binds the control connection of these mock upstreams.
    ///
    /// # Errors
    ///
    /// The port could not be bound; the error names it.
    pub async fn bind_control(&self) -> io::Result<TcpListener> {
        let address = self.addresses.control_address(self.listeners.len())?;
        TcpListener::bind(address)
            .await
            .map_err(|error| addresses::bind_error(address, "control", &error))
    }

    /// The servers and secrets with which an implementation is configured.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.state.deployment
    }

    /// Everything that the mock upstreams have seen.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.state.record
    }

    /// The time since the start of the mock upstreams, in milliseconds. Arrivals are recorded with
    /// this time.
    #[must_use]
    pub fn elapsed_ms(&self) -> f64 {
        self.state.elapsed_ms()
    }

    /// The host and port of an origin that no configuration contains.
    #[must_use]
    pub fn elsewhere(&self) -> &str {
        self.state.elsewhere.trim_start_matches("http://")
    }

    /// Assigns a behaviour to a server until the returned guard is dropped.
    ///
    /// Requests to the server without a script then belong to the case and get the behaviour. A
    /// server has at most one assignment; this waits until an earlier one has ended.
    pub async fn assign_behaviour(
        &self,
        server: &str,
        case: CaseId,
        behaviour: &str,
    ) -> AssignedBehaviour {
        self.state.assignments.assign(server, case, behaviour).await
    }

    /// Makes every server answer the requests of a case like a healthy server until the returned
    /// guard is dropped.
    pub fn begin_healthy_phase(&self, case: CaseId) -> HealthyPhase {
        self.state.healthy_phases.begin(case)
    }

    /// Makes the servers send the next responses of the case in this order, one from each server.
    pub fn respond_in_order(&self, case: &CaseId, order: Vec<String>) {
        self.state.synchronisation.respond_in_order(case, order);
    }

    /// Releases the next event of the case's `stream-progress` response.
    pub fn release_event(&self, case: &CaseId) {
        self.state.synchronisation.release_event(case);
    }
}
