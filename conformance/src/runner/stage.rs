//! One running implementation with the client in front of it and the mock upstreams behind it: sends what a matrix case says and collects what was seen.
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
        matrix_case::{MatrixCase, is_scripted},
    },
    catalogue::ProtocolVersion,
    client::{
        Client, Request,
        case_request::{Ask, Caller, Case, carries_script, request},
    },
    implementations::{AggregateEndpoints, CredentialLayout},
    trace::{Ending, Exchange, Trace, ending_in_words, header},
    upstreams::MockUpstreams,
};

/// How long the upstreams may take to come to rest after a case.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);

/// The header that names a session.
pub(super) const SESSION: &str = "mcp-session-id";

/// Gives every case of a run its number.
#[derive(Clone, Debug)]
pub struct CaseNumbers {
    seed: u64,
    next: Arc<AtomicU64>,
}

impl CaseNumbers {
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

/// A matrix case with the server that it is driven on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// The matrix case.
    pub(super) matrix_case: MatrixCase,
    /// The server's name in the plan.
    pub(super) server: &'static str,
    /// Whether no token tells the upstream what to do, so that the matrix case needs the server for itself.
    pub(super) alone: bool,
}

impl Planned {
    /// Finds the matrix case's server. Only a token that the gateway hands on can tell an upstream what to do.
    pub(super) fn new(matrix_case: MatrixCase) -> Self {
        Self {
            server: matrix::server_of(&matrix_case),
            alone: !is_scripted(&matrix_case),
            matrix_case,
        }
    }
}

/// A matrix case that has been driven, before what the upstreams saw of it is collected.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) planned: Planned,
    case: Case,
    exchange: Exchange,
}

/// A matrix case with everything that was recorded of it.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) matrix_case: MatrixCase,
    pub(super) trace: Trace,
    /// Whether the upstreams had come to rest.
    pub(super) settled: bool,
}

/// One running implementation between client and mock upstreams.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) upstreams: Arc<MockUpstreams>,
    pub(super) client: Client,
    pub(super) credential_layout: CredentialLayout,
    pub(super) numbers: CaseNumbers,
    /// The route that scenarios and fences use.
    pub(super) route: String,
    /// Whether clients are given sessions that they can end.
    pub(super) has_sessions: bool,
    /// The longest message that the implementation takes, where it says.
    pub(super) message_bytes: Option<usize>,
    /// How several servers are reached at once, where they can be.
    pub(super) several: Option<AggregateEndpoints>,
}

impl Stage {
    /// Sends the request of one matrix case. A matrix case that needs its server for itself keeps it until the upstreams are at rest.
    pub(super) async fn drive(&self, planned: Planned, case: Case) -> Driven {
        let Planned { matrix_case, server, alone } = &planned;
        let session = self.session_to_end(&planned, &case).await;
        let orders = matrix::orders_of(matrix_case);
        let mut standing = Vec::new();
        if *alone {
            // Always in the order of the configuration, so that no two cases wait for each other.
            for (server, behaviour) in &orders {
                standing.push(
                    self.upstreams.assign_behaviour(server, case.id.clone(), behaviour).await,
                );
            }
        }
        let mut request = self.request(matrix_case, server, &orders, &case);
        request.headers.extend(session.map(|session| (SESSION.to_owned(), session)));
        let exchange = self.client.send(&request).await;
        if !standing.is_empty() {
            self.settled(&case, sessions_of(matrix_case)).await;
        }
        Driven { planned, case, exchange }
    }

    /// Opens the session that a matrix case is about to end, as its caller does where all is well, and has what that took forgotten. There is
    /// none where nothing can be opened, and none in the revision that has no sessions.
    async fn session_to_end(&self, planned: &Planned, case: &Case) -> Option<String> {
        let Planned { matrix_case, server, .. } = planned;
        let can_open = self.has_sessions
            && !matches!(
                matrix_case.server,
                ServerKind::NotPermitted | ServerKind::Unknown | ServerKind::Aggregate
            );
        let is_planned = Behaviours::embedded()
            .find(&matrix_case.upstream)
            .is_some_and(|found| found.server().is_some());
        if matrix_case.method != Method::Delete
            || !can_open
            || is_planned
            || matrix_case.protocol_version == ProtocolVersion::V2026_07_28
        {
            return None;
        }
        let order = match needs_order(Credentials::KeyAndToken, server) {
            true => {
                Some(self.upstreams.assign_behaviour(server, case.id.clone(), "200-json").await)
            }
            false => None,
        };
        let token = case.script(&[(String::new(), "200-json".to_owned())]).token();
        let caller = Caller { credentials: Credentials::KeyAndToken, token: &token };
        let path = matrix_case.route.replace("{server}", server);
        let opening = request(
            Ask::Mcp(Method::Initialize),
            matrix_case.protocol_version,
            caller,
            path,
            case,
            &self.credential_layout,
            self.upstreams.deployment(),
        );
        let opened = self.client.send(&opening).await;
        self.settled(case, 1).await;
        drop(order);
        self.upstreams.record().begin_again(&case.id);
        header(&opened.headers, SESSION).map(str::to_owned)
    }

    fn request(
        &self,
        matrix_case: &MatrixCase,
        server: &str,
        orders: &[(&str, &str)],
        case: &Case,
    ) -> Request {
        let (deployment, credential_layout) =
            (self.upstreams.deployment(), &self.credential_layout);
        let Some(several) =
            self.several.as_ref().filter(|_| matrix_case.server == ServerKind::Aggregate)
        else {
            let token = case.script(&[(String::new(), matrix_case.upstream.clone())]).token();
            let path = matrix_case.route.replace("{server}", server);
            let caller = Caller { credentials: matrix_case.credentials, token: &token };
            return request(
                Ask::Mcp(matrix_case.method),
                matrix_case.protocol_version,
                caller,
                path,
                case,
                credential_layout,
                deployment,
            );
        };
        let script: Vec<(String, String)> = orders
            .iter()
            .map(|(server, order)| ((*server).to_owned(), (*order).to_owned()))
            .collect();
        let (path, narrowed) =
            several.address(&matrix_case.route, &names::AGGREGATE.join(","), names::TRIO);
        let tool = several.tool(server, "echo");
        let ask = if matrix_case.method == Method::ToolsCall {
            Ask::Tool(&tool)
        } else {
            Ask::Mcp(matrix_case.method)
        };
        let token = case.script(&script).token();
        let caller = Caller { credentials: matrix_case.credentials, token: &token };
        let mut request = request(
            ask,
            matrix_case.protocol_version,
            caller,
            path,
            case,
            credential_layout,
            deployment,
        );
        request.headers.extend(narrowed);
        request
    }

    /// Everything recorded of a driven matrix case, once the upstreams are at rest.
    pub(super) async fn collect(&self, driven: Driven) -> Collected {
        let Driven { planned: Planned { matrix_case, .. }, case, exchange } = driven;
        let settled = self.settled(&case, sessions_of(&matrix_case)).await;
        Collected {
            matrix_case,
            trace: self.trace(&case, vec![exchange]),
            settled,
        }
    }

    /// Waits until the upstreams are at rest about a case, or for as long as one may hope for it.
    pub(super) async fn settled(&self, case: &Case, live_sessions: usize) -> bool {
        self.upstreams.record().settled(&case.id, live_sessions, SETTLE_WITHIN).await
    }

    /// The trace of a case.
    pub(super) fn trace(&self, case: &Case, exchanges: Vec<Exchange>) -> Trace {
        let arrivals = self.upstreams.record().of(&case.id);
        Trace {
            case: case.id.clone(),
            exchanges,
            arrivals,
            secrets: case.secrets(self.upstreams.deployment()),
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
            &self.credential_layout,
            self.upstreams.deployment(),
        );
        let exchange = self.client.send(&request).await;
        let arrivals = self.upstreams.record().of(&case.id);
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

/// Whether matrix cases with those credentials could tell the upstream what to do.
#[must_use]
pub(super) fn needs_order(credentials: Credentials, server: &str) -> bool {
    !carries_script(credentials) || [names::STATIC, names::MINTED, names::OPEN].contains(&server)
}

/// How many sessions the client itself has opened, and may keep.
fn sessions_of(matrix_case: &MatrixCase) -> usize {
    if matrix_case.method == Method::Initialize {
        matrix::orders_of(matrix_case).len()
    } else {
        0
    }
}
