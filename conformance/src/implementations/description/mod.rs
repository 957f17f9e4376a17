//! The content of `implementation.toml`: how a gateway is reached, configured, installed, started
//! and stopped.
//!
//! It contains data only. `implementations/README.md` explains the same keys for the authors of
//! descriptions.
//!
//! | module | contents |
//! | --- | --- |
//! | `endpoints` | routes, credentials and server names |
//! | `surfaces` | limits, metrics and audit log |
//! | `lifecycle` | install, files, start, readiness and stop |
//! | `validation` | the conditions that values must satisfy |

mod endpoints;
mod lifecycle;
mod surfaces;
mod validation;

use serde::Deserialize;

pub use self::{
    endpoints::{AggregateEndpoints, CredentialLayout, ServerNames},
    lifecycle::{Deadlines, Install, ReadinessCheck, StartCommand, StopPolicy, TemplateFile},
    surfaces::{Audit, Surfaces},
};
use super::{folder::Folder, located::Located};
use crate::{
    cases::axis::Strategy,
    catalogue::{Feature, Profile},
};

/// One implementation, as its folder describes it.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Description {
    /// The name in reports and in the cache: letters, digits, `-`, `_` and `.`.
    #[serde(deserialize_with = "validation::name")]
    pub name: String,
    /// The version that the install section pins.
    pub version: String,
    /// The URL of the documentation.
    pub homepage: String,
    /// Where a caller sends the gateway key and the upstream token.
    pub credentials: CredentialLayout,
    /// The paths of the single-server endpoints, each with `{server}` for the name of the server.
    ///
    /// The whole matrix uses the first path.
    #[serde(deserialize_with = "validation::routes")]
    pub routes: Vec<String>,
    /// The aggregate endpoints, if there are any.
    pub aggregate: Option<AggregateEndpoints>,
    /// The characters that server names may contain.
    #[serde(default)]
    pub server_names: ServerNames,
    /// The features of the implementation. A case that needs another feature is skipped.
    #[serde(default)]
    pub features: Vec<Feature>,
    /// How long responses may take.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// The strategies that the implementation can be started with; `["own"]` if there is no choice.
    #[serde(default = "own_strategy", deserialize_with = "validation::strategies")]
    pub strategies: Vec<Strategy>,
    /// The profiles that the implementation can be started with.
    #[serde(default = "seed_profile", deserialize_with = "validation::profiles")]
    pub profiles: Vec<Profile>,
    /// How the implementation is installed.
    #[serde(default)]
    pub install: Install,
    /// The files that are rendered before each start.
    #[serde(default, rename = "file")]
    pub files: Vec<TemplateFile>,
    /// How the implementation is started.
    pub start: StartCommand,
    /// How the suite finds out that the implementation is ready.
    pub ready: ReadinessCheck,
    /// How the implementation is stopped.
    #[serde(default)]
    pub stop: StopPolicy,
    /// Limits, metrics and audit log. Each value declares a feature.
    #[serde(default)]
    pub surfaces: Surfaces,
    /// The files of the folder.
    #[serde(skip)]
    pub(super) folder: Folder,
}

impl Description {
    /// Parses the text of an `implementation.toml`. `file` is its name in errors.
    ///
    /// # Errors
    ///
    /// The text is not TOML, or a key or a value is not valid.
    pub fn parse(file: &str, source: &str) -> Result<Self, Located> {
        toml::from_str(source)
            .map_err(|error| Located::new(file, source, error.span(), error.message()))
    }

    /// Every declared feature: the list `features`, and the features that other keys declare.
    #[must_use]
    pub fn features(&self) -> Vec<Feature> {
        let mut features = self.features.clone();
        if self.credentials.server_token_header.is_some() {
            features.push(Feature::ServerTokens);
        }
        features.extend(self.aggregate.iter().flat_map(AggregateEndpoints::features));
        features.extend(self.surfaces.features());
        features
    }

    /// A file of the folder, for example `baseline.toml`; `None` if it does not exist.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        self.folder.read(name).ok()
    }
}

fn own_strategy() -> Vec<Strategy> {
    vec![Strategy::Own]
}

fn seed_profile() -> Vec<Profile> {
    vec![Profile::Seed]
}
