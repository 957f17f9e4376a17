//! Finds out by trying how a gateway is addressed and what it can do.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    explorer::{Answered, Call, Explorer},
    features::{self, FoundFeature},
    way::{self, Way},
};
use crate::{
    cases::{
        axis::{Method, ServerKind, Start},
        deployment::names,
    },
    catalogue::{Feature, GatewayKind},
    implementations::{AggregateEndpoints, Implementation},
    runner::driver::Driver,
    trace::Ending,
};

/// How long other ways than the declared one are tried.
const SEARCH_FOR: Duration = Duration::from_secs(20);

/// Routes of aggregate endpoints that gateways use.
const AGGREGATE_ROUTES: [&str; 7] = [
    "/mcp",
    "/mcp/",
    "/",
    "/mcp/{servers}",
    "/mcp/{toolset}",
    "/{toolset}/mcp",
    "/{toolset}",
];

/// The header field with which gateways let a request select servers.
const NARROWING_HEADER: &str = "x-mcp-servers";

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
    /// The header field that selects the servers; `None` if the path selects them, or if no request
    /// does.
    pub narrowing_header: Option<String>,
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

impl Explorer<'_> {
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

    /// An aggregate endpoint that contacts exactly the expected servers. A path without
    /// placeholders is tried without a selection first: it can serve a fixed set.
    async fn find_aggregate(&self, way: &Way) -> Option<FoundAggregate> {
        for route in AGGREGATE_ROUTES {
            let selections: &[Option<&str>] = if route.contains('{') {
                &[None]
            } else {
                &[None, Some(NARROWING_HEADER)]
            };
            for narrowing_header in selections {
                let endpoints = AggregateEndpoints {
                    routes: vec![route.to_owned()],
                    narrowing_header: narrowing_header.map(str::to_owned),
                    name_separator: "-".to_owned(),
                };
                if let Some(body) = self.list_of_all(way, &endpoints).await {
                    return Some(FoundAggregate {
                        route: route.to_owned(),
                        narrowing_header: endpoints.narrowing_header,
                        name_separator: separator(&body)?,
                    });
                }
            }
        }
        None
    }

    /// The body of a successful `tools/list` for several servers; `None` if it did not contact
    /// exactly these.
    async fn list_of_all(&self, way: &Way, endpoints: &AggregateEndpoints) -> Option<String> {
        let driver = self.driver_for(way, Some(endpoints.clone()), self.driver.client.clone());
        let call = Call::to(ServerKind::Aggregate, Method::ToolsList);
        let upstream = ["200-json"; names::AGGREGATE.len()].join(",");
        let answered = self.send_with(&driver, call, endpoints.routes.first()?, &upstream).await;
        let contacted = |server: &str| {
            let mut arrivals = answered.trace.arrivals.iter();
            arrivals.any(|arrival| arrival.server == server)
        };
        let is_exact = names::AGGREGATE.into_iter().all(contacted)
            && !names::FORWARDING[names::AGGREGATE.len()..].iter().any(|name| contacted(name));
        let body = answered.exchange()?.body.clone();
        (answered.is_success() && is_exact).then_some(body)
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
