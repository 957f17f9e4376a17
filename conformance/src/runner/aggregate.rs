//! Sends the `aggregate` steps of a scenario: requests for several servers at once.
//!
//! Knows how an implementation is asked for several servers, and nothing of what it ought to
//! answer.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    driver::Driver,
    steps::{opened, token_of},
};
use crate::{
    cases::{
        deployment::{Deployment, names},
        matrix::Axes,
        placeholder::fill,
        scenario::{AggregateStep, Message, Vary},
    },
    catalogue::ProtocolVersion,
    client::{
        Request,
        case::Case,
        case_request::{Caller, CaseRequest, RequestKind},
        session::ClientSession,
    },
    implementations::AggregateEndpoints,
    trace::Exchange,
};

/// How often a client fetches a new token before it gives up.
const ROUNDS: usize = 5;

/// Servers, each with its mock behaviour.
type Behaviours = Vec<(String, String)>;

/// An `aggregate` step in its surroundings.
struct Sending<'a> {
    endpoints: &'a AggregateEndpoints,
    step: &'a AggregateStep,
    protocol_version: ProtocolVersion,
    session: Option<&'a ClientSession>,
    case: &'a Case,
}

impl Driver {
    /// Sends an `aggregate` step. Sends nothing if the implementation has no aggregate endpoint.
    pub(super) async fn send_to_aggregate(
        &self,
        step: &AggregateStep,
        protocol_version: ProtocolVersion,
        session: Option<&ClientSession>,
        case: &Case,
        before: &[Exchange],
    ) -> Vec<Exchange> {
        let Some(endpoints) = &self.aggregate else { return Vec::new() };
        let sending = Sending { endpoints, step, protocol_version, session, case };
        let mut exchanges = Vec::new();
        if step.vary == Vary::TokenOutcomes {
            for mix in Axes::embedded().conclusive_mixes() {
                let behaviours = names::AGGREGATE
                    .map(str::to_owned)
                    .into_iter()
                    .zip(mix.split(',').map(str::to_owned))
                    .collect();
                exchanges.extend(self.until_authorized(&sending, behaviours).await);
            }
            return exchanges;
        }
        let behaviours = behaviours(step, self.upstreams.deployment());
        for nth in 0..step.times {
            if step.vary == Vary::ResponseOrder {
                let servers = behaviours.iter().map(|(server, _)| server.clone()).collect();
                self.upstreams.respond_in_order(&case.id, permutation(servers, nth));
            }
            let mut request = self.scenario_request(&sending, &behaviours);
            request.headers.extend(step.session.then(|| opened(before)).flatten());
            exchanges.push(self.client.send(&request).await);
        }
        exchanges
    }

    /// Follows challenges as a client does: fetches a token that the named server accepts, and
    /// sends the request again.
    async fn until_authorized(
        &self,
        sending: &Sending<'_>,
        mut behaviours: Behaviours,
    ) -> Vec<Exchange> {
        let mut exchanges = Vec::new();
        for _ in 0..=ROUNDS {
            let request = self.scenario_request(sending, &behaviours);
            let exchange = self.client.send(&request).await;
            let refused = exchange.status == Some(401);
            let named =
                exchange.resource_metadata_url().map(|url| url.to_string()).unwrap_or_default();
            exchanges.push(exchange);
            if !refused {
                break;
            }
            for (server, behaviour) in &mut behaviours {
                let is_named = named.split(['/', '?', '&', '=']).any(|part| part == server);
                if is_named && behaviour.starts_with("401") {
                    "200-json".clone_into(behaviour);
                }
            }
        }
        exchanges
    }

    fn scenario_request(&self, sending: &Sending<'_>, behaviours: &Behaviours) -> Request {
        let Sending { endpoints, step, protocol_version, session, case } = sending;
        let token = aggregate_token(step, behaviours, case);
        let (path, narrowing) = address(endpoints, step);
        let tool = step.tool.as_ref().map(|tool| match tool.split_once('/') {
            Some((server, tool)) => endpoints.tool(server, tool),
            None => tool.clone(),
        });
        let kind = match (&tool, &step.send) {
            (Some(tool), _) => RequestKind::ToolCall(tool),
            (None, Message::Mcp(method)) => RequestKind::Mcp(*method),
            (None, Message::Plain(method)) => RequestKind::Plain(method),
        };
        let mut request = CaseRequest {
            kind,
            protocol_version: *protocol_version,
            caller: Caller { credentials: step.credentials, token: &token },
            path: &path,
            case,
            credential_layout: &self.credential_layout,
            deployment: &self.deployment_of(step.caller),
        }
        .build();
        request.headers.extend(narrowing);
        if let Some(session) = session {
            session.apply_to(&mut request);
        }
        for (name, value) in &step.replace_headers {
            request.headers.retain(|(known, _)| known != name);
            let encoded = BASE64_STANDARD.encode(tool.as_deref().unwrap_or_default());
            let value = fill(value, |name| (name == "tool-in-base64").then(|| encoded.clone()));
            request.headers.push((name.clone(), value.unwrap_or_default()));
        }
        request.headers.extend(step.headers.iter().cloned());
        request
    }
}

/// The token of a step that makes its servers behave in this way.
pub(super) fn aggregate_token(
    step: &AggregateStep,
    behaviours: &[(String, String)],
    case: &Case,
) -> String {
    let everywhere = [(String::new(), step.behaviour.clone())];
    let script = if behaviours.is_empty() { &everywhere[..] } else { behaviours };
    token_of(step.caller, script, case)
}

/// The path of a step, and the header line that narrows the request to its servers, where the route
/// needs one.
pub(super) fn address(
    endpoints: &AggregateEndpoints,
    step: &AggregateStep,
) -> (String, Vec<(String, String)>) {
    let mut servers = step.servers.clone();
    servers.extend((0..step.unknown_names).map(|n| format!("nobody{n}")));
    let with_part = |part: &str| endpoints.routes.iter().find(|route| route.contains(part));
    let route = match (&step.toolset, &step.route) {
        (Some(_), _) => with_part("{toolset}"),
        (None, Some(part)) => with_part(part),
        (None, None) => endpoints.route_for(&servers),
    };
    let route = route.map_or("/mcp", String::as_str);
    endpoints.address(route, &servers, step.toolset.as_deref())
}

/// The configured servers of a step that the limited key may use, each with its behaviour.
pub(super) fn behaviours(step: &AggregateStep, deployment: &Deployment) -> Behaviours {
    let toolset = deployment
        .toolsets
        .iter()
        .find(|toolset| Some(&toolset.name) == step.toolset.as_ref());
    let is_selected = |name: &String| match (&step.toolset, toolset) {
        (None, _) => step.servers.contains(name),
        (Some(_), Some(toolset)) => toolset.servers.contains(name),
        (Some(_), None) => false,
    };
    deployment
        .servers
        .iter()
        .filter(|server| server.granted && is_selected(&server.name))
        .map(|server| server.name.clone())
        .zip(step.behaviour.split(',').map(str::to_owned).cycle())
        .collect()
}

/// The n-th permutation, counted from zero; after the last one follows the first.
fn permutation<T>(mut remaining: Vec<T>, mut nth: usize) -> Vec<T> {
    let mut order = Vec::with_capacity(remaining.len());
    while !remaining.is_empty() {
        let at = nth % remaining.len();
        nth /= remaining.len();
        order.push(remaining.remove(at));
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::permutation;

    #[test]
    fn every_permutation_occurs_once() {
        let all: BTreeSet<Vec<char>> =
            (0..24).map(|nth| permutation(vec!['a', 'b', 'c', 'd'], nth)).collect();
        assert_eq!(all.len(), 24);
        assert_eq!(
            permutation(vec!['a', 'b', 'c', 'd'], 24),
            permutation(vec!['a', 'b', 'c', 'd'], 0)
        );
    }
}
