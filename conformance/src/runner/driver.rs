//! Sends the request of a matrix case to a running implementation and collects its trace.
//!
//! A driver stands between one running implementation and the mock upstreams. It judges nothing,
//! and does not know batches or damage.

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
        case::Case,
        case_request::{Caller, CaseRequest, RequestKind, carries_script},
    },
    implementations::{AggregateEndpoints, CredentialLayout},
    trace::{Exchange, Trace, header},
    upstreams::MockUpstreams,
};

/// How long the mock upstreams may take to settle after a case.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);

/// The header field of a session id.
pub(super) const SESSION: &str = "mcp-session-id";

/// Numbers the cases of a run.
#[derive(Clone, Debug)]
pub(super) struct CaseNumbers {
    random_seed: u64,
    next: Arc<AtomicU64>,
}

impl CaseNumbers {
    /// Numbers from one on, for a run with this random seed.
    pub(super) fn new(random_seed: u64) -> Self {
        Self { random_seed, next: Arc::new(AtomicU64::new(1)) }
    }

    /// A new case.
    pub(super) fn next_case(&self) -> Case {
        Case::new(self.random_seed, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A matrix case and the server that it is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedCase {
    pub(super) case: MatrixCase,
    /// The name of the server in the deployment.
    pub(super) server: &'static str,
    /// Whether the case needs its server exclusively, because it has no token with a script.
    pub(super) exclusive: bool,
}

impl PlannedCase {
    /// Finds the server of a matrix case.
    pub(super) fn new(case: MatrixCase) -> Self {
        Self {
            server: matrix::server_of(&case),
            exclusive: !is_scripted(&case),
            case,
        }
    }
}

/// A matrix case whose request has been sent and whose response has been read.
#[derive(Debug)]
pub(super) struct DrivenCase {
    matrix_case: MatrixCase,
    case: Case,
    exchange: Exchange,
}

/// A matrix case and its trace.
#[derive(Debug)]
pub(super) struct CollectedCase {
    pub(super) case: MatrixCase,
    pub(super) trace: Trace,
    /// Whether the mock upstreams settled in time.
    pub(super) settled: bool,
}

/// The connection between one running implementation, the client and the mock upstreams.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) upstreams: Arc<MockUpstreams>,
    pub(super) client: Client,
    pub(super) credential_layout: CredentialLayout,
    pub(super) case_numbers: CaseNumbers,
    /// The route of scenarios and of the positive control.
    pub(super) route: String,
    /// Whether clients get sessions that they can end with DELETE.
    pub(super) clients_end_sessions: bool,
    /// The longest message that the implementation accepts, in bytes, if it is declared.
    pub(super) message_bytes: Option<usize>,
    /// The aggregate endpoints, if there are any.
    pub(super) aggregate: Option<AggregateEndpoints>,
}

impl Driver {
    /// Sends the request of a matrix case and reads the response.
    ///
    /// A case that needs its server exclusively keeps it until the mock upstreams have settled.
    pub(super) async fn drive(&self, planned: PlannedCase, case: Case) -> DrivenCase {
        let session = self.open_session_to_delete(&planned, &case).await;
        let PlannedCase { case: matrix_case, server, exclusive } = planned;
        let behaviours = matrix::behaviours_of(&matrix_case);
        let mut assigned = Vec::new();
        if exclusive {
            // Servers are always assigned in configuration order, so that two cases cannot
            // deadlock.
            for (server, behaviour) in &behaviours {
                let id = case.id.clone();
                assigned.push(self.upstreams.assign_behaviour(server, id, behaviour).await);
            }
        }
        let mut request = if matrix_case.server == ServerKind::Aggregate
            && let Some(aggregate) = &self.aggregate
        {
            self.aggregate_request(&matrix_case, aggregate, server, &behaviours, &case)
        } else {
            self.single_server_request(&matrix_case, server, &case)
        };
        request.headers.extend(session.map(|session| (SESSION.to_owned(), session)));
        let exchange = self.client.send(&request).await;
        if !assigned.is_empty() {
            self.wait_until_settled(&case, sessions_of(&matrix_case)).await;
        }
        DrivenCase { matrix_case, case, exchange }
    }

    /// Opens the session that a DELETE case ends, and removes its requests from the record.
    ///
    /// `None` if the case ends no session, or if no session could be opened. Stateless protocol
    /// versions have no sessions.
    async fn open_session_to_delete(&self, planned: &PlannedCase, case: &Case) -> Option<String> {
        let PlannedCase { case: matrix_case, server, .. } = planned;
        let has_session = self.clients_end_sessions
            && matrix_case.method == Method::Delete
            && matrix_case.protocol_version != ProtocolVersion::V2026_07_28
            && !matches!(
                matrix_case.server,
                ServerKind::NotPermitted | ServerKind::Unknown | ServerKind::Aggregate
            );
        let is_unreachable = Behaviours::embedded()
            .find(&matrix_case.upstream)
            .is_some_and(|behaviour| behaviour.server().is_some());
        if !has_session || is_unreachable {
            return None;
        }
        let assigned = if needs_assigned_behaviour(Credentials::KeyAndToken, server) {
            Some(self.upstreams.assign_behaviour(server, case.id.clone(), "200-json").await)
        } else {
            None
        };
        let initialize = self.request(
            RequestKind::Mcp(Method::Initialize),
            matrix_case.protocol_version,
            Caller {
                credentials: Credentials::KeyAndToken,
                token: &token_for_all_servers(case, "200-json"),
            },
            &matrix_case.route.replace("{server}", server),
            case,
        );
        let exchange = self.client.send(&initialize).await;
        self.wait_until_settled(case, 1).await;
        drop(assigned);
        self.upstreams.record().restart_case(&case.id);
        header(&exchange.headers, SESSION).map(str::to_owned)
    }

    fn single_server_request(
        &self,
        matrix_case: &MatrixCase,
        server: &str,
        case: &Case,
    ) -> Request {
        self.request(
            RequestKind::Mcp(matrix_case.method),
            matrix_case.protocol_version,
            Caller {
                credentials: matrix_case.credentials,
                token: &token_for_all_servers(case, &matrix_case.upstream),
            },
            &matrix_case.route.replace("{server}", server),
            case,
        )
    }

    fn aggregate_request(
        &self,
        matrix_case: &MatrixCase,
        aggregate: &AggregateEndpoints,
        server: &str,
        behaviours: &[(&str, &str)],
        case: &Case,
    ) -> Request {
        let script: Vec<(String, String)> = behaviours
            .iter()
            .map(|(server, behaviour)| ((*server).to_owned(), (*behaviour).to_owned()))
            .collect();
        let servers = names::AGGREGATE.join(",");
        let (path, narrowing) = aggregate.address(&matrix_case.route, &servers, names::TRIO);
        let tool = aggregate.tool(server, "echo");
        let kind = if matrix_case.method == Method::ToolsCall {
            RequestKind::ToolCall(&tool)
        } else {
            RequestKind::Mcp(matrix_case.method)
        };
        let caller = Caller {
            credentials: matrix_case.credentials,
            token: &case.script(&script).token(),
        };
        let mut request = self.request(kind, matrix_case.protocol_version, caller, &path, case);
        request.headers.extend(narrowing);
        request
    }

    /// A request of a case, with the gateway keys of the deployment.
    pub(super) fn request(
        &self,
        kind: RequestKind<'_>,
        protocol_version: ProtocolVersion,
        caller: Caller<'_>,
        path: &str,
        case: &Case,
    ) -> Request {
        CaseRequest {
            kind,
            protocol_version,
            caller,
            path,
            case,
            credential_layout: &self.credential_layout,
            deployment: self.upstreams.deployment(),
        }
        .build()
    }

    /// Waits until the mock upstreams have settled and returns the trace of a matrix case.
    pub(super) async fn collect(&self, driven: DrivenCase) -> CollectedCase {
        let DrivenCase { matrix_case, case, exchange } = driven;
        let settled = self.wait_until_settled(&case, sessions_of(&matrix_case)).await;
        CollectedCase {
            case: matrix_case,
            trace: self.trace(&case, vec![exchange]),
            settled,
        }
    }

    /// Waits until no request of the case is in flight and at most this number of sessions is open.
    ///
    /// Returns false if that took too long.
    pub(super) async fn wait_until_settled(&self, case: &Case, live_sessions: usize) -> bool {
        self.upstreams
            .record()
            .wait_until_settled(&case.id, live_sessions, SETTLE_WITHIN)
            .await
    }

    /// The trace of a case with these exchanges.
    pub(super) fn trace(&self, case: &Case, exchanges: Vec<Exchange>) -> Trace {
        Trace {
            case: case.id.clone(),
            exchanges,
            arrivals: self.upstreams.record().arrivals(&case.id),
            secrets: case.secrets(self.upstreams.deployment()),
        }
    }

    /// The trace of a new case that sends nothing.
    pub(super) fn empty_trace(&self) -> Trace {
        self.trace(&self.case_numbers.next_case(), Vec::new())
    }
}

/// An upstream token of a case that makes every server behave in this way.
pub(super) fn token_for_all_servers(case: &Case, behaviour: &str) -> String {
    case.script(&[(String::new(), behaviour.to_owned())]).token()
}

/// Whether a behaviour must be assigned to the server, because it gets no token with a script.
pub(super) fn needs_assigned_behaviour(credentials: Credentials, server: &str) -> bool {
    !carries_script(credentials) || [names::STATIC, names::MINTED, names::OPEN].contains(&server)
}

/// How many sessions the request of a matrix case opens for the client, which need not be ended.
fn sessions_of(matrix_case: &MatrixCase) -> usize {
    if matrix_case.method == Method::Initialize {
        matrix::behaviours_of(matrix_case).len()
    } else {
        0
    }
}
