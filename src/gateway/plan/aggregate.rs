//! Plans a request to an aggregate endpoint: selects its servers, and assigns them their
//! credentials.

use std::collections::BTreeSet;

use http::HeaderMap;

use super::upstream::{PlannedUpstream, plan_upstream};
use crate::{
    config::Config,
    core::{
        access::{self, CallerId, Grant, ServerId},
        admission::{Admitted, Authorization},
        aggregate::Scope,
        challenge::Profile,
        credential::{self, ServerKind},
        discovery::ExternalUrl,
        exchange::McpMethod,
        refusal::Refusal,
        route::{AggregateEndpoint, ServerSelection},
    },
};

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

impl<'r> AggregatePlan<'r> {
    /// Selects the servers. `None` if a server that the request names does not exist or is not
    /// granted to the caller, or if no server remains.
    pub(super) fn new(
        config: &'r Config,
        admitted: Admitted,
        endpoint: AggregateEndpoint<'r>,
        method: McpMethod,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let Selected { servers, tools } =
            select_servers(config, admitted.caller, &endpoint, headers)?;
        let profile = config.profile.for_aggregate();
        Some(Self { admitted, endpoint, method, profile, servers, tools })
    }

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
