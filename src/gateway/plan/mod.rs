//! Plans a request: the decisions of the core that need neither I/O nor the message.
//!
//! The module `explain` plans a request with the same function as the server.

mod aggregate;
mod upstream;

use http::{HeaderMap, Method};

use self::upstream::plan_upstream;
pub(crate) use self::{
    aggregate::AggregatePlan,
    upstream::{PlannedUpstream, RequestContext},
};
use crate::{
    config::Config,
    core::{
        access::{self, CallerId, ServerId},
        admission::Admitted,
        challenge::Profile,
        discovery::ExternalUrl,
        exchange::McpMethod,
        fields,
        origin::{AllowedOrigins, PageAccess},
        refusal::Refusal,
        route::{Endpoint, Route, ServerEndpoint},
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
            match AggregatePlan::new(config, admitted, endpoint, method, headers) {
                Some(plan) => {
                    subject.servers.clone_from(&plan.servers);
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
