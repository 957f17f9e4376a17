//! Assigns one server its credential.

use crate::{
    config::Config,
    core::{
        access::{CallerId, ServerId},
        admission::{Admitted, Authorization},
        challenge::{DiscoveryUrls, Profile},
        credential::{self, Credential},
        refusal::Refusal,
        status::Failure,
    },
};

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

/// Assigns a server its credential: the token that the client sent for this server, or else
/// `shared`.
pub(super) fn plan_upstream(
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
