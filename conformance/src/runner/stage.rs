//! One running implementation with the client in front of it and the fleet behind it: sends what a cell says and collects what was seen.
//!
//! Judges nothing, and knows neither batches nor what happens when the implementation breaks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind},
        behaviour::Behaviours,
        deployment::names,
        matrix,
        matrix_case::{Cell, is_scripted},
    },
    catalogue::ProtocolVersion,
    client::{
        Client, Request,
        case_request::{Ask, Caller, Case, carries_script, request},
    },
    implementations::{Layout, Several},
    trace::{Ending, Exchange, Trace, ending_in_words, header},
    upstreams::Fleet,
};

/// How long the upstreams may take to come to rest after a case.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);

/// The header that names a session.
pub(super) const SESSION: &str = "mcp-session-id";

/// Gives every case of a run its number.
#[derive(Clone, Debug)]
pub struct Numbers {
    seed: u64,
    next: Arc<AtomicU64>,
}

impl Numbers {
    /// Numbers from one on, for a run with that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, next: Arc::new(AtomicU64::new(1)) }
    }

    /// A case that there was not yet.
    #[must_use]
    pub fn case(&self) -> Case {
        Case::new(self.seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A cell with the server that it is driven on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// The cell.
    pub(super) cell: Cell,
    /// The server's name in the plan.
    pub(super) server: &'static str,
    /// Whether no token tells the upstream what to do, so that the cell needs the server for itself.
    pub(super) alone: bool,
}

impl Planned {
    /// Finds the cell's server. Only a token that the gateway hands on can tell an upstream what to do.
    pub(super) fn new(cell: Cell) -> Self {
        Self {
            server: matrix::server_of(&cell),
            alone: !is_scripted(&cell),
            cell,
        }
    }
}

/// A cell that has been driven, before what the upstreams saw of it is collected.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) planned: Planned,
    case: Case,
    exchange: Exchange,
}

/// A cell with everything that was recorded of it.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) cell: Cell,
    pub(super) trace: Trace,
    /// Whether the upstreams had come to rest.
    pub(super) settled: bool,
}

/// One running implementation between client and fleet.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) fleet: Arc<Fleet>,
    pub(super) client: Client,
    pub(super) layout: Layout,
    pub(super) numbers: Numbers,
    /// The route that scenarios and fences use.
    pub(super) route: String,
    /// Whether clients are given sessions that they can end.
    pub(super) has_sessions: bool,
    /// The longest message that the implementation takes, where it says.
    pub(super) message_bytes: Option<usize>,
    /// How several servers are reached at once, where they can be.
    pub(super) several: Option<Several>,
}

impl Stage {
    /// Sends the request of one cell. A cell that needs its server for itself keeps it until the upstreams are at rest.
    pub(super) async fn drive(&self, planned: Planned, case: Case) -> Driven {
        let Planned { cell, server, alone } = &planned;
        let session = self.session_to_end(&planned, &case).await;
        let orders = matrix::orders_of(cell);
        let mut standing = Vec::new();
        if *alone {
            // Always in the order of the configuration, so that no two cases wait for each other.
            for (server, behaviour) in &orders {
                standing.push(self.fleet.standing_order(server, case.id.clone(), behaviour).await);
            }
        }
        let mut request = self.request(cell, server, &orders, &case);
        request.headers.extend(session.map(|session| (SESSION.to_owned(), session)));
        let exchange = self.client.send(&request).await;
        if !standing.is_empty() {
            self.settled(&case, sessions_of(cell)).await;
        }
        Driven { planned, case, exchange }
    }

    /// Opens the session that a cell is about to end, as its caller does where all is well, and has what that took forgotten. There is
    /// none where nothing can be opened, and none in the revision that has no sessions.
    async fn session_to_end(&self, planned: &Planned, case: &Case) -> Option<String> {
        let Planned { cell, server, .. } = planned;
        let can_open = self.has_sessions
            && !matches!(
                cell.server,
                ServerKind::Ungranted | ServerKind::Unknown | ServerKind::Several
            );
        let is_planned = Behaviours::embedded()
            .find(&cell.upstream)
            .is_some_and(|found| found.server().is_some());
        if cell.method != Method::Delete
            || !can_open
            || is_planned
            || cell.era == ProtocolVersion::V2026_07_28
        {
            return None;
        }
        let order = match needs_order(Credentials::KeyAndToken, server) {
            true => Some(self.fleet.standing_order(server, case.id.clone(), "200-json").await),
            false => None,
        };
        let token = case.script(&[(String::new(), "200-json".to_owned())]).token();
        let caller = Caller { credentials: Credentials::KeyAndToken, token: &token };
        let path = cell.route.replace("{server}", server);
        let opening = request(
            Ask::Mcp(Method::Initialize),
            cell.era,
            caller,
            path,
            case,
            &self.layout,
            self.fleet.plan(),
        );
        let opened = self.client.send(&opening).await;
        self.settled(case, 1).await;
        drop(order);
        self.fleet.record().begin_again(&case.id);
        header(&opened.headers, SESSION).map(str::to_owned)
    }

    fn request(&self, cell: &Cell, server: &str, orders: &[(&str, &str)], case: &Case) -> Request {
        let (plan, layout) = (self.fleet.plan(), &self.layout);
        let Some(several) = self.several.as_ref().filter(|_| cell.server == ServerKind::Several)
        else {
            let token = case.script(&[(String::new(), cell.upstream.clone())]).token();
            let path = cell.route.replace("{server}", server);
            let caller = Caller { credentials: cell.credentials, token: &token };
            return request(Ask::Mcp(cell.method), cell.era, caller, path, case, layout, plan);
        };
        let script: Vec<(String, String)> = orders
            .iter()
            .map(|(server, order)| ((*server).to_owned(), (*order).to_owned()))
            .collect();
        let (path, narrowed) = several.address(&cell.route, &names::SEVERAL.join(","), names::TRIO);
        let tool = several.tool(server, "echo");
        let ask = if cell.method == Method::ToolsCall {
            Ask::Tool(&tool)
        } else {
            Ask::Mcp(cell.method)
        };
        let token = case.script(&script).token();
        let caller = Caller { credentials: cell.credentials, token: &token };
        let mut request = request(ask, cell.era, caller, path, case, layout, plan);
        request.headers.extend(narrowed);
        request
    }

    /// Everything recorded of a driven cell, once the upstreams are at rest.
    pub(super) async fn collect(&self, driven: Driven) -> Collected {
        let Driven { planned: Planned { cell, .. }, case, exchange } = driven;
        let settled = self.settled(&case, sessions_of(&cell)).await;
        Collected { cell, trace: self.trace(&case, vec![exchange]), settled }
    }

    /// Waits until the upstreams are at rest about a case, or for as long as one may hope for it.
    pub(super) async fn settled(&self, case: &Case, live_sessions: usize) -> bool {
        self.fleet.record().settled(&case.id, live_sessions, SETTLE_WITHIN).await
    }

    /// The trace of a case.
    pub(super) fn trace(&self, case: &Case, exchanges: Vec<Exchange>) -> Trace {
        let arrivals = self.fleet.record().of(&case.id);
        Trace {
            case: case.id.clone(),
            exchanges,
            arrivals,
            secrets: case.secrets(self.fleet.plan()),
        }
    }

    /// The trace of a case that is not driven.
    pub(super) fn empty_trace(&self) -> Trace {
        self.trace(&self.numbers.case(), Vec::new())
    }

    /// A call that must reach a healthy server and come back: it shows that what came before it has had its turn, that the
    /// implementation still serves, and that "nothing arrived" means something.
    pub(super) async fn fence(&self) -> Result<(), String> {
        let case = self.numbers.case();
        let server = names::FORWARDING[0];
        let token = case.script(&[(String::new(), "200-json".to_owned())]).token();
        let path = self.route.replace("{server}", server);
        let caller = Caller { credentials: Credentials::KeyAndToken, token: &token };
        let request = request(
            Ask::Mcp(Method::ToolsList),
            ProtocolVersion::default(),
            caller,
            path,
            &case,
            &self.layout,
            self.fleet.plan(),
        );
        let exchange = self.client.send(&request).await;
        let arrivals = self.fleet.record().of(&case.id);
        let reached = arrivals.iter().any(|arrival| {
            arrival.server == server && arrival.rpc_method.as_deref() == Some("tools/list")
        });
        let answered = exchange.status == Some(200) && exchange.ending == Ending::Complete;
        match (answered, reached) {
            (true, true) => Ok(()),
            (true, false) => Err(format!(
                "a healthy call was answered 200, and its tools/list never reached {server}"
            )),
            (false, _) => {
                let status =
                    exchange.status.map_or("no status".to_owned(), |status| status.to_string());
                let ending = ending_in_words(exchange.ending);
                Err(format!(
                    "a healthy call got {status}, {ending}; {server} saw {} requests of it",
                    arrivals.len()
                ))
            }
        }
    }
}

/// Whether cells with those credentials could tell the upstream what to do.
#[must_use]
pub(super) fn needs_order(credentials: Credentials, server: &str) -> bool {
    !carries_script(credentials) || [names::STATIC, names::MINTED, names::OPEN].contains(&server)
}

/// How many sessions the client itself has opened, and may keep.
fn sessions_of(cell: &Cell) -> usize {
    if cell.method == Method::Initialize {
        matrix::orders_of(cell).len()
    } else {
        0
    }
}
