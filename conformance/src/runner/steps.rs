//! Drives a scenario: sends its steps in order, each over the kind of connection that it names.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    attribution::{Attribution, attribution},
    case_session::{Company, ScenarioSessions},
    driver::{Driver, needs_assigned_behaviour},
    placeholders::StepValues,
};
use crate::{
    cases::{
        deployment::Deployment,
        scenario::{
            BehaviourFrom, CallerName, ConnectionKind, FetchMetadataStep, Message, Read,
            RequestStep, Scenario, Step,
        },
    },
    catalogue::ProtocolVersion,
    client::{
        Client, Request,
        case::Case,
        case_request::{Caller, CaseRequest, RequestKind},
        exchange_without_response,
        raw_connection::{Persistence, RawConnection},
        session::{ClientSession, SESSION},
    },
    trace::{Exchange, Trace, header},
};

/// How many events a `stream-progress` answer has: three of progress, and the result.
const EVENTS: usize = 4;

/// The observable for which connections are recorded.
const CONNECTIONS: &str = "connections-without-request";

/// The record of a scenario that has been driven.
pub(super) struct DrivenScenario {
    pub(super) trace: Trace,
    /// Whether the mock upstreams settled in time.
    pub(super) settled: bool,
    /// Whether the upstream requests of the trace belong to the scenario.
    pub(super) attribution: Attribution,
    /// Whether a session was opened at the second attempt.
    pub(super) reopened_session: bool,
    /// Why the scenario proves nothing.
    pub(super) no_evidence: Option<String>,
}

impl DrivenScenario {
    /// A scenario with this trace, about which nothing else is to be said.
    pub(super) fn of(trace: Trace) -> Self {
        Self {
            trace,
            settled: true,
            attribution: Attribution::Certain,
            reopened_session: false,
            no_evidence: None,
        }
    }
}

impl Driver {
    /// Drives a scenario to its end, in the sessions that its steps need.
    pub(super) async fn run_scenario(
        self: &Arc<Self>,
        scenario: &Scenario,
        company: Company,
    ) -> DrivenScenario {
        self.quiet_period(company).await;
        let case = self.case_numbers.next_case();
        let sessions = match self.open_scenario_sessions(scenario, &case, company).await {
            Ok(sessions) => sessions,
            Err(failed) => {
                return DrivenScenario {
                    no_evidence: Some(failed.reason),
                    ..DrivenScenario::of(self.trace(&case, failed.exchanges))
                };
            }
        };
        // What was connected before belongs to no step.
        let _ = self.upstreams.record().take_connections_without_request();
        let begin = self.upstreams.elapsed_ms();
        let (mut trace, settled) = self.send_steps(scenario, &sessions, &case).await;
        let client_time = begin..self.upstreams.elapsed_ms();
        let record = self.upstreams.record();
        if scenario.observables().any(|name| name == CONNECTIONS) {
            // When the positive control has returned, earlier connections have been accepted.
            let _ = self.positive_control().await;
            trace.connections_without_request = record.take_connections_without_request();
        }
        let attribution = match company {
            Company::Others => attribution(&trace, &client_time, &record.sessions(&case.id)),
            Company::Alone => {
                self.quiet_period(company).await;
                trace.arrivals = record.arrivals(&case.id);
                Attribution::Certain
            }
        };
        for session in sessions.all() {
            self.end_session(session, &case).await;
        }
        DrivenScenario {
            settled,
            attribution,
            reopened_session: sessions.all().any(|session| session.attempts > 1),
            ..DrivenScenario::of(trace)
        }
    }

    /// Sends the steps of a scenario. The second value says whether the upstreams were at rest
    /// then.
    async fn send_steps(
        self: &Arc<Self>,
        scenario: &Scenario,
        sessions: &ScenarioSessions,
        case: &Case,
    ) -> (Trace, bool) {
        let protocol_version = scenario.protocol_version;
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut shared_connection = None;
        for step in &scenario.steps {
            match step {
                Step::Request(step) => {
                    for server in (0..step.times).flat_map(|_| &step.servers) {
                        let session = sessions.of(self.endpoint_of_request(step, server, case));
                        let mut request =
                            self.request_of(step, server, protocol_version, session, case);
                        request.headers.extend(step.session.then(|| opened(&exchanges)).flatten());
                        let assigned = self.assign(step, server, case).await;
                        let exchange =
                            self.send(step, &request, &mut shared_connection, case).await;
                        exchanges.push(exchange);
                        if assigned.is_some() {
                            self.wait_until_settled(case, scenario.sessions_opened()).await;
                        }
                    }
                }
                Step::ConcurrentRequests(step) => {
                    let step = step.request();
                    let mut running = JoinSet::new();
                    for server in &step.servers {
                        let driver = Arc::clone(self);
                        let session = sessions.of(self.endpoint_of_request(&step, server, case));
                        let request =
                            self.request_of(&step, server, protocol_version, session, case);
                        running.spawn(async move { driver.client.send(&request).await });
                    }
                    exchanges.extend(running.join_all().await);
                }
                Step::Aggregate(step) => {
                    let session = sessions.of(self.endpoint_of_aggregate(step));
                    let sent = self
                        .send_to_aggregate(step, protocol_version, session, case, &exchanges)
                        .await;
                    exchanges.extend(sent);
                }
                Step::Raw(raw) => {
                    let step = raw.request();
                    for server in &step.servers {
                        let session = sessions.of(self.endpoint_of_raw(raw, server, case));
                        let request =
                            self.request_of(&step, server, protocol_version, session, case);
                        let token = self.token_of(&step, case);
                        let bytes = self.values(server, &token).bytes(&raw.lines, &request);
                        exchanges.push(self.client.send_bytes(&bytes).await);
                    }
                }
                Step::FetchMetadata(step) => {
                    let fetched =
                        self.fetch_metadata(step, protocol_version, case, exchanges.last()).await;
                    exchanges.extend(fetched);
                }
            }
        }
        let opened = exchanges
            .iter()
            .filter(|exchange| header(&exchange.headers, SESSION).is_some())
            .count()
            .max(scenario.sessions_opened());
        if !scenario.steps.iter().any(Step::disconnects) {
            let settled = self.wait_until_settled(case, opened).await;
            return (self.trace(case, exchanges), settled);
        }
        // A client that disconnects ends no session. When the positive control has returned, the
        // upstream requests that the abandoned request caused have arrived.
        let mut settled = self.wait_until_settled(case, usize::MAX).await;
        let _ = self.positive_control().await;
        settled &= self.wait_until_settled(case, usize::MAX).await;
        (0..EVENTS).for_each(|_| self.upstreams.release_event(&case.id));
        (self.trace(case, exchanges), settled)
    }

    /// Assigns the behaviour of a step to its server if no token of the step can tell the upstream.
    async fn assign(
        &self,
        step: &RequestStep,
        server: &str,
        case: &Case,
    ) -> Option<impl Sized + use<>> {
        if step.behaviour_from == BehaviourFrom::Assignment
            || needs_assigned_behaviour(step.credentials, server)
        {
            let assigned =
                self.upstreams.assign_behaviour(server, case.id.clone(), &step.behaviour).await;
            return Some(assigned);
        }
        None
    }

    async fn send(
        &self,
        step: &RequestStep,
        request: &Request,
        shared_connection: &mut Option<RawConnection>,
        case: &Case,
    ) -> Exchange {
        let over_http2 = match step.connection {
            ConnectionKind::Http2 => self.client.over_http2().ok(),
            ConnectionKind::Any => None,
            ConnectionKind::Shared => return self.send_shared(request, shared_connection).await,
        };
        let client = over_http2.as_ref().unwrap_or(&self.client);
        match step.read {
            Read::ToEnd => client.send(request).await,
            Read::EventByEvent => self.read_event_by_event(client, request, case).await,
            Read::UntilUpstreamContacted => tokio::select! {
                biased;
                () = self.upstreams.record().wait_for_arrival(&case.id) => {
                    exchange_without_response(request)
                }
                exchange = client.send(request) => exchange,
            },
            Read::UntilFirstEvent => {
                self.upstreams.release_event(&case.id);
                let mut answer = client.open(request).await;
                while events(answer.body_so_far()) == 0 && answer.read_part().await {}
                answer.finish()
            }
        }
    }

    fn request_of(
        &self,
        step: &RequestStep,
        server: &str,
        protocol_version: ProtocolVersion,
        session: Option<&ClientSession>,
        case: &Case,
    ) -> Request {
        let mut token = self.token_of(step, case);
        if let Some(bytes) = step.token_bytes {
            // The padding is a part before the tail, which stays the end of the token.
            let padding = bytes.saturating_sub(token.len() + 1);
            let tail = token.rfind('.').unwrap_or(token.len());
            token.insert_str(tail, &format!(".{}", "p".repeat(padding)));
        }
        let values = self.values(server, &token);
        let filled = |text: &str| values.fill(text);
        let mut credential_layout = self.credential_layout.clone();
        if let Some(scheme) = &step.token_scheme {
            credential_layout.token_prefix.clone_from(scheme);
        }
        let kind = match &step.send {
            Message::Mcp(method) => RequestKind::Mcp(*method),
            Message::Plain(method) => RequestKind::Plain(method),
        };
        let caller = Caller { credentials: step.credentials, token: &token };
        let mut request = CaseRequest {
            kind,
            protocol_version,
            caller,
            path: &filled(&step.path),
            case,
            credential_layout: &credential_layout,
            deployment: &self.deployment_of(step.caller),
        }
        .build();
        if let Some(session) = session {
            session.apply_to(&mut request);
        }
        request.body = step.body.as_deref().map_or(request.body, filled);
        for (name, value) in &step.replace_headers {
            request.headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                request.headers.push((name.clone(), filled(value)));
            }
        }
        request
            .headers
            .extend(step.headers.iter().map(|(name, value)| (filled(name), filled(value))));
        request
    }

    /// The deployment as a caller knows it: the second caller has the other key.
    pub(super) fn deployment_of(&self, caller: CallerName) -> Deployment {
        let mut deployment = self.upstreams.deployment().clone();
        if caller == CallerName::Second {
            deployment.limited_key.clone_from(&deployment.full_key);
        }
        deployment
    }

    /// The token that a step presents.
    pub(super) fn token_of(&self, step: &RequestStep, case: &Case) -> String {
        token_of(step.caller, &[(String::new(), step.behaviour.clone())], case)
    }

    pub(super) fn values<'a>(&'a self, server: &'a str, token: &'a str) -> StepValues<'a> {
        StepValues {
            route: &self.route,
            server,
            token,
            credential_layout: &self.credential_layout,
            deployment: self.upstreams.deployment(),
            host: self.client.authority(),
            elsewhere: self.upstreams.elsewhere(),
            narrowing_header: self
                .aggregate
                .as_ref()
                .and_then(|endpoints| endpoints.narrowing_header.as_deref())
                .unwrap_or("x-mcp-servers"),
            message_bytes: self.message_bytes,
        }
    }

    /// Fetches the metadata that the challenge names if it is at the gateway; without a named URL,
    /// that at the well-known URL of the endpoint, or else of the root (CHL-06).
    async fn fetch_metadata(
        &self,
        step: &FetchMetadataStep,
        protocol_version: ProtocolVersion,
        case: &Case,
        refused: Option<&Exchange>,
    ) -> Option<Exchange> {
        let refused = refused?;
        let fetch = async |path: &str| {
            let caller = Caller { credentials: step.credentials, token: "" };
            let kind = RequestKind::Plain("GET");
            let request = self.request(kind, protocol_version, caller, path, case);
            self.client.send(&request).await
        };
        if let Some(named) = refused.resource_metadata_url() {
            let path = named.strip_prefix(self.client.base_url())?;
            return if path.starts_with('/') { Some(fetch(path).await) } else { None };
        }
        const ROOT: &str = "/.well-known/oauth-protected-resource";
        let of_endpoint = fetch(&format!("{ROOT}{}", refused.path)).await;
        if of_endpoint.status == Some(200) {
            return Some(of_endpoint);
        }
        let of_root = fetch(ROOT).await;
        Some(if of_root.status == Some(200) { of_root } else { of_endpoint })
    }

    /// Sends on the scenario's shared connection, or on a new one if the last response closed the
    /// old one.
    async fn send_shared(
        &self,
        request: &Request,
        connection: &mut Option<RawConnection>,
    ) -> Exchange {
        if connection.as_ref().is_none_or(|connection| !connection.is_reusable()) {
            *connection = RawConnection::open(self.client.authority()).await.ok();
        }
        match connection {
            Some(connection) => {
                connection.send(request, Persistence::KeepAlive, self.client.timeouts()).await
            }
            None => self.client.send(request).await,
        }
    }

    /// Lets the upstream send one event, waits until the client has it, and only then lets it send
    /// the next.
    async fn read_event_by_event(
        &self,
        client: &Client,
        request: &Request,
        case: &Case,
    ) -> Exchange {
        self.upstreams.release_event(&case.id);
        let mut answer = client.open(request).await;
        let mut arrived = 0;
        while answer.read_part().await {
            let now = events(answer.body_so_far());
            (arrived..now).for_each(|_| self.upstreams.release_event(&case.id));
            arrived = now;
        }
        let exchange = answer.finish();
        // The upstream still waits for permission to send these.
        (arrived..EVENTS).for_each(|_| self.upstreams.release_event(&case.id));
        exchange
    }
}

/// The token of a caller of a case; the second caller has one of its own.
pub(super) fn token_of(caller: CallerName, behaviours: &[(String, String)], case: &Case) -> String {
    match caller {
        CallerName::First => case.script(behaviours),
        CallerName::Second => case.second_caller_script(behaviours),
    }
    .token()
}

/// The header line that names the session which was opened last.
pub(super) fn opened(exchanges: &[Exchange]) -> Option<(String, String)> {
    let session = exchanges.iter().rev().find_map(|exchange| header(&exchange.headers, SESSION))?;
    Some((SESSION.to_owned(), session.to_owned()))
}

/// The number of complete events in a body.
fn events(body: &[u8]) -> usize {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    text.split_inclusive("\n\n")
        .filter(|block| {
            block.ends_with("\n\n") && block.lines().any(|line| line.starts_with("data:"))
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::events;

    #[test]
    fn comments_and_incomplete_events_are_not_counted() {
        assert_eq!(
            events(b": keep-alive\n\ndata: 1\n\nevent: message\r\ndata: 2\r\n\r\ndata: 3\n"),
            2
        );
    }
}
