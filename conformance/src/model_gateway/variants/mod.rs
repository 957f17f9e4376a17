//! The variants of the model gateway, by theme: `builtin:variant/NAME`.
//!
//! A variant differs from most gateways and is still correct. The suite must report nothing for it;
//! a rule that mistakes a habit for a requirement would fail one.

use std::sync::LazyLock;

use super::decisions::{Choices, Decisions};
use crate::catalogue::{Feature, Profile};

mod challenge;
mod endpoint;
mod message_format;
mod probe;
mod refusal_body;
mod relay;
mod transport;

/// Every theme, in the order in which lists show them.
const THEMES: [&[Variant]; 7] = [
    transport::VARIANTS,
    refusal_body::VARIANTS,
    message_format::VARIANTS,
    challenge::VARIANTS,
    probe::VARIANTS,
    endpoint::VARIANTS,
    relay::VARIANTS,
];

/// One permitted difference of the model gateway.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The name after `builtin:variant/`.
    pub name: &'static str,
    /// What the gateway does, in one sentence.
    pub description: &'static str,
    /// The requirements and sections of specifications that permit it.
    pub permitted_by: &'static [&'static str],
    /// The profiles in which the variant has an effect.
    pub profiles: &'static [Profile],
    /// The features that it has and the model gateway lacks.
    pub has: &'static [Feature],
    /// The features of the model gateway that it lacks.
    pub lacks: &'static [Feature],
    /// The recommendations that it does not follow. The suite reports them, and they bind only the
    /// reference gateway.
    pub forgoes: &'static [&'static str],
    /// Changes the decisions that differ.
    pub(super) deviation: fn(&mut Choices),
}

static ALL: LazyLock<Vec<Variant>> = LazyLock::new(|| THEMES.concat());

impl Variant {
    /// Every variant, theme by theme.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The variant with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|variant| variant.name == name)
    }

    /// The decisions of this variant.
    #[must_use]
    pub fn decisions(&self) -> Decisions {
        Decisions::deviating(self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::{Catalogue, Feature, GatewayTraits, Level},
        model_gateway::Defect,
    };

    #[test]
    fn every_variant_names_what_permits_it_and_is_not_a_defect() {
        for variant in Variant::all() {
            let name = variant.name;
            assert!(!variant.permitted_by.is_empty(), "{name} does not name what permits it");
            assert!(Defect::find(name).is_none(), "{name} is also a defect");
            let same = Variant::all().iter().filter(|other| other.name == name);
            assert_eq!(same.count(), 1, "{name} is defined twice");
        }
    }

    #[test]
    fn a_variant_forgoes_only_recommendations() {
        for variant in Variant::all() {
            for id in variant.forgoes {
                let requirement = Catalogue::embedded()
                    .get(id)
                    .unwrap_or_else(|| panic!("{}: unknown requirement {id}", variant.name));
                let features =
                    Feature::ALL.iter().filter(|feature| !variant.lacks.contains(feature));
                let gateway = GatewayTraits {
                    features: Some(features.map(ToString::to_string).collect()),
                    ..GatewayTraits::default()
                };
                let is_must = matches!(requirement.level, Level::Must | Level::MustNot);
                let binds =
                    is_must && requirement.weaker_level.is_none() && requirement.decides(&gateway);
                assert!(!binds, "{} must follow {id}", variant.name);
            }
        }
    }
}
