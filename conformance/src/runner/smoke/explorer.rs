//! Sends healthy calls to a gateway in several ways.

use std::sync::Arc;

use super::way::Way;
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start},
        deployment::{Deployment, names},
        matrix_case::MatrixCase,
    },
    catalogue::ProtocolVersion,
    client::{
        Client,
        case_request::{Caller, CaseRequest, RequestKind},
    },
    implementations::AggregateEndpoints,
    runner::{
        case_session::RemainingSessions,
        driver::{Driver, PlannedCase, token_for_all_servers},
    },
    trace::{Arrival, Exchange, Trace, header},
};

/// One healthy call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) credentials: Credentials,
    pub(super) server: ServerKind,
    pub(super) method: Method,
    pub(super) protocol_version: ProtocolVersion,
}

impl Call {
    /// A call with key and token.
    pub(super) fn to(server: ServerKind, method: Method) -> Self {
        Self {
            credentials: Credentials::KeyAndToken,
            server,
            method,
            protocol_version: ProtocolVersion::default(),
        }
    }
}

/// What the client and the mock upstreams saw of a call.
#[derive(Debug)]
pub(super) struct Answered {
    /// The name of the server that the call is for.
    pub(super) server: &'static str,
    pub(super) method: Method,
    pub(super) trace: Trace,
}

impl Answered {
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        self.trace.exchanges.last()
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.exchange()?.status
    }

    pub(super) fn is_success(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }

    /// The requests with the message of the call that its server received.
    pub(super) fn arrivals(&self) -> impl Iterator<Item = &Arrival> {
        let rpc_method = match self.method {
            Method::ToolsList => Some("tools/list"),
            Method::ToolsCall => Some("tools/call"),
            Method::Initialize => Some("initialize"),
            _ => None,
        };
        self.trace.arrivals.iter().filter(move |arrival| {
            arrival.server == self.server
                && (rpc_method.is_none() || arrival.rpc_method.as_deref() == rpc_method)
        })
    }

    pub(super) fn reached_server(&self) -> bool {
        self.arrivals().next().is_some()
    }

    /// Whether the server received this text in `Authorization`.
    pub(super) fn arrived_with(&self, text: &str) -> bool {
        self.arrivals().any(|arrival| {
            header(&arrival.headers, "authorization").is_some_and(|value| value.contains(text))
        })
    }

    /// Whether the server received the caller's token.
    pub(super) fn token_arrived(&self) -> bool {
        self.arrived_with(".pf1.")
    }

    /// The status, or why there is none.
    pub(super) fn in_words(&self) -> String {
        match self.exchange() {
            None => "no response".to_owned(),
            Some(exchange) => exchange.status.map_or_else(
                || exchange.ending.description().to_owned(),
                |status| status.to_string(),
            ),
        }
    }
}

/// Sends healthy calls in several ways.
pub(super) struct Explorer<'a> {
    pub(super) driver: &'a Driver,
    pub(super) start: Start,
}

impl Explorer<'_> {
    /// The deployment that the gateway is configured with.
    pub(super) fn deployment(&self) -> &Deployment {
        self.driver.upstreams.deployment()
    }

    /// A client that begins with HTTP/2; `None` if it could not be set up.
    pub(super) fn http2_client(&self) -> Option<Client> {
        self.driver.client.over_http2().ok()
    }

    /// A driver that addresses the gateway in this way.
    pub(super) fn driver_for(
        &self,
        way: &Way,
        aggregate: Option<AggregateEndpoints>,
        client: Client,
    ) -> Driver {
        Driver {
            upstreams: Arc::clone(&self.driver.upstreams),
            client,
            credential_layout: way.layout.clone(),
            case_numbers: self.driver.case_numbers.clone(),
            route: way.route.clone(),
            clients_end_sessions: true,
            requires_sessions: way.needs_session,
            remaining_sessions: RemainingSessions::default(),
            control_server: self.driver.control_server,
            message_bytes: self.driver.message_bytes,
            aggregate,
        }
    }

    /// Sends a healthy call in this way.
    pub(super) async fn send(&self, way: &Way, call: Call) -> Answered {
        let driver = self.driver_for(way, None, self.driver.client.clone());
        self.send_with(&driver, call, &way.route, "200-json").await
    }

    /// Sends a healthy call in this way with this client.
    pub(super) async fn send_through(&self, client: Client, way: &Way, call: Call) -> Answered {
        let driver = self.driver_for(way, None, client);
        self.send_with(&driver, call, &way.route, "200-json").await
    }

    /// Sends a call with this driver, and with this mock behaviour of its servers.
    pub(super) async fn send_with(
        &self,
        driver: &Driver,
        call: Call,
        route: &str,
        upstream: &str,
    ) -> Answered {
        let matrix_case = MatrixCase {
            credentials: call.credentials,
            server: call.server,
            upstream: upstream.to_owned(),
            method: call.method,
            route: route.to_owned(),
            strategy: self.start.strategy,
            profile: self.start.profile,
            protocol_version: call.protocol_version,
        };
        // The assignment also attributes requests without the caller's token to the case.
        let planned = PlannedCase { exclusive: true, ..PlannedCase::new(matrix_case) };
        let (server, method) = (planned.server, call.method);
        let driven = driver.drive(planned, driver.case_numbers.next_case()).await;
        let trace = driver.collect(driven).await.trace;
        driver.upstreams.record().forget(&trace.case);
        Answered { server, method, trace }
    }

    /// Sends a call with the key that may use every server to the server that needs it.
    pub(super) async fn send_with_full_key(&self, way: &Way) -> Answered {
        let driver = self.driver_for(way, None, self.driver.client.clone());
        let case = driver.case_numbers.next_case();
        let assigned = driver
            .upstreams
            .assign_behaviour(names::RESTRICTED, case.id.clone(), "200-json")
            .await;
        let mut deployment = driver.upstreams.deployment().clone();
        deployment.limited_key.clone_from(&deployment.full_key);
        let request = CaseRequest {
            kind: RequestKind::Mcp(Method::ToolsCall),
            protocol_version: ProtocolVersion::default(),
            caller: Caller {
                credentials: Credentials::KeyAndToken,
                token: &token_for_all_servers(&case, "200-json"),
            },
            path: &way.route.replace("{server}", names::RESTRICTED),
            case: &case,
            credential_layout: &way.layout,
            deployment: &deployment,
        };
        let exchange = driver.client.send(&request.build()).await;
        driver.wait_until_settled(&case, 0).await;
        drop(assigned);
        let trace = driver.trace(&case, vec![exchange]);
        driver.upstreams.record().forget(&case.id);
        Answered { server: names::RESTRICTED, method: Method::ToolsCall, trace }
    }

    /// Whether a refusal reaches the client with the challenge of the server. A gateway that writes
    /// its own challenge names no address of the server.
    pub(super) async fn relays_challenges(&self, way: &Way, server: ServerKind) -> bool {
        let driver = self.driver_for(way, None, self.driver.client.clone());
        let call = Call::to(server, Method::ToolsCall);
        let refused = self.send_with(&driver, call, &way.route, "401-full+json-rpc").await;
        let url = self.deployment().server(refused.server).map(|server| server.url.as_str());
        let origin = url.and_then(|url| url.strip_suffix("/mcp"));
        let challenge = refused
            .exchange()
            .and_then(|exchange| header(&exchange.headers, "www-authenticate"));
        origin
            .zip(challenge)
            .is_some_and(|(origin, challenge)| challenge.contains(origin))
    }
}
