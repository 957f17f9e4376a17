//! One implementation, found but not started: everything that the suite must know to start it and
//! to send it requests.

use std::path::Path;

use super::{
    AggregateEndpoints, CredentialLayout, Deadlines, Description, ImplementationError,
    RunningImplementation, Surfaces, builtin, launch::launch,
};
use crate::{
    cases::{
        axis::{Start, Strategy},
        deployment::Deployment,
        matrix::MatrixScope,
    },
    catalogue::{Feature, GatewayKind, GatewayTraits, Profile, ProtocolVersion},
    model_gateway::{self, Decisions},
};

/// The implementation that is judged if the command line names none.
pub const DEFAULT: &str = "builtin:reference";

/// One implementation, found but not started.
#[derive(Debug)]
pub struct Implementation {
    /// The name on the command line.
    pub name: String,
    /// The version; `unknown` for an implementation at a URL.
    pub version: String,
    /// The kind of gateway; `None` for the gateways of this project.
    pub gateway_kind: Option<GatewayKind>,
    /// Where a caller sends the gateway key and the upstream token.
    pub credential_layout: CredentialLayout,
    /// The paths of the single-server endpoints, followed by those of the aggregate endpoints.
    pub routes: Vec<String>,
    /// The aggregate endpoints, if there are any.
    pub aggregate: Option<AggregateEndpoints>,
    /// The profiles that it is started with.
    pub profiles: Vec<Profile>,
    /// The profile in which every case runs. In other profiles, only the cases run that a profile
    /// can change.
    pub main_profile: Profile,
    /// The strategies that it can be started with in each profile.
    pub strategies: Vec<Strategy>,
    /// The features that it declares.
    pub features: Vec<Feature>,
    /// The protocol versions that its clients may use.
    pub protocol_versions: Vec<ProtocolVersion>,
    /// Its limits, metrics and audit log.
    pub surfaces: Surfaces,
    /// How long its responses may take.
    pub deadlines: Deadlines,
    /// Whether it belongs to this project. Then recommended requirements count as well.
    pub ours: bool,
    /// The text of its `baseline.toml`, if there is one.
    pub baseline: Option<String>,
    pub(super) kind: Kind,
}

/// What is started.
#[derive(Debug)]
pub(super) enum Kind {
    /// The reference gateway.
    Reference,
    /// The model gateway, with a defect or a variant or without.
    Model(Decisions),
    /// The program of a description.
    Described(Box<Description>),
    /// Nothing: the implementation already runs at this URL.
    Url(String),
}

impl Implementation {
    /// Restricts it to one of its strategies.
    ///
    /// # Errors
    ///
    /// It does not offer this strategy.
    pub fn with_strategy(self, strategy: Strategy) -> Result<Self, ImplementationError> {
        let known = self.strategies.iter().map(|known| known.as_str());
        self.require_one_of("strategy", strategy.as_str(), known)?;
        Ok(Self { strategies: vec![strategy], ..self })
    }

    /// Restricts it to one of its profiles.
    ///
    /// # Errors
    ///
    /// It does not offer this profile.
    pub fn with_profile(self, profile: Profile) -> Result<Self, ImplementationError> {
        let known = self.profiles.iter().map(|known| known.as_str());
        self.require_one_of("profile", profile.as_str(), known)?;
        Ok(Self { profiles: vec![profile], ..self })
    }

    /// This implementation as if it had only this profile. Then every case runs in the profile.
    ///
    /// # Errors
    ///
    /// It does not offer this profile.
    pub fn with_only_profile(self, profile: Profile) -> Result<Self, ImplementationError> {
        Ok(Self { main_profile: profile, ..self.with_profile(profile)? })
    }

    fn require_one_of<'a>(
        &self,
        axis: &'static str,
        value: &'static str,
        known: impl Iterator<Item = &'a str>,
    ) -> Result<(), ImplementationError> {
        let known: Vec<&str> = known.collect();
        if known.contains(&value) {
            return Ok(());
        }
        Err(ImplementationError::UnsupportedStart {
            name: self.name.clone(),
            axis,
            value,
            known: known.join(", "),
        })
    }

    /// The starts of a run: one for each combination of profile and strategy.
    pub fn starts(&self) -> impl Iterator<Item = Start> {
        self.profiles.iter().flat_map(|&profile| {
            self.strategies.iter().map(move |&strategy| Start { profile, strategy })
        })
    }

    /// The paths of its single-server endpoints.
    #[must_use]
    pub fn single_server_routes(&self) -> &[String] {
        let aggregate = self.aggregate.as_ref().map_or(0, |aggregate| aggregate.routes.len());
        &self.routes[..self.routes.len() - aggregate]
    }

    /// What it determines about its matrix, for these starts.
    #[must_use]
    pub fn matrix_scope<'a>(&'a self, starts: &'a [Start]) -> MatrixScope<'a> {
        MatrixScope {
            starts,
            routes: &self.routes,
            main_profile: self.main_profile,
            protocol_versions: &self.protocol_versions,
        }
    }

    /// What decides which requirements bind it.
    #[must_use]
    pub fn gateway_traits(&self) -> GatewayTraits {
        let features = self.features.iter().map(ToString::to_string).collect();
        GatewayTraits {
            ours: self.ours,
            ..GatewayTraits::declared(self.gateway_kind, features)
        }
    }

    /// A sentence part that says where the gateway key and the upstream token are sent.
    #[must_use]
    pub fn credential_layout_in_words(&self) -> String {
        let CredentialLayout { key_header, key_prefix, token_header, token_prefix, .. } =
            &self.credential_layout;
        format!(
            "gateway key in `{key_header}: {key_prefix}…`, upstream token in `{token_header}: \
             {token_prefix}…`"
        )
    }

    /// Whether the model gateway has applied the decision in which it deviates from the correct
    /// one; `None` if there is no such decision.
    #[must_use]
    pub fn deviation_was_reached(&self) -> Option<bool> {
        match &self.kind {
            Kind::Model(decisions) if decisions.deviate() => {
                Some(decisions.deviation_was_reached())
            }
            _ => None,
        }
    }

    /// Whether the suite can stop and start it.
    #[must_use]
    pub fn can_restart(&self) -> bool {
        self.url().is_none()
    }

    /// The base URL of an implementation that the suite does not start.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match &self.kind {
            Kind::Url(url) => Some(url),
            _ => None,
        }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It could not be installed, did not start, or was not ready in time.
    pub async fn start(
        &self,
        deployment: &Deployment,
        start: Start,
        cache: &Path,
        progress: impl Fn(&str),
    ) -> Result<RunningImplementation, ImplementationError> {
        match &self.kind {
            Kind::Reference => builtin::start(deployment, start)
                .await
                .map(RunningImplementation::Reference)
                .map_err(|reason| self.builtin_error(reason)),
            Kind::Model(decisions) => model_gateway::start(decisions, deployment, start.profile)
                .await
                .map(RunningImplementation::Model)
                .map_err(|error| self.builtin_error(error.to_string())),
            Kind::Described(description) => {
                let running = launch(description, deployment, start, cache, progress).await?;
                Ok(RunningImplementation::Described(Box::new(running)))
            }
            Kind::Url(url) => Ok(RunningImplementation::Url(url.trim_end_matches('/').to_owned())),
        }
    }

    fn builtin_error(&self, reason: String) -> ImplementationError {
        ImplementationError::Builtin { name: self.name.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_that_the_implementation_does_not_offer_is_rejected() {
        let litellm = Implementation::resolve("litellm", None).unwrap();
        let error = litellm.with_strategy(Strategy::Probe).unwrap_err();
        assert_eq!(error.to_string(), "litellm has no strategy `probe`\nexpected one of own");
    }
}
