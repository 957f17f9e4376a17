//! Finds the implementation that a command line names, starts it with a plan, and knows what the suite must know to talk to it.
//!
//! Built-in or a folder, ours or a stranger's: behind this module they are all a base URL. It does not drive them.

use std::{io, path::Path, time::Duration};

use crate::{
    cases::{
        axis::{Start, Strategy},
        deployment::Deployment,
    },
    catalogue::{Feature, Profile},
    implementations::{
        self, AggregateEndpoints, Audit, CredentialLayout, Deadlines, Description,
        DescriptionError, StartError, Surfaces,
        builtin::{self, Reference},
    },
    model_gateway::{self, Fault, Places, RunningDefect, Switch, Variant},
};

/// The implementation that is judged when none is named.
pub const DEFAULT: &str = "builtin:reference";

/// One implementation, found but not started.
#[derive(Debug)]
pub struct Implementation {
    /// As the command line named it.
    pub name: String,
    /// Its version, where it is known.
    pub version: String,
    /// Where a caller puts key and token.
    pub credential_layout: CredentialLayout,
    /// The routes of one server, then those of several.
    pub routes: Vec<String>,
    /// How several servers are reached at once, where they can be.
    pub several: Option<AggregateEndpoints>,
    /// The profiles that it can be started with.
    pub profiles: Vec<Profile>,
    /// The strategies that it can be started with in each of them.
    pub strategies: Vec<Strategy>,
    /// What it can do.
    pub features: Vec<Feature>,
    /// What else of it can be met or read.
    pub surfaces: Surfaces,
    /// How long its answers may take.
    pub deadlines: Deadlines,
    /// Whether it is our own: the recommended requirements bind it too.
    pub ours: bool,
    /// The text of its `baseline.toml`, where it has one: what it is known to fail.
    pub baseline: Option<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Reference,
    Model(Option<Switch>),
    Described(Box<Description>),
    Url(String),
}

/// Why there is no target, or why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum ImplementationError {
    /// No such defect, or no such variant.
    #[error("unknown {kind} `{name}`\nexpected one of {known}")]
    UnknownModel {
        /// `defect` or `variant`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// The names that would have done.
        known: String,
    },
    /// No such built-in implementation.
    #[error(
        "unknown built-in implementation `{0}`\nexpected builtin:reference, builtin:model, builtin:defect/NAME or builtin:variant/NAME"
    )]
    UnknownBuiltin(String),
    /// No such folder, or a description that does not parse.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// It cannot be started like that.
    #[error("{name} has no {axis} `{value}`\nexpected one of {known}")]
    NoSuchStart {
        /// The implementation.
        name: String,
        /// `strategy` or `profile`.
        axis: &'static str,
        /// What was asked for.
        value: &'static str,
        /// What it has.
        known: String,
    },
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A built-in one did not start.
    #[error("{name} did not start: {why}")]
    Builtin {
        /// The implementation.
        name: String,
        /// What it says.
        why: String,
    },
}

impl ImplementationError {
    /// Whether it was found and did not start, as opposed to having been named wrongly.
    #[must_use]
    pub fn is_start(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Builtin { .. })
    }
}

impl Implementation {
    /// Finds the implementation of that name. A URL is taken to be configured like `like`, or like the reference.
    pub fn resolve(name: &str, like: Option<&str>) -> Result<Self, ImplementationError> {
        if let Some(url) = name.strip_prefix("url:") {
            let twin = Self::resolve(like.unwrap_or(DEFAULT), None)?;
            let kind = Kind::Url(url.to_owned());
            // Our own are set low, because we start ourselves; somebody else's gateway is taken to be as slow as gateways usually are.
            let deadlines = if like.is_some() { twin.deadlines } else { Deadlines::default() };
            return Ok(Self {
                name: name.to_owned(),
                version: "unknown".into(),
                profiles: vec![Profile::Seed],
                strategies: vec![Strategy::Own],
                ours: false,
                deadlines,
                kind,
                ..twin
            });
        }
        let unknown = |kind, name: &str, known: Vec<&str>| ImplementationError::UnknownModel {
            kind,
            name: name.to_owned(),
            known: known.join(", "),
        };
        if let Some(fault) = name.strip_prefix("builtin:defect/") {
            let known = || model_gateway::all().iter().map(Fault::name).collect();
            let fault = Fault::find(fault).ok_or_else(|| unknown("defect", fault, known()))?;
            return Ok(Self::model(name, Some(fault.switch), &fault.profiles));
        }
        if let Some(variant) = name.strip_prefix("builtin:variant/") {
            let known = || model_gateway::variants().iter().map(Variant::name).collect();
            return Ok(Self::variant(
                name,
                Variant::find(variant).ok_or_else(|| unknown("variant", variant, known()))?,
            ));
        }
        match name.strip_prefix("builtin:") {
            Some("reference") => Ok(Self::builtin(name, Kind::Reference)),
            Some("model") => Ok(Self::model(name, None, Profile::ALL)),
            Some(_) => Err(ImplementationError::UnknownBuiltin(name.to_owned())),
            None => Self::described(name, Description::find(name)?),
        }
    }

    /// A variant is judged as a stranger's gateway is: by what binds everyone.
    fn variant(name: &str, variant: &Variant) -> Self {
        let mut target = Self::model(name, Some(variant.switch), &variant.profiles);
        target.features.retain(|feature| !variant.lacks.contains(feature));
        target.features.extend(&variant.has);
        target.ours = false;
        if !target.features.contains(&Feature::PreflightProbe) {
            target.strategies = vec![Strategy::Own];
            // Only the request itself asks about a token then.
            target.deadlines.probe_ms = millis(model_gateway::REQUEST_DEADLINE);
        }
        target
    }

    fn model(name: &str, switch: Option<Switch>, profiles: &[Profile]) -> Self {
        let deadlines = Deadlines {
            probe_ms: millis(model_gateway::PROBE_DEADLINE),
            answer_ms: millis(
                2 * (model_gateway::PROBE_DEADLINE + model_gateway::REQUEST_DEADLINE),
            ),
        };
        let unseen =
            |feature: &Feature| !matches!(feature, Feature::CommitDeadline | Feature::Http2);
        let features = Feature::ALL.iter().copied().filter(unseen).collect();
        let (profiles, strategies) = (profiles.to_vec(), vec![Strategy::Probe]);
        let places = Places::of(switch);
        let of_several = places.routes_of_several.map(str::to_owned);
        Self {
            credential_layout: CredentialLayout {
                key_header: places.key_header.to_owned(),
                key_prefix: places.key_prefix.to_owned(),
                token_header: "authorization".to_owned(),
                token_prefix: "Bearer ".to_owned(),
                server_token_header: Some(places.server_token_header.to_owned()),
            },
            routes: places
                .routes
                .iter()
                .map(|route| (*route).to_owned())
                .chain(of_several.clone())
                .collect(),
            several: Some(AggregateEndpoints {
                routes: of_several.to_vec(),
                narrowing_header: places.narrowing_header.to_owned(),
                name_separator: places.name_separator.to_owned(),
            }),
            profiles,
            strategies,
            deadlines,
            features,
            ..Self::builtin(name, Kind::Model(switch))
        }
    }

    fn builtin(name: &str, kind: Kind) -> Self {
        let of_several = builtin::ROUTES_OF_SEVERAL;
        Self {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            credential_layout: CredentialLayout {
                key_header: builtin::KEY_HEADER.to_owned(),
                key_prefix: String::new(),
                token_header: "authorization".to_owned(),
                token_prefix: "Bearer ".to_owned(),
                server_token_header: Some("x-mcp-{server}-authorization".to_owned()),
            },
            routes: builtin::ROUTES
                .iter()
                .chain(of_several)
                .map(|route| (*route).to_owned())
                .collect(),
            several: Some(AggregateEndpoints {
                routes: of_several.iter().map(|route| (*route).to_owned()).collect(),
                narrowing_header: builtin::NARROWING_HEADER.to_owned(),
                name_separator: "-".to_owned(),
            }),
            profiles: Profile::ALL.to_vec(),
            strategies: vec![Strategy::Probe, Strategy::Deferred],
            features: Feature::ALL.to_vec(),
            surfaces: Surfaces {
                message_bytes: Some(4 * 1024 * 1024),
                metrics: None,
                audit: Some(Audit {
                    request_id: "x-request-id".to_owned(),
                    caller: "limited".to_owned(),
                    stripped: "credential_stripped=true".to_owned(),
                }),
            },
            deadlines: Deadlines {
                probe_ms: builtin::PROBE_DEADLINE_MS,
                answer_ms: builtin::ANSWER_WITHIN_MS,
            },
            ours: true,
            baseline: None,
            kind,
        }
    }

    fn described(name: &str, description: Description) -> Result<Self, ImplementationError> {
        let baseline = description.read("baseline.toml");
        Ok(Self {
            name: name.to_owned(),
            version: description.version.clone(),
            credential_layout: description.credentials.clone(),
            routes: description
                .routes
                .iter()
                .chain(description.several.iter().flat_map(|several| &several.routes))
                .cloned()
                .collect(),
            several: description.several.clone(),
            profiles: description.profiles.clone(),
            strategies: description.strategies.clone(),
            features: description.features(),
            surfaces: description.surfaces.clone(),
            deadlines: description.deadlines.clone(),
            ours: false,
            baseline,
            kind: Kind::Described(Box::new(description)),
        })
    }

    /// Keeps one strategy of those that it has.
    pub fn with_strategy(self, strategy: Strategy) -> Result<Self, ImplementationError> {
        self.has(
            "strategy",
            strategy.as_str(),
            self.strategies.iter().map(|known| known.as_str()),
        )?;
        Ok(Self { strategies: vec![strategy], ..self })
    }

    /// Keeps one profile of those that it has.
    pub fn with_profile(self, profile: Profile) -> Result<Self, ImplementationError> {
        self.has("profile", profile.as_str(), self.profiles.iter().map(|known| known.as_str()))?;
        Ok(Self { profiles: vec![profile], ..self })
    }

    fn has<'a>(
        &self,
        axis: &'static str,
        value: &'static str,
        known: impl Iterator<Item = &'a str>,
    ) -> Result<(), ImplementationError> {
        let known: Vec<&str> = known.collect();
        if known.contains(&value) {
            return Ok(());
        }
        Err(ImplementationError::NoSuchStart {
            name: self.name.clone(),
            axis,
            value,
            known: known.join(", "),
        })
    }

    /// How it is started: once for each profile and strategy.
    pub fn starts(&self) -> impl Iterator<Item = Start> {
        self.profiles.iter().flat_map(|&profile| {
            self.strategies.iter().map(move |&strategy| Start { profile, strategy })
        })
    }

    /// Where it wants key and token, in words.
    #[must_use]
    pub fn credential_layout_in_words(&self) -> String {
        let CredentialLayout { key_header, key_prefix, token_header, token_prefix, .. } =
            &self.credential_layout;
        format!(
            "gateway key in `{key_header}: {key_prefix}…`, upstream token in `{token_header}: {token_prefix}…`"
        )
    }

    /// Whether it can be stopped and started again.
    #[must_use]
    pub fn can_restart(&self) -> bool {
        !matches!(self.kind, Kind::Url(_))
    }

    /// Starts it and waits until it is ready.
    pub async fn start(
        &self,
        deployment: &Deployment,
        start: Start,
        cache: &Path,
        say: impl Fn(&str),
    ) -> Result<Running, ImplementationError> {
        let failed = |why: io::Error| ImplementationError::Builtin {
            name: self.name.clone(),
            why: why.to_string(),
        };
        Ok(match &self.kind {
            Kind::Reference => Running::Reference(
                builtin::start(deployment, start)
                    .await
                    .map_err(|why| ImplementationError::Builtin { name: self.name.clone(), why })?,
            ),
            Kind::Model(switch) => Running::Model(
                model_gateway::start(*switch, deployment, start.profile).await.map_err(failed)?,
            ),
            Kind::Described(description) => Running::Described(Box::new(
                implementations::start(description, deployment, start, cache, say).await?,
            )),
            Kind::Url(url) => Running::Url(url.trim_end_matches('/').to_owned()),
        })
    }
}

/// One implementation, running. Dropped, it is killed; what runs at a URL is not ours to stop.
#[derive(Debug)]
pub enum Running {
    /// Our gateway, in this process.
    Reference(Reference),
    /// The model gateway, as it is or otherwise, in this process.
    Model(RunningDefect),
    /// A process group.
    Described(Box<implementations::Running>),
    /// Somebody else's.
    Url(String),
}

impl Running {
    /// Scheme, host and port.
    #[must_use]
    pub fn base_url(&self) -> &str {
        match self {
            Self::Reference(running) => running.base_url(),
            Self::Model(running) => running.base_url(),
            Self::Described(running) => &running.base_url,
            Self::Url(url) => url,
        }
    }

    /// Where its metrics are, if it has any.
    #[must_use]
    pub fn metrics(&self) -> Option<&str> {
        match self {
            Self::Reference(running) => Some(running.metrics()),
            Self::Described(running) => running.metrics.as_deref(),
            Self::Model(running) => Some(running.metrics()),
            Self::Url(_) => None,
        }
    }

    /// Everything that it has written so far, where the suite can read that.
    #[must_use]
    pub fn output(&self) -> Option<String> {
        match self {
            Self::Reference(running) => Some(running.output()),
            Self::Described(running) => std::fs::read(&running.log)
                .ok()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            Self::Model(running) => Some(running.output()),
            Self::Url(_) => None,
        }
    }

    /// Stops it in good order.
    pub async fn stop(self) {
        match self {
            Self::Reference(running) => running.stop().await,
            Self::Model(running) => running.stop().await,
            Self::Described(running) => running.stop().await,
            Self::Url(_) => {}
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_says_what_would_have_done() {
        let error =
            Implementation::resolve("builtin:defect/nothing-of-the-kind", None).unwrap_err();
        assert!(error.to_string().contains("swallows-401"), "{error}");
        let error =
            Implementation::resolve("builtin:variant/nothing-of-the-kind", None).unwrap_err();
        assert!(error.to_string().contains("title-case"), "{error}");
        assert!(!error.is_start());
        assert!(Implementation::resolve("builtin:modal", None).is_err());
        assert!(Implementation::resolve("nosuchgateway", None).is_err());
    }

    #[test]
    fn a_strategy_that_it_does_not_have_is_an_error_of_usage() {
        let litellm = Implementation::resolve("litellm", None).unwrap();
        let error = litellm.with_strategy(Strategy::Probe).unwrap_err();
        assert_eq!(error.to_string(), "litellm has no strategy `probe`\nexpected one of own");
    }

    #[test]
    fn a_url_is_configured_like_its_twin() {
        let target = Implementation::resolve("url:http://127.0.0.1:1", Some("litellm")).unwrap();
        assert_eq!(target.credential_layout.key_prefix, "Bearer ");
        assert!(!target.can_restart() && !target.ours);
    }
}
