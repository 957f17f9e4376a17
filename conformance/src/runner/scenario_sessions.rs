//! Opens the sessions that the steps of a scenario need: one for each endpoint and caller.
//!
//! All of them are opened before the first step, because opening a session restarts the record of
//! the case. A step that opens a session itself, or that names one, keeps its meaning.

use super::{
    aggregate::{address, aggregate_token, behaviours},
    case_session::{Company, Endpoint, FailedOpening, Opening, ScenarioSessions, SessionKey},
    driver::{Driver, needs_assigned_behaviour},
};
use crate::{
    cases::{
        axis::{Credentials, Method},
        behaviour::Behaviours,
        scenario::{AggregateStep, CallerName, Message, RawStep, RequestStep, Scenario, Step},
    },
    client::{case::Case, session::SESSION},
};

/// A session that a scenario needs.
struct Needed<'a> {
    key: SessionKey,
    /// The token of the first step in the session.
    token: String,
    /// The number of servers of the endpoint.
    servers: usize,
    /// The server of the endpoint; `None` for an aggregate endpoint.
    server: Option<&'a str>,
}

impl Driver {
    /// Opens the sessions of a scenario.
    ///
    /// A session with a server that cannot be reached is optional, unless the observations are
    /// about this server: the steps at its endpoint are then sent without a session.
    ///
    /// # Errors
    ///
    /// The gateway did not open a session that is not optional.
    pub(super) async fn open_scenario_sessions(
        &self,
        scenario: &Scenario,
        case: &Case,
        company: Company,
    ) -> Result<ScenarioSessions, FailedOpening> {
        let mut sessions = ScenarioSessions::default();
        if !self.needs_session(scenario.protocol_version) {
            return Ok(sessions);
        }
        for needed in self.needed_sessions(scenario, case) {
            let Needed { key, token, servers, server } = needed;
            let opening = Opening {
                endpoint: key.0.clone(),
                protocol_version: scenario.protocol_version,
                caller: key.1,
                token,
                servers,
                company,
            };
            let assigned_server =
                server.filter(|name| needs_assigned_behaviour(Credentials::KeyAndToken, name));
            let _assigned = match assigned_server {
                Some(server) => {
                    Some(self.upstreams.assign_behaviour(server, case.id.clone(), "200-json").await)
                }
                None => None,
            };
            let optional = server.is_some_and(|server| is_optional(server, scenario));
            let opened = if optional {
                self.open_session(&opening, case).await
            } else {
                self.open_needed_session(&opening, case).await
            };
            match opened {
                Ok(session) => sessions.open.push((key, session)),
                Err(_) if optional => self.upstreams.record().restart_case(&case.id),
                Err(failed) => {
                    for session in sessions.all() {
                        self.end_session(session, case).await;
                    }
                    return Err(failed);
                }
            }
        }
        Ok(sessions)
    }

    /// The sessions that the steps of a scenario need, each once.
    fn needed_sessions<'a>(&self, scenario: &'a Scenario, case: &Case) -> Vec<Needed<'a>> {
        let mut needed: Vec<Needed<'a>> = Vec::new();
        let mut add = |key: Option<SessionKey>, token: String, servers, server: Option<&'a str>| {
            let new_key = key.filter(|key| needed.iter().all(|known| known.key != *key));
            needed.extend(new_key.map(|key| Needed { key, token, servers, server }));
        };
        for step in &scenario.steps {
            match step {
                Step::Request(step) => {
                    for server in &step.servers {
                        let key = self.endpoint_of_request(step, server, case);
                        add(key, self.token_of(step, case), 1, Some(server));
                    }
                }
                Step::ConcurrentRequests(concurrent) => {
                    let step = concurrent.request();
                    for server in &concurrent.servers {
                        let key = self.endpoint_of_request(&step, server, case);
                        add(key, self.token_of(&step, case), 1, Some(server));
                    }
                }
                Step::Raw(raw) => {
                    let server = scenario_server(step);
                    let key = self.endpoint_of_raw(raw, server, case);
                    add(key, self.token_of(&raw.request(), case), 1, Some(server));
                }
                Step::Aggregate(step) => {
                    let behaviours = behaviours(step, self.upstreams.deployment());
                    let token = aggregate_token(step, &behaviours, case);
                    add(self.endpoint_of_aggregate(step), token, behaviours.len(), None);
                }
                Step::FetchMetadata(_) => {}
            }
        }
        needed
    }

    /// The endpoint and the caller of a step that needs a session.
    ///
    /// `None` if the step opens or names a session itself, is not an MCP request, or is sent to an
    /// endpoint at which the caller can have no session.
    pub(super) fn endpoint_of_request(
        &self,
        step: &RequestStep,
        server: &str,
        case: &Case,
    ) -> Option<SessionKey> {
        let is_in_session = is_sent_in_session(&step.send)
            && !step.session
            && !names_session(step.headers.iter().chain(&step.replace_headers))
            && self.may_use(server, step.caller);
        let path = step.path.split('?').next().unwrap_or_default();
        // A path with a slash at its end is another spelling of the same endpoint. Any other path
        // is a hostile one, which leads to no server.
        let path = path.strip_suffix('/').unwrap_or(path);
        if !is_in_session || path != "{endpoint}" {
            return None;
        }
        let path = self.values(server, &self.token_of(step, case)).fill(path);
        Some((Endpoint { path, fields: Vec::new() }, step.caller))
    }

    /// The endpoint and the caller of a raw step, unless its lines name a session.
    pub(super) fn endpoint_of_raw(
        &self,
        raw: &RawStep,
        server: &str,
        case: &Case,
    ) -> Option<SessionKey> {
        let names_session =
            raw.lines.iter().any(|line| line.to_ascii_lowercase().contains(SESSION));
        if names_session {
            return None;
        }
        self.endpoint_of_request(&raw.request(), server, case)
    }

    /// The endpoint and the caller of an aggregate step that needs a session.
    ///
    /// `None` if the step opens or names a session itself, or if it selects anything but servers
    /// that the caller may use.
    pub(super) fn endpoint_of_aggregate(&self, step: &AggregateStep) -> Option<SessionKey> {
        let endpoints = self.aggregate.as_ref()?;
        let is_selectable = match &step.toolset {
            Some(name) => {
                let toolsets = &self.upstreams.deployment().toolsets;
                toolsets.iter().any(|toolset| toolset.name == *name)
            }
            None => {
                step.unknown_names == 0
                    && !step.servers.is_empty()
                    && step.servers.iter().all(|server| self.may_use(server, step.caller))
            }
        };
        let is_in_session = (step.tool.is_some() || is_sent_in_session(&step.send))
            && !step.session
            && !names_session(step.headers.iter().chain(&step.replace_headers))
            && is_selectable;
        if !is_in_session {
            return None;
        }
        let (path, fields) = address(endpoints, step);
        Some((Endpoint { path, fields }, step.caller))
    }

    /// Whether a caller may use a server. The key of the second caller opens every server.
    fn may_use(&self, server: &str, caller: CallerName) -> bool {
        self.upstreams.deployment().server(server).is_some_and(|server| {
            !server.disabled && (server.granted || caller == CallerName::Second)
        })
    }
}

/// Whether a message belongs to a session. `initialize` opens one.
fn is_sent_in_session(message: &Message) -> bool {
    matches!(message, Message::Mcp(method) if *method != Method::Initialize)
}

fn names_session<'a>(mut headers: impl Iterator<Item = &'a (String, String)>) -> bool {
    headers.any(|(name, _)| name.eq_ignore_ascii_case(SESSION))
}

/// The server of a step.
fn scenario_server(step: &Step) -> &str {
    step.server().unwrap_or_default()
}

/// Whether the session with a server is optional: the server cannot be reached, and the
/// observations of the scenario are about another one.
fn is_optional(server: &str, scenario: &Scenario) -> bool {
    let is_unreachable =
        Behaviours::embedded().all().any(|behaviour| behaviour.server() == Some(server));
    is_unreachable && server != scenario.server()
}
