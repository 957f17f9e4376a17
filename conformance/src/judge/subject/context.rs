//! What is known about an implementation and a case beside the trace.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    cases::{axis::ServerKind, deployment::Deployment},
    catalogue::{Feature, GatewayKind, GatewayTraits, Profile},
    implementations::Surfaces,
};

/// What is known about an implementation and a case beside the trace.
#[derive(Clone, Debug)]
pub struct Context {
    /// The origin of the gateway as clients address it, without a trailing slash.
    pub base_url: String,
    /// What the implementation is configured with.
    pub deployment: Arc<Deployment>,
    /// The header field of the gateway key, in lower case.
    pub key_header: String,
    /// The header field of the upstream token, in lower case.
    pub token_header: String,
    /// The text between server and tool name on aggregate endpoints.
    pub name_separator: String,
    /// The time limits of the implementation.
    pub deadlines: Deadlines,
    /// The features that the implementation declares, by name.
    pub features: BTreeSet<String>,
    /// The kind of gateway, if the implementation is described by one.
    pub gateway_kind: Option<GatewayKind>,
    /// The profile that the implementation was started with.
    pub profile: Profile,
    /// Whether the positive control passed: a request to a healthy upstream in the same batch
    /// arrived and was recorded.
    pub control: bool,
    /// Whether every upstream request had ended shortly after the response; `None` if it was not
    /// checked.
    pub settled: Option<bool>,
    /// What the implementation wrote to its outputs during the case; empty if the outputs were not
    /// read.
    pub output: String,
    /// Whether the implementation refused to start with the configuration of the case.
    pub refused: bool,
    /// The metrics before and after the case, if they were read.
    pub metrics: Option<Metrics>,
    /// Why the case proves nothing: the client has no session although the case needs one, or the
    /// time limit of the run was reached. The case is then inconclusive.
    pub no_evidence: Option<String>,
    /// Further interfaces of the implementation.
    pub surfaces: Surfaces,
}

impl Context {
    /// The deployment as the implementation can be configured with it.
    ///
    /// If it does not declare the feature of a kind of server, servers of this kind are
    /// token-forwarding servers like all others.
    #[must_use]
    pub fn configured_deployment(&self) -> Cow<'_, Deployment> {
        let is_supported = |kind: ServerKind| match kind {
            ServerKind::Static => self.has(Feature::StaticCredential),
            ServerKind::ClientCredentials => self.has(Feature::ClientCredentials),
            ServerKind::Open => self.has(Feature::ServersWithoutCredential),
            ServerKind::NotPermitted => self.has(Feature::LimitedKeys),
            ServerKind::Forwarding | ServerKind::Unknown | ServerKind::Aggregate => true,
        };
        if self.deployment.servers.iter().all(|server| is_supported(server.kind)) {
            return Cow::Borrowed(&self.deployment);
        }
        let mut deployment = Deployment::clone(&self.deployment);
        for server in &mut deployment.servers {
            if !is_supported(server.kind) {
                server.kind = ServerKind::Forwarding;
            }
        }
        Cow::Owned(deployment)
    }

    /// Whether the header field of the token is one of the suite, which the gateway does not know:
    /// it forwards no token, and reads the gateway key from `Authorization`.
    ///
    /// A gateway that forwards this field forwards all unknown fields (CRD-10). That does not show
    /// that it gives a token to a server that should not receive it (CRD-13).
    #[must_use]
    pub fn invents_token_field(&self) -> bool {
        !self.has(Feature::TokenForwarding) && self.token_header != "authorization"
    }

    /// What decides which requirements bind the gateway.
    #[must_use]
    pub fn gateway_traits(&self) -> GatewayTraits {
        GatewayTraits::declared(self.gateway_kind, self.features.clone())
    }

    /// Whether the implementation declares a feature.
    fn has(&self, feature: Feature) -> bool {
        self.features.contains(feature.as_str())
    }
}

/// The time limits of the implementation, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// How long the implementation waits for a probe, as its description declares.
    pub probe: u64,
    /// How long the implementation delays a response head, as its description declares.
    pub commit: u64,
    /// The tolerance that is added to each limit, because the machine is shared.
    pub slack: u64,
}

/// The metrics of an implementation in the Prometheus text format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Before the case.
    pub before: String,
    /// After the case.
    pub after: String,
}
