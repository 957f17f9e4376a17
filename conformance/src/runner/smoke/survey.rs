//! Finds out by trying how a gateway is addressed and what it can do.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    features::{self, FoundFeature},
    way::{self, Way},
};
use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start},
        deployment::{Deployment, names},
        matrix_case::MatrixCase,
    },
    catalogue::{Feature, GatewayKind, ProtocolVersion},
    client::{
        Client,
        case_request::{Caller, CaseRequest, RequestKind},
    },
    implementations::{AggregateEndpoints, Implementation},
    runner::{
        case_session::RemainingSessions,
        driver::{Driver, PlannedCase, token_for_all_servers},
    },
    trace::{Arrival, Ending, Exchange, Trace, header},
};

/// How long other ways than the declared one are tried.
const SEARCH_FOR: Duration = Duration::from_secs(20);

/// Routes of aggregate endpoints that gateways use.
const AGGREGATE_ROUTES: [&str; 4] = ["/mcp", "/mcp/", "/", "/mcp/{servers}"];

/// What was found out about a gateway.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The way in which a call reaches its server; `None` if none was found.
    pub way: Option<Way>,
    /// Whether the declared way works.
    pub declared_way_works: bool,
    /// The features that it has or does not have. What cannot be tried is missing.
    pub features: Vec<FoundFeature>,
    /// An aggregate endpoint that the description does not state.
    pub aggregate: Option<FoundAggregate>,
    /// Whether `tools/list` is answered without the server.
    pub lists_from_store: bool,
    /// Whether the challenge of a server that refuses the token reaches the client unchanged.
    pub relays_challenges: bool,
}

/// An aggregate endpoint that was found by trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAggregate {
    /// Its path.
    pub route: String,
    /// The header field that selected the servers.
    pub narrowing_header: String,
    /// The text between the name of a server and the name of its tool.
    pub name_separator: String,
}

impl Survey {
    /// Tries the gateway before this driver.
    pub(in crate::runner) async fn of(
        driver: &Driver,
        implementation: &Implementation,
        start: Start,
    ) -> Self {
        let explorer = Explorer { driver, start };
        let mut survey = Self {
            way: None,
            declared_way_works: false,
            features: Vec::new(),
            aggregate: None,
            lists_from_store: false,
            relays_challenges: false,
        };
        let Some(working) = explorer.find_way(implementation).await else {
            return survey;
        };
        let WorkingWay { way, server, call } = working;
        survey.declared_way_works = way == Way::declared(implementation);
        survey.relays_challenges = explorer.relays_challenges(&way, server).await;
        let list = explorer.send(&way, Call::to(server, Method::ToolsList)).await;
        survey.lists_from_store = list.is_success() && !list.reached_server();
        survey.features = features::survey(&explorer, &way, server, &call).await;
        if implementation.aggregate.is_none() {
            survey.aggregate = explorer.find_aggregate(&way).await;
        }
        survey.way = Some(way);
        survey
    }

    /// Whether the gateway has a feature; `None` if that was not found out.
    #[must_use]
    pub fn has(&self, feature: Feature) -> Option<bool> {
        self.features
            .iter()
            .find(|found| found.feature == feature)
            .map(|found| found.is_present)
    }

    /// The kind of gateway whose preset fits best; `None` if no way to address it was found.
    #[must_use]
    pub fn kind(&self) -> Option<GatewayKind> {
        self.way.as_ref()?;
        let has = |feature| self.has(feature) == Some(true);
        let is_forwarding = has(Feature::TokenForwarding) && !self.lists_from_store;
        Some(match (self.relays_challenges, is_forwarding, has(Feature::GatewayKeys)) {
            (true, ..) => GatewayKind::Relay,
            (false, false, _) => GatewayKind::Catalogue,
            (false, true, true) if has(Feature::SessionlessRequests) => {
                GatewayKind::ForwardingGateway
            }
            (false, true, _) => GatewayKind::SdkProxy,
        })
    }

    /// What was found out, in one sentence; `None` if no way to address the gateway was found.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let way = self.way.as_ref()?;
        // A way with a session also works if none is required.
        let requires_sessions =
            way.needs_session && self.has(Feature::SessionlessRequests) != Some(true);
        let sessions = if requires_sessions {
            "requires sessions"
        } else if self.has(Feature::Sessions) == Some(true) {
            "gives sessions but requires none"
        } else {
            "requires no sessions"
        };
        let keys = match self.has(Feature::GatewayKeys) {
            Some(true) => format!("checks gateway keys in `{}`", way.layout.key_header),
            Some(false) => "checks no gateway keys".to_owned(),
            None => "rejects the suite's unknown key in an unclear way".to_owned(),
        };
        let tokens = if self.has(Feature::TokenForwarding) == Some(true) {
            format!("forwards the caller's token from `{}`", way.layout.token_header)
        } else {
            "forwards no token of the caller".to_owned()
        };
        let lists = if self.lists_from_store { ", lists tools from a store" } else { "" };
        Some(format!(
            "the gateway listens at {}, {sessions}, {keys}, and {tokens}{lists}",
            way.route
        ))
    }
}

/// A way that works, and the call that shows it.
struct WorkingWay {
    way: Way,
    server: ServerKind,
    call: Answered,
}

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
    driver: &'a Driver,
    start: Start,
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

    fn driver_for(
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

    async fn send_with(
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
    async fn relays_challenges(&self, way: &Way, server: ServerKind) -> bool {
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

    /// The first way in which a call reaches its server: the declared one, or else others.
    ///
    /// A way in which the caller's token arrives is preferred.
    async fn find_way(&self, implementation: &Implementation) -> Option<WorkingWay> {
        let declared = Way::declared(implementation);
        let servers = way::servers(implementation);
        // Some implementations need one call before they work.
        let first = self.send(&declared, Call::to(servers[0], Method::ToolsCall)).await;
        if is_unresponsive(&first) {
            return None;
        }
        let search_until = Instant::now() + SEARCH_FOR;
        let mut without_token = None;
        for layout in way::layouts(&declared.layout) {
            for route in way::routes(implementation) {
                for server in servers {
                    for needs_session in [declared.needs_session, !declared.needs_session] {
                        let way =
                            Way { layout: layout.clone(), route: route.clone(), needs_session };
                        let call = self.send(&way, Call::to(server, Method::ToolsCall)).await;
                        if is_unresponsive(&call) || Instant::now() > search_until {
                            return without_token;
                        }
                        if call.is_success() && call.reached_server() {
                            let has_token =
                                call.token_arrived() || servers[0] != ServerKind::Forwarding;
                            let working = WorkingWay { way, server, call };
                            if has_token {
                                return Some(working);
                            }
                            without_token.get_or_insert(working);
                            break;
                        }
                        // The path or the credentials are wrong; a session changes neither.
                        if matches!(call.status(), Some(401 | 403..=405)) && !needs_session {
                            break;
                        }
                    }
                }
            }
        }
        without_token
    }

    /// An aggregate endpoint that contacts exactly the selected servers.
    async fn find_aggregate(&self, way: &Way) -> Option<FoundAggregate> {
        for route in AGGREGATE_ROUTES {
            let endpoints = AggregateEndpoints {
                routes: vec![route.to_owned()],
                narrowing_header: "x-mcp-servers".to_owned(),
                name_separator: "-".to_owned(),
            };
            let narrowing_header = endpoints.narrowing_header.clone();
            let driver = self.driver_for(way, Some(endpoints), self.driver.client.clone());
            let call = Call::to(ServerKind::Aggregate, Method::ToolsList);
            let upstream = ["200-json"; names::AGGREGATE.len()].join(",");
            let answered = self.send_with(&driver, call, route, &upstream).await;
            let contacted = |server: &str| {
                let mut arrivals = answered.trace.arrivals.iter();
                arrivals.any(|arrival| arrival.server == server)
            };
            let is_exact = names::AGGREGATE.into_iter().all(contacted)
                && !names::FORWARDING[names::AGGREGATE.len()..].iter().any(|name| contacted(name));
            if answered.is_success() && is_exact {
                let body = &answered.exchange()?.body;
                let name_separator = separator(body)?;
                let route = route.to_owned();
                return Some(FoundAggregate { route, narrowing_header, name_separator });
            }
        }
        None
    }
}

/// Whether the gateway did not answer at all, so that other ways are not worth a try.
fn is_unresponsive(call: &Answered) -> bool {
    call.exchange().is_none_or(|exchange| {
        matches!(exchange.ending, Ending::NoHead | Ending::HungBeforeHead)
            && call.trace.arrivals.is_empty()
    })
}

/// The text between the name of the first server and the name of its tool in a list of tools.
fn separator(body: &str) -> Option<String> {
    let data = body.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(body);
    let message: Value = serde_json::from_str(data).ok()?;
    let tools = message.pointer("/result/tools")?.as_array()?;
    tools.iter().find_map(|tool| {
        let name = tool.get("name")?.as_str()?;
        let separator = name.strip_prefix(names::AGGREGATE[0])?.strip_suffix("echo")?;
        (!separator.is_empty()).then(|| separator.to_owned())
    })
}
