//! The requirements: what a gateway has to do, how binding it is, and from which source it comes.
//!
//! The data is in `conformance/requirements/`, one file for each group. This module does not know
//! how a requirement is judged (rules and scenarios do) or how an implementation performs.

use indexmap::IndexMap;
use serde::Deserialize;

mod binding;
pub(crate) mod embedded;
mod feature;
mod gateway_kind;
pub(crate) mod named_values;
mod profile;
mod protocol_version;
pub mod release;
mod requirement;
#[cfg(test)]
mod tests;

use self::embedded::Embedded;
pub use self::{
    binding::{Binding, Condition, GatewayTraits, conditions_in_words},
    feature::Feature,
    gateway_kind::GatewayKind,
    profile::Profile,
    protocol_version::ProtocolVersion,
    requirement::{Level, Requirement, Status, Strength},
};

/// The files of the requirements, by name, in the order in which reports list their groups.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("credentials.toml", include_str!("../../requirements/credentials.toml")),
    ("gating.toml", include_str!("../../requirements/gating.toml")),
    ("probe.toml", include_str!("../../requirements/probe.toml")),
    ("status.toml", include_str!("../../requirements/status.toml")),
    ("challenge.toml", include_str!("../../requirements/challenge.toml")),
    ("discovery.toml", include_str!("../../requirements/discovery.toml")),
    ("fail-open.toml", include_str!("../../requirements/fail-open.toml")),
    ("aggregate.toml", include_str!("../../requirements/aggregate.toml")),
    ("streaming.toml", include_str!("../../requirements/streaming.toml")),
    ("observability.toml", include_str!("../../requirements/observability.toml")),
    ("security.toml", include_str!("../../requirements/security.toml")),
];

/// Every requirement, in the order of the files in `requirements/`.
#[derive(Clone, Debug)]
pub struct Catalogue {
    requirements: IndexMap<String, Requirement>,
    /// The title of each group, by the prefix of its ids.
    titles: IndexMap<String, String>,
}

static EMBEDDED: Embedded<Catalogue> =
    Embedded::new(|| Catalogue::parse(FILES).map_err(|error| error.to_string()));

impl Catalogue {
    /// The catalogue that is compiled into this program.
    #[must_use]
    pub fn embedded() -> &'static Self {
        EMBEDDED.get()
    }

    /// Reads and checks the files of a catalogue, given as name and text.
    ///
    /// # Errors
    ///
    /// If a file is not TOML or has unknown keys, or if a requirement contradicts itself or
    /// another.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, CatalogueError> {
        let mut catalogue = Self { requirements: IndexMap::new(), titles: IndexMap::new() };
        for (file, text) in files {
            let group = toml::from_str(text)
                .map_err(|error| CatalogueError::Toml { file: (*file).to_owned(), error })?;
            catalogue.add(group)?;
        }
        Ok(catalogue)
    }

    fn add(&mut self, group: Group) -> Result<(), CatalogueError> {
        let Group { prefix, title, requirement: requirements } = group;
        for requirement in requirements {
            let id = requirement.id.clone();
            if id.strip_prefix(&prefix).is_none_or(|rest| !rest.starts_with('-')) {
                let problem = "does not begin with the prefix of its file";
                return Err(CatalogueError::Requirement { id, problem });
            }
            if let Some(problem) = requirement.problem() {
                return Err(CatalogueError::Requirement { id, problem });
            }
            if self.requirements.insert(id.clone(), requirement).is_some() {
                return Err(CatalogueError::Requirement { id, problem: "exists twice" });
            }
        }
        self.titles.insert(prefix, title);
        Ok(())
    }

    /// The title of the group whose ids begin with this prefix, for example `STA`.
    #[must_use]
    pub fn title(&self, prefix: &str) -> Option<&str> {
        self.titles.get(prefix).map(String::as_str)
    }

    /// The requirement with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.requirements.get(id)
    }

    /// Every requirement, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.requirements.values()
    }
}

/// One file of the catalogue: the requirements on one subject.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    /// What every id of the file begins with, without the hyphen.
    prefix: String,
    /// The subject of the requirements.
    title: String,
    /// The requirements, in the order of their ids.
    requirement: Vec<Requirement>,
}

/// The JSON Schema of a file of requirements, from which the reference is made.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Group)
}

/// Why a catalogue cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A file is not TOML, or has an unknown key or value.
    #[error("requirements/{file}: {error}")]
    Toml {
        /// The name of the file.
        file: String,
        /// What the TOML parser found.
        error: toml::de::Error,
    },
    /// A requirement contradicts itself or another one.
    #[error("requirement {id} {problem}")]
    Requirement {
        /// The id of the requirement.
        id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}
