//! Sends the steps of a scenario that ask several servers in one request: by which route, in whose order, again with a better token.
//!
//! Knows how an implementation is asked for several servers, and nothing of what it ought to answer.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{driver::Driver, steps::opened};
use crate::{
    cases::{
        deployment::{Deployment, names},
        matrix::Axes,
        scenario::{Message, Set, Step},
    },
    catalogue::ProtocolVersion,
    client::{
        Request,
        case::Case,
        case_request::{Caller, CaseRequest, RequestKind},
    },
    implementations::AggregateEndpoints,
    trace::Exchange,
};

/// How often a client gets itself a new token before it gives up.
const ROUNDS: usize = 5;

/// Who is asked, with what each of them is told to do.
type Orders = Vec<(String, String)>;

impl Driver {
    /// Sends a step that asks several servers at once. Nothing where the implementation has no way to be asked that.
    pub(super) async fn ask_several(
        &self,
        step: &Step,
        set: &Set,
        protocol_version: ProtocolVersion,
        case: &Case,
        before: &[Exchange],
    ) -> Vec<Exchange> {
        let Some(several) = &self.aggregate else { return Vec::new() };
        let orders = orders(set, &step.behaviour, self.upstreams.deployment());
        let mut exchanges = Vec::new();
        if set.every_mix {
            for mix in Axes::embedded().mixes_of_words() {
                let orders = names::AGGREGATE
                    .map(str::to_owned)
                    .into_iter()
                    .zip(mix.split(',').map(str::to_owned))
                    .collect();
                exchanges.extend(
                    self.until_cured(several, step, set, protocol_version, case, orders).await,
                );
            }
            return exchanges;
        }
        for nth in 0..step.times {
            if set.shuffled {
                self.upstreams.respond_in_order(
                    &case.id,
                    permutation(orders.iter().map(|(server, _)| server.clone()).collect(), nth),
                );
            }
            let mut request =
                self.request_of_several(several, step, set, protocol_version, case, &orders);
            request.headers.extend(step.session.then(|| opened(before)).flatten());
            exchanges.push(self.client.send(&request).await);
        }
        exchanges
    }

    /// Follows challenges as a client does: it gets a token that the server named there takes, and asks again.
    async fn until_cured(
        &self,
        several: &AggregateEndpoints,
        step: &Step,
        set: &Set,
        protocol_version: ProtocolVersion,
        case: &Case,
        mut orders: Orders,
    ) -> Vec<Exchange> {
        let mut exchanges = Vec::new();
        for _ in 0..=ROUNDS {
            let exchange = self
                .client
                .send(&self.request_of_several(several, step, set, protocol_version, case, &orders))
                .await;
            let (refused, named) = (
                exchange.status == Some(401),
                exchange.resource_metadata_url().unwrap_or_default(),
            );
            exchanges.push(exchange);
            if !refused {
                break;
            }
            let is_named =
                |server: &str| named.split(['/', '?', '&', '=']).any(|part| part == server);
            for (_, order) in orders
                .iter_mut()
                .filter(|(server, order)| is_named(server) && order.starts_with("401"))
            {
                "200-json".clone_into(order);
            }
        }
        exchanges
    }

    fn request_of_several(
        &self,
        several: &AggregateEndpoints,
        step: &Step,
        set: &Set,
        protocol_version: ProtocolVersion,
        case: &Case,
        orders: &Orders,
    ) -> Request {
        let everywhere = [(String::new(), step.behaviour.clone())];
        let orders = if orders.is_empty() { &everywhere[..] } else { orders };
        let token = if step.other_caller {
            case.second_caller_script(orders)
        } else {
            case.script(orders)
        }
        .token();
        let part = if set.toolset.is_some() {
            "{toolset}"
        } else {
            set.route.as_deref().unwrap_or_default()
        };
        let route = several
            .routes
            .iter()
            .find(|route| route.contains(part))
            .map_or("/mcp", String::as_str);
        let mut asked = set.servers.clone();
        asked.extend((0..set.unknown).map(|n| format!("nobody{n}")));
        let (path, mut narrowed) =
            several.address(route, &asked.join(","), set.toolset.as_deref().unwrap_or_default());
        if set.everyone {
            narrowed.clear();
        }
        let tool = set.tool.as_ref().map(|tool| {
            tool.split_once('/')
                .map_or(tool.clone(), |(server, tool)| several.tool(server, tool))
        });
        let kind = match (&tool, &step.send) {
            (Some(tool), _) => RequestKind::ToolCall(tool),
            (None, Message::Mcp(method)) => RequestKind::Mcp(*method),
            (None, Message::Plain(method)) => RequestKind::Plain(method),
        };
        let mut request = CaseRequest {
            kind,
            protocol_version,
            caller: Caller { credentials: step.credentials, token: &token },
            path: &path,
            case,
            credential_layout: &self.credential_layout,
            deployment: &self.plan_of(step),
        }
        .build();
        request.headers.extend(narrowed);
        for (name, value) in &step.replace {
            request.headers.retain(|(known, _)| known != name);
            let encoded =
                tool.as_deref().map_or_else(String::new, |tool| BASE64_STANDARD.encode(tool));
            request
                .headers
                .push((name.clone(), value.replace("{tool-in-base64}", &encoded)));
        }
        request.headers.extend(step.headers.iter().cloned());
        request
    }
}

/// The servers that a set means, and their orders: those of the plan that it names, or those of its toolset that the limited key may use.
fn orders(set: &Set, behaviours: &str, deployment: &Deployment) -> Orders {
    let toolset = deployment
        .toolsets
        .iter()
        .find(|toolset| Some(&toolset.name) == set.toolset.as_ref());
    let of_toolset = |name: &String| toolset.is_some_and(|toolset| toolset.servers.contains(name));
    let means = |name: &String| {
        if set.toolset.is_some() {
            of_toolset(name)
        } else {
            set.servers.contains(name)
        }
    };
    let meant = deployment
        .servers
        .iter()
        .filter(|server| server.granted && means(&server.name))
        .map(|server| server.name.clone());
    meant.zip(behaviours.split(',').map(str::to_owned).cycle()).collect()
}

/// The n-th order of all that there are, counted from nought; the first one follows the last.
fn permutation<T>(mut of: Vec<T>, mut nth: usize) -> Vec<T> {
    let mut order = Vec::with_capacity(of.len());
    while !of.is_empty() {
        let at = nth % of.len();
        nth /= of.len();
        order.push(of.remove(at));
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::permutation;

    #[test]
    fn every_order_comes_once() {
        let all: BTreeSet<Vec<char>> =
            (0..24).map(|nth| permutation(vec!['a', 'b', 'c', 'd'], nth)).collect();
        assert_eq!(all.len(), 24);
        assert_eq!(
            permutation(vec!['a', 'b', 'c', 'd'], 24),
            permutation(vec!['a', 'b', 'c', 'd'], 0)
        );
    }
}
