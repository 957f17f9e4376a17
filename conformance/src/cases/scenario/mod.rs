//! Reads `scenarios/*.toml`: cases of several steps with their expectations.
//!
//! This module sends nothing and judges nothing.

mod step;

use std::collections::BTreeSet;

use serde::Deserialize;

pub use self::step::{
    AggregateStep, BehaviourFrom, CallerName, ConcurrentStep, ConnectionKind, FetchMetadataStep,
    Message, RawStep, Read, RequestStep, Step, Vary,
};
use crate::{
    cases::{
        axis::{Start, Strategy},
        deployment::Variant,
        expectation::Expectation,
    },
    catalogue::{Feature, Profile, ProtocolVersion, embedded::Embedded},
};

/// The pseudo-feature that a scenario with its own configuration needs: the suite can start the
/// implementation again. Implementations do not declare it.
pub const SECOND_START: &str = "second-start";

/// One scenario.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// The name in reports and filters.
    pub id: String,
    /// What the client sends and how the upstream answers, in one sentence.
    pub description: String,
    /// The strategies with which it runs. The default is all.
    #[serde(default)]
    pub strategies: Vec<Strategy>,
    /// The profiles with which it runs. Without this key, the profile does not matter, and it runs
    /// in the main profile of the implementation.
    pub profiles: Option<Vec<Profile>>,
    /// The protocol version of the client.
    #[serde(default)]
    pub protocol_version: ProtocolVersion,
    /// The features that an implementation must declare; otherwise the verdict is `skip`.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// A change of the usual configuration. The implementation is started again for the scenario.
    pub configured: Option<Variant>,
    /// What is sent, in order.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
    /// What must be observed.
    #[serde(rename = "expect")]
    pub expectations: Vec<Expectation>,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// The scenarios.
    scenario: Vec<Scenario>,
}

/// The JSON Schema of a file of scenarios, from which the reference is generated.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(File)
}

/// Each file's name and text.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("credentials.toml", include_str!("../../../cases/scenarios/credentials.toml")),
    ("callers.toml", include_str!("../../../cases/scenarios/callers.toml")),
    ("origins.toml", include_str!("../../../cases/scenarios/origins.toml")),
    ("framing.toml", include_str!("../../../cases/scenarios/framing.toml")),
    ("http2.toml", include_str!("../../../cases/scenarios/http2.toml")),
    ("gating.toml", include_str!("../../../cases/scenarios/gating.toml")),
    ("discovery.toml", include_str!("../../../cases/scenarios/discovery.toml")),
    ("stateless.toml", include_str!("../../../cases/scenarios/stateless.toml")),
    (
        "observability.toml",
        include_str!("../../../cases/scenarios/observability.toml"),
    ),
    ("output.toml", include_str!("../../../cases/scenarios/output.toml")),
    ("probing.toml", include_str!("../../../cases/scenarios/probing.toml")),
    ("startup.toml", include_str!("../../../cases/scenarios/startup.toml")),
    ("aggregate.toml", include_str!("../../../cases/scenarios/aggregate.toml")),
    ("streaming.toml", include_str!("../../../cases/scenarios/streaming.toml")),
];

static EMBEDDED: Embedded<Vec<Scenario>> = Embedded::new(|| {
    let read = |(name, text): &(&str, &str)| {
        toml::from_str::<File>(text).map_err(|error| format!("scenarios/{name}: {error}"))
    };
    let files: Vec<File> = FILES.iter().map(read).collect::<Result<_, _>>()?;
    Ok(files.into_iter().flat_map(|file| file.scenario).collect())
});

impl Scenario {
    /// The scenarios that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static [Self] {
        EMBEDDED.get()
    }

    /// The scenario of this id.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::embedded().iter().find(|scenario| scenario.id == id)
    }

    /// The ids of the requirements that the scenario judges.
    pub fn requirements(&self) -> impl Iterator<Item = &str> {
        self.expectations
            .iter()
            .flat_map(|expectation| expectation.requires.iter().map(String::as_str))
    }

    /// The observables that the scenario's expectations use.
    pub fn observables(&self) -> impl Iterator<Item = &str> {
        self.expectations.iter().flat_map(|expectation| {
            expectation.given.keys().chain(expectation.expect.keys()).map(String::as_str)
        })
    }

    /// The server that observables of one server refer to: the server of the first step.
    #[must_use]
    pub fn server(&self) -> &str {
        self.steps.iter().find_map(Step::server).unwrap_or_default()
    }

    /// The number of sessions that the clients open and do not end.
    #[must_use]
    pub fn sessions_opened(&self) -> usize {
        self.steps.iter().map(Step::sessions_opened).sum()
    }

    /// Whether the scenario runs with this start of an implementation with this main profile.
    #[must_use]
    pub fn runs_with(&self, start: Start, main_profile: Profile) -> bool {
        let runs_in_profile = match &self.profiles {
            Some(profiles) => profiles.contains(&start.profile),
            None => start.profile == main_profile,
        };
        runs_in_profile && (self.strategies.is_empty() || self.strategies.contains(&start.strategy))
    }

    /// The first feature that the scenario needs and that is not in `features`.
    #[must_use]
    pub fn missing_feature(&self, features: &BTreeSet<String>) -> Option<String> {
        let has = |feature: Feature| features.contains(feature.as_str());
        let second_start = self.configured.map(|_| SECOND_START.to_owned());
        let by_steps = self.steps.iter().filter_map(|step| step.missing_feature(has));
        self.features
            .iter()
            .map(ToString::to_string)
            .chain(second_start)
            .find(|feature| !features.contains(feature))
            .or_else(|| by_steps.map(|feature| feature.to_string()).next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_parses() {
        for (name, text) in FILES {
            toml::from_str::<File>(text)
                .unwrap_or_else(|error| panic!("scenarios/{name}: {error}"));
        }
        let ids: BTreeSet<&str> =
            Scenario::embedded().iter().map(|scenario| scenario.id.as_str()).collect();
        assert_eq!(ids.len(), Scenario::embedded().len(), "an id occurs twice");
    }

    #[test]
    fn a_set_of_servers_or_another_server_needs_a_feature() {
        let missing = |id: &str, has: &[Feature]| {
            let scenario = Scenario::find(id).expect("it exists");
            let declared = scenario.features.iter().chain(has).map(ToString::to_string).collect();
            scenario.missing_feature(&declared)
        };
        use Feature::{MultipleServers, ServerSelection, Toolsets};
        let selection = Some("server-selection".to_owned());
        for (id, has, expected) in [
            ("aggregate-servers-are-contacted-concurrently", &[][..], None),
            ("set-of-one-server-is-aggregate", &[], selection.clone()),
            ("set-of-one-server-is-aggregate", &[Toolsets], None),
            ("set-of-one-server-is-aggregate", &[ServerSelection], None),
            ("repeated-name-is-one-server", &[Toolsets], selection.clone()),
            ("hostile-selections-contact-no-server", &[Toolsets], selection),
            ("toolset-of-one-server-is-aggregate", &[], None),
            ("each-request-uses-its-own-token", &[], None),
            ("connections-are-reused", &[], Some("multiple-servers".to_owned())),
            ("connections-are-reused", &[MultipleServers], None),
        ] {
            assert_eq!(missing(id, has), expected, "{id}: {has:?}");
        }
    }

    #[test]
    fn every_name_in_a_scenario_is_known() {
        for scenario in Scenario::embedded() {
            for expectation in &scenario.expectations {
                expectation
                    .check()
                    .unwrap_or_else(|why| panic!("scenario `{}` {why}", scenario.id));
            }
            for step in &scenario.steps {
                step.check().unwrap_or_else(|why| panic!("scenario `{}`: {why}", scenario.id));
            }
        }
    }
}
