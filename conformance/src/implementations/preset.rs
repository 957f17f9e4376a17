//! Presets: what the kind of a gateway says about it, unless its description says otherwise.
//!
//! The data is in `presets/`, one file for each kind.

use serde::Deserialize;

use super::description::validation;
use crate::catalogue::{Feature, GatewayKind, Profile, ProtocolVersion, embedded::Embedded};

/// The preset of one kind.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Preset {
    /// What gateways of this kind do, as part of a sentence.
    pub description: String,
    /// The profiles in which it is judged.
    #[serde(deserialize_with = "validation::profiles")]
    pub profiles: Vec<Profile>,
    /// The paths of the single-server endpoints, each with `{server}`.
    #[serde(deserialize_with = "validation::routes")]
    pub routes: Vec<String>,
    /// The protocol versions that clients may use.
    #[serde(deserialize_with = "validation::protocol_versions")]
    pub protocol_versions: Vec<ProtocolVersion>,
    /// The features.
    pub features: Vec<Feature>,
}

/// The name and the text of the preset of each kind, in the order of the kinds.
const FILES: [(&str, &str); 4] = [
    ("relay", include_str!("../../presets/relay.toml")),
    ("forwarding-gateway", include_str!("../../presets/forwarding-gateway.toml")),
    ("sdk-proxy", include_str!("../../presets/sdk-proxy.toml")),
    ("catalogue", include_str!("../../presets/catalogue.toml")),
];

static EMBEDDED: Embedded<Vec<Preset>> = Embedded::new(|| {
    FILES
        .iter()
        .map(|(name, text)| {
            toml::from_str(text).map_err(|error| format!("presets/{name}.toml: {error}"))
        })
        .collect()
});

impl Preset {
    /// The preset of a kind.
    #[must_use]
    pub fn of(kind: GatewayKind) -> &'static Self {
        &EMBEDDED.get()[kind as usize]
    }
}

/// The kinds of gateways with their descriptions, one on each line.
#[must_use]
pub fn kinds() -> String {
    let line = |kind: &GatewayKind| format!("  {kind:<20} {}", Preset::of(*kind).description);
    GatewayKind::ALL.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The JSON Schema of a preset, from which the reference is generated.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Preset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_preset() {
        assert_eq!(FILES.len(), GatewayKind::ALL.len());
        for (kind, (name, _)) in GatewayKind::ALL.iter().zip(FILES) {
            assert_eq!(kind.as_str(), name);
            assert!(!Preset::of(*kind).description.is_empty());
        }
    }
}
