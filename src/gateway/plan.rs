//! Plans a request: the decisions of the core that need neither I/O nor the message.
//!
//! The module `explain` plans a request with the same function as the server.

use std::collections::BTreeSet;

use http::{HeaderMap, Method};

use crate::{
    config::Config,
    core::{
        access::{self, CallerId, Grant, ServerId},
        admission::{Admitted, Authorization},
        aggregate::Scope,
        challenge::{DiscoveryUrls, Profile},
        credential::{self, Credential, ServerKind},
        discovery::ExternalUrl,
        exchange::McpMethod,
        fields,
        origin::{AllowedOrigins, PageAccess},
        refusal::Refusal,
        route::{AggregateEndpoint, Endpoint, Route, ServerEndpoint, ServerSelection},
        status::Failure,
    },
};

/// Who a request is from and which servers it is for, as far as that is known. A refused request
/// has a subject too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) caller: Option<CallerId>,
    /// The servers of the request, in configuration order.
    pub(crate) servers: Vec<ServerId>,
    /// Whether a gateway key was removed from a header field that carries upstream tokens.
    pub(crate) key_removed: bool,
}

/// The result of planning a request.
pub(crate) struct Planned<'r> {
    pub(crate) subject: Subject,
    pub(crate) plan: Result<Plan<'r>, Refusal>,
}

/// How a request is served.
pub(crate) enum Plan<'r> {
    /// One server is sent the request as it is.
    SingleServer(SingleServerPlan),
    /// An aggregate endpoint serves the request. Which servers are sent something depends on the
    /// message.
    Aggregate(AggregatePlan<'r>),
}

/// A request for a single-server endpoint.
pub(crate) struct SingleServerPlan {
    pub(crate) caller: CallerId,
    pub(crate) method: McpMethod,
    pub(crate) profile: Profile,
    pub(crate) upstream: PlannedUpstream,
}

/// A request for an aggregate endpoint.
pub(crate) struct AggregatePlan<'r> {
    admitted: Admitted,
    endpoint: AggregateEndpoint<'r>,
    pub(crate) method: McpMethod,
    pub(crate) profile: Profile,
    /// The servers that the caller may reach here, in configuration order.
    pub(crate) servers: Vec<ServerId>,
    /// The only tools that the caller may see and call, if a toolset names them.
    pub(crate) tools: Option<&'r BTreeSet<String>>,
}

/// Who sends a request, and how its refusals are worded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestContext {
    pub(crate) caller: CallerId,
    pub(crate) profile: Profile,
}

/// A server that a request is sent to, with the credential for it.
#[derive(Clone, Debug)]
pub(crate) struct PlannedUpstream {
    pub(crate) server: ServerId,
    pub(crate) credential: Credential,
    /// The URLs that a challenge of this server names.
    pub(crate) discovery: DiscoveryUrls,
}

/// Checks a request before its caller is known: the `Connection` field, then the web page that
/// sends the request (STA-19).
pub(crate) fn check_page_access(
    config: &Config,
    origins: &AllowedOrigins,
    route: &Route<'_>,
    headers: &HeaderMap,
) -> Result<PageAccess, Failure> {
    if fields::connection_names_protected_field(headers, &config.keyring.header) {
        return Err(Failure::ProtectedFieldInConnection);
    }
    origins.page_access(route, headers).ok_or(Failure::OriginNotAllowed)
}

/// Plans a request to an MCP endpoint.
pub(crate) fn plan<'r>(
    config: &'r Config,
    external: &ExternalUrl,
    endpoint: Endpoint<'r>,
    method: &Method,
    headers: &HeaderMap,
) -> Planned<'r> {
    let mut subject = Subject::default();
    let admitted = match config.keyring.admit(headers) {
        Ok(admitted) => admitted,
        Err(rejection) => {
            let plan = Err(Failure::Rejected(rejection).into());
            return Planned { subject, plan };
        }
    };
    subject.caller = Some(admitted.caller);
    subject.key_removed = admitted.key_removed;
    let Some(method) = McpMethod::parse(method) else {
        return Planned { subject, plan: Err(Failure::MethodNotAllowed.into()) };
    };
    let plan = match endpoint {
        Endpoint::SingleServer(endpoint) => {
            let grant = &config.caller(admitted.caller).grant;
            match access::resolve(grant, config.server_named(endpoint.server)) {
                Some(server) => {
                    subject.servers = vec![server];
                    plan_single_server(config, external, &endpoint, method, &admitted, server)
                }
                None => Err(Failure::UnknownServer.into()),
            }
        }
        Endpoint::Aggregate(endpoint) => {
            match select_servers(config, admitted.caller, &endpoint, headers) {
                Some(Selected { servers, tools }) => {
                    subject.servers.clone_from(&servers);
                    let profile = config.profile.for_aggregate();
                    let plan =
                        AggregatePlan { admitted, endpoint, method, profile, servers, tools };
                    Ok(Plan::Aggregate(plan))
                }
                None => Err(Failure::UnknownServer.into()),
            }
        }
    };
    Planned { subject, plan }
}

fn plan_single_server<'r>(
    config: &Config,
    external: &ExternalUrl,
    endpoint: &ServerEndpoint<'_>,
    method: McpMethod,
    admitted: &Admitted,
    server: ServerId,
) -> Result<Plan<'r>, Refusal> {
    let profile = config.profile;
    let discovery = external.discovery_urls(endpoint);
    let shared = &admitted.authorization;
    let upstream = plan_upstream(config, profile, admitted, shared, server, discovery)?;
    Ok(Plan::SingleServer(SingleServerPlan {
        caller: admitted.caller,
        method,
        profile,
        upstream,
    }))
}

/// Assigns a server its credential: the token that the client sent for this server, or else
/// `shared`.
fn plan_upstream(
    config: &Config,
    profile: Profile,
    admitted: &Admitted,
    shared: &Authorization,
    server: ServerId,
    discovery: DiscoveryUrls,
) -> Result<PlannedUpstream, Refusal> {
    let configured = config.server(server);
    let authorization = admitted.authorization_for(&configured.name).unwrap_or(shared);
    match credential::assign(configured.credential.kind(), authorization) {
        Ok(credential) => Ok(PlannedUpstream { server, credential, discovery }),
        Err(credential::UnusableAuthorization) => {
            let failure = Failure::UnusableAuthorization;
            Err(Refusal::by_server(failure, profile, &discovery, &[]).about(&configured.name))
        }
    }
}

/// The servers of an aggregate endpoint that a caller may reach, and the tools.
struct Selected<'c> {
    servers: Vec<ServerId>,
    tools: Option<&'c BTreeSet<String>>,
}

/// Selects the servers of an aggregate endpoint. The path and `x-mcp-servers` only narrow what the
/// caller may use (GATE-01 to GATE-03).
fn select_servers<'c>(
    config: &'c Config,
    caller: CallerId,
    endpoint: &AggregateEndpoint<'_>,
    headers: &HeaderMap,
) -> Option<Selected<'c>> {
    let resolve = |names: Vec<&str>| {
        names.into_iter().map(|name| config.server_named(name)).collect::<Vec<_>>()
    };
    let caller = config.caller(caller);
    let (toolset, listed) = match endpoint.selection {
        ServerSelection::All => (None, None),
        ServerSelection::Listed(names) => (None, Some(resolve(names.split(',').collect()))),
        ServerSelection::Toolset(name) => {
            let mut toolsets = caller.toolsets.iter().map(|at| &config.toolsets[*at]);
            (Some(toolsets.find(|toolset| toolset.name == name)?), None)
        }
    };
    let enabled = config.enabled().map(|(server, _)| server);
    let within = toolset.map(|toolset| &toolset.servers);
    let by_path = access::select(enabled, &caller.grant, within, listed.as_deref())?;
    let servers = match access::requested_servers(headers) {
        Some(names) => {
            let within = by_path.iter().copied().collect();
            access::select(by_path, &Grant::All, Some(&within), Some(&resolve(names)))?
        }
        None => by_path,
    };
    let tools = toolset.and_then(|toolset| toolset.tools.as_ref());
    Some(Selected { servers, tools })
}

impl AggregatePlan<'_> {
    pub(crate) fn caller(&self) -> CallerId {
        self.admitted.caller
    }

    /// Position and name of each server.
    pub(crate) fn named_servers<'c>(&self, config: &'c Config) -> Vec<(ServerId, &'c str)> {
        self.servers
            .iter()
            .map(|server| (*server, config.server(*server).name.as_str()))
            .collect()
    }

    /// The scope in which the core dispatches a message. `servers` are the
    /// [`named_servers`](Self::named_servers).
    pub(crate) fn scope<'s>(
        &'s self,
        config: &'s Config,
        servers: &'s [(ServerId, &'s str)],
    ) -> Scope<'s> {
        Scope {
            servers,
            separator: &config.name_separator,
            tools: self.tools,
        }
    }

    /// Assigns each of these servers its credential.
    ///
    /// In every profile but `seed`, a token that the client sent for all servers goes to one
    /// protection space only: that of the first token-forwarding server without a token of its own
    /// (AGG-04).
    pub(crate) fn upstreams(
        &self,
        config: &Config,
        external: &ExternalUrl,
        servers: &[ServerId],
    ) -> Vec<(ServerId, Result<PlannedUpstream, Refusal>)> {
        let first_sharing = servers
            .iter()
            .copied()
            .find(|server| self.uses_shared_token(config, *server))
            .filter(|_| self.profile != Profile::Seed);
        let space = |server: ServerId| config.server(server).protection_space.as_deref();
        let plan_one = |server: ServerId| {
            let in_space = first_sharing.is_none_or(|first| {
                credential::share_protection_space((first, space(first)), (server, space(server)))
            });
            let shared = if in_space {
                &self.admitted.authorization
            } else {
                &Authorization::Absent
            };
            let name = &config.server(server).name;
            let discovery = external.aggregate_discovery_urls(&self.endpoint, name);
            plan_upstream(config, self.profile, &self.admitted, shared, server, discovery)
        };
        servers.iter().map(|server| (*server, plan_one(*server))).collect()
    }

    /// Assigns one server its credential. The token that the client sent for all servers may go to
    /// any one of them.
    pub(crate) fn upstream(
        &self,
        config: &Config,
        external: &ExternalUrl,
        server: ServerId,
    ) -> Result<PlannedUpstream, Refusal> {
        let name = &config.server(server).name;
        let discovery = external.aggregate_discovery_urls(&self.endpoint, name);
        let shared = &self.admitted.authorization;
        plan_upstream(config, self.profile, &self.admitted, shared, server, discovery)
    }

    /// Whether a server is sent the token that the client sent for all servers.
    fn uses_shared_token(&self, config: &Config, server: ServerId) -> bool {
        let configured = config.server(server);
        let forwards = matches!(configured.credential.kind(), ServerKind::TokenForwarding(_));
        forwards && self.admitted.authorization_for(&configured.name).is_none()
    }

    /// What a session is bound to beside its caller: the path of the endpoint, which no server name
    /// can equal.
    pub(crate) fn session_binding(&self) -> String {
        AggregateEndpoint { trailing_slash: false, ..self.endpoint }.to_string()
    }
}
