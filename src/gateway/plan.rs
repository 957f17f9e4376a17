//! Plans a request: one decision of the core after the other, as far as they go before anyone is asked.
//!
//! There is no I/O here, so that [`explain`](crate::explain) plans a request exactly as the server does.

use std::collections::BTreeSet;

use http::{HeaderMap, Method};

use super::answer::Refusal;
use crate::{
    config::Config,
    core::{
        access::{self, CallerId, Grant, ServerId},
        admission::{Admitted, Authorization},
        aggregate::Scope,
        challenge::{DiscoveryUrls, Profile},
        credential::{self, Credential, ServerKind, UnusableAuthorization},
        discovery::ExternalUrl,
        fields,
        origin::{AllowedOrigins, PageAccess},
        preflight::{self, ProbeTarget},
        route::{AggregateEndpoint, Endpoint, Route, ServerSelection},
        status::Failure,
    },
};

/// Whom a request is from and for, as far as it was found out; known of a refused one, too.
#[derive(Clone, Default)]
pub(crate) struct Subject {
    pub(crate) caller: Option<CallerId>,
    /// Those that are asked, in configuration order.
    pub(crate) servers: Vec<ServerId>,
    /// Whether a header for tokens held a gateway key, which was taken out.
    pub(crate) stripped: bool,
}

/// What is to be done for a request.
pub(crate) struct Plan<'r> {
    pub(crate) admitted: Admitted,
    place: Endpoint<'r>,
    /// Those that the request may reach, in configuration order.
    pub(crate) servers: Vec<ServerId>,
    /// The server of a route to one; who else is asked, a message for several says.
    pub(crate) party: Option<Party>,
    /// The only tools that it may see and call, where a toolset names them.
    pub(crate) tools: Option<&'r BTreeSet<String>>,
}

/// A server that a request asks, and as whom.
pub(crate) struct Party {
    pub(crate) server: ServerId,
    pub(crate) credential: Result<Credential, UnusableAuthorization>,
    /// Where a challenge leads.
    pub(crate) discovery: DiscoveryUrls,
}

/// Judges what comes before any caller: what `Connection` would take out, then the page that the request comes from (STA-19).
pub(crate) fn edge(
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

/// Plans a request, or says how it is answered without asking anyone.
pub(crate) fn plan<'r>(
    config: &'r Config,
    external: &ExternalUrl,
    place: Endpoint<'r>,
    method: &Method,
    headers: &HeaderMap,
    subject: &mut Subject,
) -> Result<Plan<'r>, Refusal> {
    let admitted = config.keyring.admit(headers).map_err(Failure::Rejected)?;
    subject.caller = Some(admitted.caller);
    subject.stripped = admitted.key_removed;
    if ![Method::POST, Method::GET, Method::DELETE].contains(method) {
        return Err(Failure::MethodNotAllowed.into());
    }
    let (servers, tools) = match &place {
        Endpoint::SingleServer(endpoint) => {
            let grant = &config.caller(admitted.caller).grant;
            (
                access::resolve(grant, config.server_named(endpoint.server))
                    .map(|server| vec![server]),
                None,
            )
        }
        Endpoint::Aggregate(aggregate) => select(config, admitted.caller, aggregate, headers),
    };
    let servers = servers.ok_or(Failure::UnknownServer)?;
    subject.servers.clone_from(&servers);
    let mut plan = Plan { admitted, place, servers, party: None, tools };
    if let Endpoint::SingleServer(endpoint) = place {
        plan.party = plan.parties(config, external, &plan.servers).pop();
        if let Some(party) = plan.party.as_ref().filter(|party| party.credential.is_err()) {
            return Err(party.unusable(plan.profile(config)).about(endpoint.server));
        }
    }
    Ok(plan)
}

/// The servers that a request for several may reach, and the tools: path and header only narrow (GATE-01 to GATE-03).
fn select<'c>(
    config: &'c Config,
    caller: CallerId,
    aggregate: &AggregateEndpoint<'_>,
    headers: &HeaderMap,
) -> (Option<Vec<ServerId>>, Option<&'c BTreeSet<String>>) {
    let known = |names: Vec<&str>| {
        names.into_iter().map(|name| config.server_named(name)).collect::<Vec<_>>()
    };
    let caller = config.caller(caller);
    let (toolset, listed) = match aggregate.selection {
        ServerSelection::All => (None, None),
        ServerSelection::Listed(names) => (None, Some(known(names.split(',').collect()))),
        ServerSelection::Toolset(name) => {
            let Some(toolset) = caller
                .toolsets
                .iter()
                .map(|at| &config.toolsets[*at])
                .find(|toolset| toolset.name == name)
            else {
                return (None, None);
            };
            (Some(toolset), None)
        }
    };
    let enabled = config.enabled().map(|(server, _)| server);
    let by_path = access::select(
        enabled,
        &caller.grant,
        toolset.map(|toolset| &toolset.servers),
        listed.as_deref(),
    );
    let narrowed = match (by_path, access::requested_servers(headers)) {
        (Some(servers), Some(names)) => {
            let within = servers.iter().copied().collect();
            access::select(servers, &Grant::All, Some(&within), Some(&known(names)))
        }
        (servers, _) => servers,
    };
    (narrowed, toolset.and_then(|toolset| toolset.tools.as_ref()))
}

impl Plan<'_> {
    /// The rules by which refusals are judged and worded here.
    pub(crate) fn profile(&self, config: &Config) -> Profile {
        match self.place {
            Endpoint::SingleServer(_) => config.profile,
            Endpoint::Aggregate(_) => config.profile.for_aggregate(),
        }
    }

    /// Which of its servers go by which name.
    pub(crate) fn names<'c>(&self, config: &'c Config) -> Vec<(ServerId, &'c str)> {
        self.servers
            .iter()
            .map(|server| (*server, config.server(*server).name.as_str()))
            .collect()
    }

    /// The servers of a request for several, as the core wants to know them.
    pub(crate) fn scope<'s>(
        &'s self,
        config: &'s Config,
        names: &'s [(ServerId, &'s str)],
    ) -> Scope<'s> {
        Scope {
            servers: names,
            separator: &config.name_separator,
            tools: self.tools,
        }
    }

    /// Those of its servers that are asked together, and what each is sent: a token that came for all of them goes to one protection
    /// space, except by the seed's rules (AGG-04).
    pub(crate) fn parties(
        &self,
        config: &Config,
        external: &ExternalUrl,
        asked: &[ServerId],
    ) -> Vec<Party> {
        let space = |server: ServerId| config.server(server).protection_space.as_deref();
        let for_all = |server: &&ServerId| {
            let configured = config.server(**server);
            matches!(configured.credential.kind(), ServerKind::TokenForwarding(_))
                && self.admitted.authorization_for(&configured.name).is_none()
        };
        let first = asked
            .iter()
            .find(for_all)
            .copied()
            .filter(|_| self.profile(config) != Profile::Seed);
        let party = |server: &ServerId| {
            let configured = config.server(*server);
            let in_space = first.is_none_or(|first| {
                credential::share_protection_space((first, space(first)), (*server, space(*server)))
            });
            let shared = if in_space {
                &self.admitted.authorization
            } else {
                &Authorization::Absent
            };
            Party {
                server: *server,
                credential: credential::assign(
                    configured.credential.kind(),
                    self.admitted.authorization_for(&configured.name).unwrap_or(shared),
                ),
                discovery: match &self.place {
                    Endpoint::SingleServer(endpoint) => external.discovery_urls(endpoint),
                    Endpoint::Aggregate(aggregate) => {
                        external.aggregate_discovery_urls(aggregate, &configured.name)
                    }
                },
            }
        };
        asked.iter().map(party).collect()
    }

    /// What a session is bound to beside its caller: a server's name, or the path of several, which no server can be called.
    pub(crate) fn binding(&self) -> String {
        match &self.place {
            Endpoint::SingleServer(endpoint) => endpoint.server.to_owned(),
            Endpoint::Aggregate(aggregate) => {
                AggregateEndpoint { trailing_slash: false, ..*aggregate }.to_string()
            }
        }
    }
}

impl Party {
    /// The refusal of a server that cannot be asked with what the caller brought.
    pub(crate) fn unusable(&self, profile: Profile) -> Refusal {
        Refusal::challenging(Failure::UnusableAuthorization, profile, &self.discovery, &[])
    }
}

/// The servers that would be handed the caller's own token.
pub(crate) fn targets(parties: &[Party]) -> Vec<ProbeTarget> {
    preflight::probe_targets(
        parties
            .iter()
            .filter_map(|party| Some((party.server, party.credential.as_ref().ok()?))),
    )
}
