//! The mock upstreams: a fixed set of servers that record everything and answer as each request's token tells them.
//!
//! A request belongs to the case whose script it carries, or else to its server's standing order, or else to nobody; without an
//! order a server is healthy. What any of it means is for the judge.
//!
//! | module | decides |
//! | --- | --- |
//! | `site`, `planning` | what all hosts share; the plan and its secrets |
//! | `host`, `wire`, `request` | connections; bytes; where a request ends |
//! | `orders` | whose a request is, and what it is owed |
//! | `upstream`, `healthy`, `issuer` | what is answered |
//! | `answer`, `delivery`, `gates` | how an answer is made up, put on the wire, held back |
//! | `record` | what was seen |

mod answer;
mod assigned_behaviour;
mod authorization_server;
mod bind;
mod connection;
mod delivery;
mod host;
mod mcp_server;
mod record;
mod request;
mod state;
mod synchronisation;
mod upstream;

use std::{fmt, io, sync::Arc};

use tokio::{net::TcpSocket, task::JoinSet};

pub use self::{assigned_behaviour::AssignedBehaviour, record::Record};
use self::{bind::Ground, state::Site};
use crate::cases::{deployment::Deployment, token_script::CaseId};

/// The name that arrivals at the origin of redirects carry.
pub const ELSEWHERE: &str = "elsewhere";
/// The name that arrivals at the authorization server carry.
pub const ISSUER: &str = "issuer";
/// The header that marks every answer as the mock upstreams's own: `server/case/n`, the case's n-th arrival, with `-` for no case.
pub const MARK: &str = "x-mock-answer";

/// The running mock upstreams. Dropping it ends them and every connection to them.
pub struct MockUpstreams {
    site: Arc<Site>,
    _hosts: JoinSet<()>,
    /// Bound, so that nobody else takes the port, and not listening, so that it refuses.
    _closed: TcpSocket,
}

impl fmt::Debug for MockUpstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The plan holds secrets.
        f.debug_struct("Fleet").finish_non_exhaustive()
    }
}

impl MockUpstreams {
    /// Starts every server of the plan on a free port of loopback; all are usable on return. Secrets follow from the seed.
    ///
    /// # Errors
    ///
    /// When a port can not be bound.
    pub async fn start(seed: u64) -> io::Result<Self> {
        let Ground { site, hosts, closed } = bind::lay(seed).await?;
        let site = Arc::new(site);
        let mut running = JoinSet::new();
        for (host, listener) in hosts {
            running.spawn(host.listen(listener, Arc::clone(&site)));
        }
        Ok(Self { site, _hosts: running, _closed: closed })
    }

    /// What an implementation is to be configured with.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.site.deployment
    }

    /// What the servers have seen.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.site.record
    }

    /// The host and port of an origin that no configuration names.
    #[must_use]
    pub fn elsewhere(&self) -> &str {
        self.site.elsewhere.trim_start_matches("http://")
    }

    /// Until the guard drops, requests to the server that carry no script belong to the case and get the behaviour.
    ///
    /// For cases whose token can not carry a script. There is at most one for a server: the next one waits for the earlier one to end.
    pub async fn assign_behaviour(
        &self,
        server: &str,
        case: CaseId,
        behaviour: &str,
    ) -> AssignedBehaviour {
        self.site.orders.stand(server, case, behaviour).await
    }

    /// Has the servers answer the next requests of the case in this order, each once.
    pub fn respond_in_order(&self, case: &CaseId, order: Vec<String>) {
        self.site.gates.take_turns(case, order);
    }

    /// Lets the next event of the case's `stream-progress` answer go.
    pub fn release_event(&self, case: &CaseId) {
        self.site.gates.release(case);
    }
}
