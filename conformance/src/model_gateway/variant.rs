//! Reads what `variants.toml` says of the gateways that are different and right: the model, with one decision taken otherwise than most would.
//!
//! Does nothing of it. A judge that takes a habit for a rule fails one of them; the suite may fail none.

use std::sync::LazyLock;

use serde::Deserialize;

use super::fault::{Switch, seed};
use crate::catalogue::Feature;
use crate::catalogue::Profile;

/// A variant as `variants.toml` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variant {
    /// What is decided otherwise; its name is the variant's name.
    #[serde(rename = "name")]
    pub switch: Switch,
    /// What the gateway does, in one line.
    pub description: String,
    /// What allows it: a requirement, or a section of a specification.
    pub permitted: Vec<String>,
    /// The profiles in which it is driven: those in which it can show.
    #[serde(default = "seed")]
    pub profiles: Vec<Profile>,
    /// What it has, and the model has not.
    #[serde(default)]
    pub has: Vec<Feature>,
    /// What it has not, of all that the model has.
    #[serde(default)]
    pub lacks: Vec<Feature>,
    /// The recommendations that it leaves to others. Not following one is seen and said, and makes nobody fail.
    #[serde(default)]
    pub forgoes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    variant: Vec<Variant>,
}

static ALL: LazyLock<Vec<Variant>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../../variants.toml"))
        .expect("variants.toml is embedded, and a test parses it");
    file.variant
});

/// Every variant, in the order of `variants.toml`.
#[must_use]
pub fn all() -> &'static [Variant] {
    &ALL
}

impl Variant {
    /// The variant of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        all().iter().find(|variant| variant.name() == name)
    }

    /// The name behind `builtin:variant/`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.switch.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, Level};

    #[test]
    fn what_a_variant_does_is_permitted() {
        for variant in all() {
            assert!(!variant.permitted.is_empty(), "nothing allows {}", variant.name());
            assert!(
                super::super::fault::Fault::find(variant.name()).is_none(),
                "{} is a fault",
                variant.name()
            );
        }
    }

    #[test]
    fn only_recommendations_are_forgone() {
        for variant in all() {
            for id in &variant.forgoes {
                let requirement = Catalogue::embedded()
                    .get(id)
                    .unwrap_or_else(|| panic!("{}: no requirement {id}", variant.name()));
                let binds =
                    matches!(requirement.level, Level::Must | Level::MustNot) && requirement.core();
                assert!(!binds, "{} is bound by {id}", variant.name());
            }
        }
    }
}
