//! Reads `axes.toml`: the axes, the combinations that the matrix excludes, and the mixes of
//! behaviours.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde::Deserialize;

use super::servers::server_of;
use crate::{
    cases::{deployment::names, matrix_case::MatrixCase, selector::Selector},
    catalogue::{Feature, embedded::Embedded},
};

/// The axes as `axes.toml` describes them.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axes {
    /// The axes, in the order of a matrix case's id.
    axis: Vec<Axis>,
    /// Combinations that the matrix excludes. The first row that matches a combination is its
    /// reason.
    pub(super) not_applicable: Vec<Reduction>,
    /// How the servers of an aggregate endpoint answer.
    #[serde(default)]
    mixes: Mixes,
}

/// How the servers of an aggregate endpoint answer.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Mixes {
    /// Mock behaviours. The matrix contains every combination of them.
    every: Vec<String>,
    /// Further mixes, each with one behaviour for each server, separated by commas.
    also: Vec<String>,
}

/// One axis of the matrix.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axis {
    /// The name in rules and filters.
    pub name: String,
    /// What differs between its values.
    pub description: String,
    /// The values, each with its description. Empty if another file or the implementation lists
    /// them.
    #[serde(default)]
    pub values: IndexMap<String, String>,
    /// The features that an implementation must declare for a value; otherwise the verdict is
    /// `skip`.
    #[serde(default)]
    pub needs: IndexMap<String, Vec<Feature>>,
}

/// Combinations that the matrix excludes.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Reduction {
    /// The matrix cases that are excluded.
    pub(super) when: Selector,
    /// Limits the row to the profiles of the implementation other than its main profile.
    pub(super) profile: Option<OtherProfile>,
    /// Limits the row to the first route of the implementation, or to its other routes.
    pub(super) spelling: Option<RouteSpelling>,
    /// A description of the combinations for reports.
    pub(super) description: String,
    /// Why no evidence is lost.
    pub(super) reason: String,
}

/// The profiles of an implementation to which a row applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OtherProfile {
    /// Every profile except the main one.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RouteSpelling {
    /// The first route of the implementation.
    First,
    /// Any other route.
    Other,
}

/// The JSON Schema of `axes.toml`, from which the reference is generated.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Axes)
}

static EMBEDDED: Embedded<Axes> = Embedded::new(|| {
    Axes::parse(include_str!("../../../cases/axes.toml"))
        .map_err(|error| format!("cases/axes.toml: {error}"))
});

impl Axes {
    /// The axes that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        EMBEDDED.get()
    }

    /// Reads and checks a description of the axes.
    ///
    /// # Errors
    ///
    /// If the text is not TOML, has unknown keys, or names a value that no matrix case can have.
    pub fn parse(text: &str) -> Result<Self, AxesError> {
        let axes: Self = toml::from_str(text)?;
        for reduction in &axes.not_applicable {
            reduction.when.check().map_err(|why| AxesError::Value {
                description: reduction.description.clone(),
                why,
            })?;
        }
        Ok(axes)
    }

    /// Every mix of behaviours of an aggregate endpoint, as the `upstream` value of a matrix case.
    #[must_use]
    pub fn mixes(&self) -> Vec<String> {
        let mut mixes = self.conclusive_mixes();
        mixes.extend(self.mixes.also.iter().cloned());
        mixes
    }

    /// The mixes in which every server accepts or refuses the token: all combinations of `every`.
    #[must_use]
    pub fn conclusive_mixes(&self) -> Vec<String> {
        let mut mixes = vec![String::new()];
        for position in 0..names::AGGREGATE.len() {
            let separator = if position == 0 { "" } else { "," };
            mixes = mixes
                .iter()
                .flat_map(|mix| {
                    let behaviours = self.mixes.every.iter();
                    behaviours.map(move |behaviour| format!("{mix}{separator}{behaviour}"))
                })
                .collect();
        }
        mixes
    }

    /// The axes, in the order of a matrix case's id.
    pub fn iter(&self) -> impl Iterator<Item = &Axis> {
        self.axis.iter()
    }

    /// The first feature that this matrix case needs and that is not in `features`.
    ///
    /// A gateway with one server is asked for this server only.
    #[must_use]
    pub fn missing_feature(
        &self,
        matrix_case: &MatrixCase,
        features: &BTreeSet<String>,
    ) -> Option<&'static str> {
        let has = |feature: Feature| features.contains(feature.as_str());
        let is_served =
            has(Feature::MultipleServers) || server_of(matrix_case) == names::main_server(has);
        self.axis
            .iter()
            .filter_map(|axis| axis.needs.get(matrix_case.value(&axis.name)))
            .flatten()
            .copied()
            .chain((!is_served).then_some(Feature::MultipleServers))
            .find(|feature| !has(*feature))
            .map(Feature::as_str)
    }
}

/// Why a description of the axes is invalid.
#[derive(Debug, thiserror::Error)]
pub enum AxesError {
    /// The text is not TOML, or has unknown keys or values.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A reduction names a value that no matrix case has.
    #[error("`{description}`: {why}")]
    Value {
        /// The reduction.
        description: String,
        /// The value, and the accepted ones.
        why: String,
    },
}
