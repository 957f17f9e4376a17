//! Sends the request of a matrix case to a running implementation and collects its trace.
//!
//! A driver stands between one running implementation and the mock upstreams. It judges nothing,
//! and does not know batches or damage.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    attribution::{Attribution, attribution},
    case_session::{Company, Endpoint, FailedOpening, OpenSession, Opening, RemainingSessions},
};
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind},
        behaviour::Behaviours,
        deployment::names,
        matrix,
        matrix_case::{MatrixCase, is_scripted},
        scenario::CallerName,
    },
    catalogue::ProtocolVersion,
    client::{
        Client, Request,
        case::Case,
        case_request::{Caller, CaseRequest, RequestKind, carries_script},
    },
    implementations::{AggregateEndpoints, CredentialLayout},
    trace::{Exchange, Trace},
    upstreams::MockUpstreams,
};

/// How long the mock upstreams may take to settle after a case.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);

/// How long no request may arrive at the mock upstreams before they count as quiet.
const QUIET_FOR: Duration = Duration::from_millis(400);
/// How long the mock upstreams may take to become quiet.
const QUIET_WITHIN: Duration = Duration::from_secs(4);

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
    /// Whether nothing else happens while the case runs.
    pub(super) company: Company,
}

impl PlannedCase {
    /// Finds the server of a matrix case.
    pub(super) fn new(case: MatrixCase) -> Self {
        Self {
            server: matrix::server_of(&case),
            exclusive: !is_scripted(&case),
            company: Company::Others,
            case,
        }
    }
}

/// A matrix case whose request has been sent and whose response has been read.
#[derive(Debug)]
pub(super) struct DrivenCase {
    matrix_case: MatrixCase,
    case: Case,
    /// The exchange of the case, or those that failed to open its session.
    exchanges: Vec<Exchange>,
    /// The time from the request of the client to the end of its response, in milliseconds since
    /// the start of the mock upstreams. `None` if the attribution of requests is no question.
    client_time: Option<Range<f64>>,
    /// The session that is to be ended when the trace has been collected.
    session: Option<OpenSession>,
    /// How many attempts the opening of the session took; zero without a session.
    session_attempts: usize,
    /// Why the case proves nothing.
    no_evidence: Option<String>,
    /// The trace, if it had to be collected at once, and whether the mock upstreams settled.
    collected: Option<(Trace, bool)>,
}

/// A matrix case and its trace.
#[derive(Debug)]
pub(super) struct CollectedCase {
    pub(super) case: MatrixCase,
    pub(super) trace: Trace,
    /// Whether the upstream requests of the trace belong to the case.
    pub(super) attribution: Attribution,
    /// Whether the mock upstreams settled in time.
    pub(super) settled: bool,
    /// How many attempts the opening of the session took; zero without a session.
    pub(super) session_attempts: usize,
    /// Why the case proves nothing.
    pub(super) no_evidence: Option<String>,
}

impl CollectedCase {
    /// A case whose request was not sent.
    pub(super) fn not_sent(case: MatrixCase, trace: Trace) -> Self {
        Self {
            case,
            trace,
            attribution: Attribution::Certain,
            settled: true,
            session_attempts: 0,
            no_evidence: None,
        }
    }
}

/// Whether a matrix case is sent in a session that the suite opens before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionUse {
    /// It is not.
    None,
    /// It is, if the gateway opens a session. The case ends the session.
    IfOpened,
    /// It is. If the gateway opens no session, the case is inconclusive.
    Required,
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
    /// Whether a request of a session-based protocol version needs a session.
    pub(super) requires_sessions: bool,
    /// The upstream sessions that stay open after a client has opened its session.
    pub(super) remaining_sessions: RemainingSessions,
    /// The server of the positive control.
    pub(super) control_server: &'static str,
    /// The longest message that the implementation accepts, in bytes, if it is declared.
    pub(super) message_bytes: Option<usize>,
    /// The aggregate endpoints, if there are any.
    pub(super) aggregate: Option<AggregateEndpoints>,
}

impl Driver {
    /// Sends the request of a matrix case and reads the response.
    ///
    /// A case that needs its server exclusively keeps it until the mock upstreams have settled, and
    /// until its session has ended.
    pub(super) async fn drive(&self, planned: PlannedCase, case: Case) -> DrivenCase {
        let PlannedCase { case: matrix_case, server, exclusive, company } = planned;
        self.quiet_period(company).await;
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
        let opening = Opening { company, ..self.opening_of(&matrix_case, server, &case) };
        let session_use = self.session_use(&matrix_case);
        let session = match session_use {
            SessionUse::None => None,
            SessionUse::IfOpened => self.open_session(&opening, &case).await.ok(),
            SessionUse::Required => match self.open_needed_session(&opening, &case).await {
                Ok(session) => Some(session),
                Err(failed) => return DrivenCase::without_session(matrix_case, case, failed),
            },
        };
        let mut request = self.matrix_request(&matrix_case, server, &opening, &case);
        if let Some(session) = &session {
            session.client.apply_to(&mut request);
        }
        let begin = self.upstreams.elapsed_ms();
        let exchange = self.client.send(&request).await;
        let client_time = begin..self.upstreams.elapsed_ms();
        self.quiet_period(company).await;
        let ends_session = matrix_case.method == Method::Delete
            && exchange.status.is_some_and(|status| status < 300);
        let mut driven = DrivenCase {
            session_attempts: session.as_ref().map_or(0, |session| session.attempts),
            session: session.filter(|_| session_use == SessionUse::Required && !ends_session),
            no_evidence: self.unaddressed_session(&matrix_case, &exchange, &case),
            matrix_case,
            case,
            exchanges: vec![exchange],
            client_time: Some(client_time).filter(|_| company == Company::Others),
            collected: None,
        };
        if driven.session.is_some() && !assigned.is_empty() {
            driven.collected = Some(self.collect_trace(&mut driven).await);
        } else if !assigned.is_empty() {
            self.wait_until_settled(&driven.case, sessions_of(&driven.matrix_case)).await;
        }
        driven
    }

    /// Waits until the mock upstreams are quiet, if a case runs alone.
    pub(super) async fn quiet_period(&self, company: Company) {
        if company == Company::Alone {
            // A gateway that never stops sending requests is judged nevertheless.
            self.upstreams.record().wait_until_quiet(QUIET_FOR, QUIET_WITHIN).await;
        }
    }

    /// Whether a matrix case is sent in a session.
    ///
    /// `initialize` opens a session itself. At the endpoint of an unknown server, or of one that
    /// the caller may not use, no client has a session.
    fn session_use(&self, matrix_case: &MatrixCase) -> SessionUse {
        let MatrixCase { method, protocol_version, server, upstream, .. } = matrix_case;
        if *protocol_version == ProtocolVersion::V2026_07_28
            || *method == Method::Initialize
            || matches!(server, ServerKind::NotPermitted | ServerKind::Unknown)
        {
            return SessionUse::None;
        }
        if self.needs_session(*protocol_version) {
            return SessionUse::Required;
        }
        let is_unreachable = Behaviours::embedded()
            .find(upstream)
            .is_some_and(|behaviour| behaviour.server().is_some());
        let ends_own_session = self.clients_end_sessions
            && *method == Method::Delete
            && *server != ServerKind::Aggregate
            && !is_unreachable;
        if ends_own_session { SessionUse::IfOpened } else { SessionUse::None }
    }

    /// Why a request that no client can send in a session proves nothing.
    ///
    /// A gateway that requires sessions may answer 400 before it looks for the server. If it
    /// contacted an upstream nevertheless, the case is judged.
    fn unaddressed_session(
        &self,
        matrix_case: &MatrixCase,
        exchange: &Exchange,
        case: &Case,
    ) -> Option<String> {
        let needs_session = self.needs_session(matrix_case.protocol_version)
            && matrix_case.method != Method::Initialize
            && self.session_use(matrix_case) == SessionUse::None;
        let is_unjudged = needs_session
            && exchange.status == Some(400)
            && self.upstreams.record().arrivals(&case.id).is_empty();
        is_unjudged.then(|| {
            "the request got 400, because a client can have no session at this endpoint".to_owned()
        })
    }

    /// How the session of a matrix case is opened.
    fn opening_of(&self, matrix_case: &MatrixCase, server: &str, case: &Case) -> Opening {
        let MatrixCase { route, upstream, protocol_version, .. } = matrix_case;
        let (endpoint, token) = match &self.aggregate {
            Some(aggregate) if matrix_case.server == ServerKind::Aggregate => {
                let servers = names::AGGREGATE.map(str::to_owned);
                let (path, fields) = aggregate.address(route, &servers, None);
                let script: Vec<(String, String)> = matrix::behaviours_of(matrix_case)
                    .into_iter()
                    .map(|(server, behaviour)| (server.to_owned(), behaviour.to_owned()))
                    .collect();
                (Endpoint { path, fields }, case.script(&script).token())
            }
            _ => {
                let path = route.replace("{server}", server);
                let endpoint = Endpoint { path, fields: Vec::new() };
                (endpoint, token_for_all_servers(case, upstream))
            }
        };
        Opening {
            endpoint,
            protocol_version: *protocol_version,
            caller: CallerName::First,
            token,
            servers: matrix::behaviours_of(matrix_case).len(),
            company: Company::Others,
        }
    }

    /// The request of a matrix case, with the endpoint and the token of its session.
    fn matrix_request(
        &self,
        matrix_case: &MatrixCase,
        server: &str,
        opening: &Opening,
        case: &Case,
    ) -> Request {
        let tool = match &self.aggregate {
            Some(aggregate) if matrix_case.server == ServerKind::Aggregate => {
                aggregate.tool(server, "echo")
            }
            _ => "echo".to_owned(),
        };
        let kind = if matrix_case.method == Method::ToolsCall {
            RequestKind::ToolCall(&tool)
        } else {
            RequestKind::Mcp(matrix_case.method)
        };
        let caller = Caller { credentials: matrix_case.credentials, token: &opening.token };
        let Opening { endpoint, protocol_version, .. } = opening;
        let mut request = self.request(kind, *protocol_version, caller, &endpoint.path, case);
        request.headers.extend(endpoint.fields.iter().cloned());
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
    pub(super) async fn collect(&self, mut driven: DrivenCase) -> CollectedCase {
        let (trace, settled) = match driven.collected.take() {
            Some(collected) => collected,
            None => self.collect_trace(&mut driven).await,
        };
        let own_sessions = self.upstreams.record().sessions(&driven.case.id);
        CollectedCase {
            case: driven.matrix_case,
            attribution: driven.client_time.map_or(Attribution::Certain, |client_time| {
                attribution(&trace, &client_time, &own_sessions)
            }),
            trace,
            settled,
            session_attempts: driven.session_attempts,
            no_evidence: driven.no_evidence,
        }
    }

    /// The trace of a matrix case, and whether the mock upstreams settled. Ends the session.
    async fn collect_trace(&self, driven: &mut DrivenCase) -> (Trace, bool) {
        let DrivenCase { matrix_case, case, exchanges, session, .. } = driven;
        let settled = self.wait_until_settled(case, sessions_of(matrix_case)).await;
        let trace = self.trace(case, std::mem::take(exchanges));
        if let Some(session) = session.take() {
            self.end_session(&session, case).await;
        }
        (trace, settled)
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
            connections_without_request: Vec::new(),
            secrets: case.secrets(self.upstreams.deployment()),
        }
    }

    /// The trace of a new case that sends nothing.
    pub(super) fn empty_trace(&self) -> Trace {
        self.trace(&self.case_numbers.next_case(), Vec::new())
    }
}

impl DrivenCase {
    /// A case whose session could not be opened. Its request was not sent.
    fn without_session(matrix_case: MatrixCase, case: Case, failed: FailedOpening) -> Self {
        Self {
            matrix_case,
            case,
            exchanges: failed.exchanges,
            client_time: None,
            session: None,
            session_attempts: 0,
            no_evidence: Some(failed.reason),
            collected: None,
        }
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
