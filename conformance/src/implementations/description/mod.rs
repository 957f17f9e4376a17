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
pub(super) mod validation;

use serde::Deserialize;

pub use self::{
    endpoints::{AggregateEndpoints, CredentialLayout, ServerNames},
    lifecycle::{Deadlines, Install, ReadinessCheck, StartCommand, StopPolicy, TemplateFile},
    surfaces::{Audit, Surfaces},
};
use super::{folder::Folder, located::Located, preset::Preset};
use crate::{
    cases::axis::Strategy,
    catalogue::{Feature, GatewayKind, Profile, ProtocolVersion},
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
    /// The kind of gateway, whose preset provides the keys that are not given.
    pub kind: GatewayKind,
    /// Where a caller sends the gateway key and the upstream token.
    pub credentials: CredentialLayout,
    /// The paths of the single-server endpoints, each with `{server}` for the name of the server.
    /// If the gateway has one server only, the paths do not contain `{server}`.
    ///
    /// The whole matrix uses the first path. The default is that of the kind.
    #[serde(default, deserialize_with = "validation::routes")]
    pub routes: Vec<String>,
    /// The aggregate endpoints, if there are any.
    pub aggregate: Option<AggregateEndpoints>,
    /// The characters that server names may contain.
    #[serde(default)]
    pub server_names: ServerNames,
    /// The features of the implementation. A case that needs another feature is skipped. The
    /// default is that of the kind.
    #[serde(rename = "features")]
    pub(super) listed_features: Option<Vec<Feature>>,
    /// Features in addition to those of the kind.
    #[serde(default)]
    pub(super) features_added: Vec<Feature>,
    /// Features of the kind that the implementation does not have.
    #[serde(default)]
    pub(super) features_removed: Vec<Feature>,
    /// The protocol versions that clients may use. The default is that of the kind.
    #[serde(default, deserialize_with = "validation::protocol_versions")]
    pub protocol_versions: Vec<ProtocolVersion>,
    /// How long responses may take.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// The strategies that the implementation can be started with; `["own"]` if there is no choice.
    #[serde(default = "own_strategy", deserialize_with = "validation::strategies")]
    pub strategies: Vec<Strategy>,
    /// The profiles that the implementation can be started with. The default is that of the kind.
    #[serde(default, deserialize_with = "validation::profiles")]
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
        let mut description: Self = toml::from_str(source)
            .map_err(|error| Located::new(file, source, error.span(), error.message()))?;
        description.complete_from_preset();
        if description.aggregate.is_some() && !has_multiple_servers(&description.routes) {
            let error = "a gateway with one server has no aggregate endpoint, expected routes with \
                         `{server}`, or no section [aggregate]";
            return Err(Located::new(file, source, None, error));
        }
        Ok(description)
    }

    /// Sets the keys that are not given to those of the kind. The conditions of a given key exclude
    /// an empty list.
    fn complete_from_preset(&mut self) {
        fn complete<T: Clone>(given: &mut Vec<T>, preset: &[T]) {
            if given.is_empty() {
                given.extend_from_slice(preset);
            }
        }
        let preset = Preset::of(self.kind);
        complete(&mut self.routes, &preset.routes);
        complete(&mut self.profiles, &preset.profiles);
        complete(&mut self.protocol_versions, &preset.protocol_versions);
    }

    /// Every declared feature: those of the kind or the list `features`, with `features-added` and
    /// without `features-removed`, and the features that other keys declare.
    #[must_use]
    pub fn features(&self) -> Vec<Feature> {
        let mut features = self
            .listed_features
            .clone()
            .unwrap_or_else(|| Preset::of(self.kind).features.clone());
        features.extend(&self.features_added);
        features.retain(|feature| !self.features_removed.contains(feature));
        if has_multiple_servers(&self.routes) {
            features.push(Feature::MultipleServers);
        }
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

/// Whether these routes of single-server endpoints lead to more than one server.
pub(super) fn has_multiple_servers(routes: &[String]) -> bool {
    routes.iter().any(|route| route.contains("{server}"))
}

fn own_strategy() -> Vec<Strategy> {
    vec![Strategy::Own]
}
