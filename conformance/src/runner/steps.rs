//! Drives a scenario: its steps in order, each over the kind of connection that it asks for.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    driver::{Driver, SESSION, needs_assigned_behaviour},
    places::Places,
};
use crate::{
    cases::{
        deployment::Deployment,
        scenario::{Leaves, Message, Scenario, Step},
    },
    catalogue::ProtocolVersion,
    client::{
        Client, Request,
        case::Case,
        case_request::{Caller, CaseRequest, RequestKind},
        exchange_without_response,
        raw_connection::{Persistence, RawConnection},
    },
    trace::{Exchange, Trace, header},
};

/// How many events a `stream-progress` answer has: three of progress, and the result.
const EVENTS: usize = 4;

impl Driver {
    /// Drives a scenario to its end, and says whether the upstreams had come to rest then.
    pub(super) async fn run_scenario(self: &Arc<Self>, scenario: &Scenario) -> (Trace, bool) {
        let case = self.case_numbers.next_case();
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut connection = None;
        for step in &scenario.steps {
            let over_http2 = if step.http2 { self.client.over_http2().ok() } else { None };
            let client = over_http2.as_ref().unwrap_or(&self.client);
            if step.follow {
                exchanges.extend(
                    self.follow(step, scenario.protocol_version, &case, exchanges.last()).await,
                );
                continue;
            }
            if let Some(set) = &step.several {
                exchanges.extend(
                    self.ask_several(step, set, scenario.protocol_version, &case, &exchanges).await,
                );
                continue;
            }
            let asked: Vec<&String> = (0..step.times).flat_map(|_| &step.servers).collect();
            if step.together {
                let mut running = JoinSet::new();
                for server in asked {
                    let (driver, request) = (
                        Arc::clone(self),
                        self.request_of(step, server, scenario.protocol_version, &case),
                    );
                    running.spawn(async move { driver.client.send(&request).await });
                }
                exchanges.extend(running.join_all().await);
                continue;
            }
            for server in asked {
                let mut request = self.request_of(step, server, scenario.protocol_version, &case);
                request.headers.extend(step.session.then(|| opened(&exchanges)).flatten());
                let order = if step.ordered || needs_assigned_behaviour(step.credentials, server) {
                    Some(
                        self.upstreams
                            .assign_behaviour(server, case.id.clone(), &step.behaviour)
                            .await,
                    )
                } else {
                    None
                };
                exchanges.push(if !step.raw.is_empty() {
                    let token = self.token_of(step, &case);
                    self.client
                        .send_bytes(&self.places(server, &token).bytes(&step.raw, &request))
                        .await
                } else if let Some(leaves) = step.leaves {
                    self.leaving(client, &request, leaves, &case).await
                } else if step.wire {
                    self.on_the_wire(&request, &mut connection).await
                } else if step.paced {
                    self.paced(client, &request, &case).await
                } else {
                    client.send(&request).await
                });
                if order.is_some() {
                    self.wait_until_settled(&case, scenario.opens()).await;
                }
            }
        }
        let opened = exchanges
            .iter()
            .filter(|exchange| header(&exchange.headers, SESSION).is_some())
            .count()
            .max(scenario.opens());
        if scenario.steps.iter().all(|step| step.leaves.is_none()) {
            let settled = self.wait_until_settled(&case, opened).await;
            return (self.trace(&case, exchanges), settled);
        }
        // Whoever leaves ends no session. What is still to come of a request that nobody waits for comes before a later one is answered.
        let mut settled = self.wait_until_settled(&case, usize::MAX).await;
        let _ = self.positive_control().await;
        settled &= self.wait_until_settled(&case, usize::MAX).await;
        (0..EVENTS).for_each(|_| self.upstreams.release_event(&case.id));
        (self.trace(&case, exchanges), settled)
    }

    fn request_of(
        &self,
        step: &Step,
        server: &str,
        protocol_version: ProtocolVersion,
        case: &Case,
    ) -> Request {
        let token = self.token_of(step, case);
        let places = self.places(server, &token);
        let filled = |text: &str| places.fill(text);
        let mut credential_layout = self.credential_layout.clone();
        if let Some(scheme) = &step.scheme {
            credential_layout.token_prefix.clone_from(scheme);
        }
        let kind = match &step.send {
            Message::Mcp(method) => RequestKind::Mcp(*method),
            Message::Plain(method) => RequestKind::Plain(method),
        };
        let mut request = CaseRequest {
            kind,
            protocol_version,
            caller: Caller { credentials: step.credentials, token: &token },
            path: &filled(&step.path),
            case,
            credential_layout: &credential_layout,
            deployment: &self.plan_of(step),
        }
        .build();
        request.body = step.message.as_deref().map_or(request.body, filled);
        for (name, value) in &step.replace {
            request.headers.retain(|(known, _)| known != name);
            request
                .headers
                .extend((!value.is_empty()).then(|| (name.clone(), filled(value))));
        }
        request
            .headers
            .extend(step.headers.iter().map(|(name, value)| (filled(name), filled(value))));
        request
    }

    /// The plan as the caller of a step knows it: the other caller has the other key.
    pub(super) fn plan_of(&self, step: &Step) -> Deployment {
        let mut deployment = self.upstreams.deployment().clone();
        if step.other_caller {
            deployment.limited_key.clone_from(&deployment.full_key);
        }
        deployment
    }

    /// The token that a step presents; the other caller has one of its own.
    fn token_of(&self, step: &Step, case: &Case) -> String {
        let orders = [(String::new(), step.behaviour.clone())];
        if step.other_caller {
            case.second_caller_script(&orders)
        } else {
            case.script(&orders)
        }
        .token()
    }

    fn places<'a>(&'a self, server: &'a str, token: &'a str) -> Places<'a> {
        let (credential_layout, deployment, host) =
            (&self.credential_layout, self.upstreams.deployment(), self.client.authority());
        let (route, elsewhere, message_bytes) =
            (&self.route, self.upstreams.elsewhere(), self.message_bytes);
        let narrowing = self
            .aggregate
            .as_ref()
            .map_or("x-mcp-servers", |several| several.narrowing_header.as_str());
        Places {
            route,
            server,
            token,
            credential_layout,
            deployment,
            host,
            elsewhere,
            narrowing,
            message_bytes,
        }
    }

    /// Asks for the document that the challenge names, if it is one of the gateway's own, or else for the well-known one of the endpoint.
    async fn follow(
        &self,
        step: &Step,
        protocol_version: ProtocolVersion,
        case: &Case,
        refused: Option<&Exchange>,
    ) -> Option<Exchange> {
        let refused = refused?;
        let path = match refused.resource_metadata_url() {
            Some(named) => named
                .strip_prefix(self.client.base_url())
                .filter(|path| path.starts_with('/'))?
                .to_owned(),
            None => format!("/.well-known/oauth-protected-resource{}", refused.path),
        };
        let caller = Caller { credentials: step.credentials, token: "" };
        let request =
            self.request(RequestKind::Plain("GET"), protocol_version, caller, &path, case);
        Some(self.client.send(&request).await)
    }

    /// Sends on the scenario's connection, or on a new one where the last answer said that it ends the old one.
    async fn on_the_wire(
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

    /// Sends, and goes away before the answer has come to its end.
    async fn leaving(
        &self,
        client: &Client,
        request: &Request,
        leaves: Leaves,
        case: &Case,
    ) -> Exchange {
        match leaves {
            Leaves::WhenAsked => tokio::select! {
                biased;
                () = self.upstreams.record().wait_for_arrival(&case.id) => exchange_without_response(request),
                exchange = client.send(request) => exchange,
            },
            Leaves::AfterAnEvent => {
                self.upstreams.release_event(&case.id);
                let mut answer = client.open(request).await;
                while events(answer.body_so_far()) == 0 && answer.read_part().await {}
                answer.finish()
            }
        }
    }

    /// Lets the upstream send one event, waits until the client has it, and only then lets it send the next.
    async fn paced(&self, client: &Client, request: &Request, case: &Case) -> Exchange {
        self.upstreams.release_event(&case.id);
        let mut answer = client.open(request).await;
        let mut arrived = 0;
        while answer.read_part().await {
            let now = events(answer.body_so_far());
            (arrived..now).for_each(|_| self.upstreams.release_event(&case.id));
            arrived = now;
        }
        let exchange = answer.finish();
        // Nobody waits for these any more but the upstream.
        (arrived..EVENTS).for_each(|_| self.upstreams.release_event(&case.id));
        exchange
    }
}

/// The line that names the session which was opened last.
pub(super) fn opened(exchanges: &[Exchange]) -> Option<(String, String)> {
    let session = exchanges.iter().rev().find_map(|exchange| header(&exchange.headers, SESSION))?;
    Some((SESSION.to_owned(), session.to_owned()))
}

/// How many events have arrived whole.
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
    fn comments_and_halves_are_no_events() {
        assert_eq!(
            events(b": keep-alive\n\ndata: 1\n\nevent: message\r\ndata: 2\r\n\r\ndata: 3\n"),
            2
        );
    }
}
