//! Which requirements bind a gateway: the conditions of requirements, and what decides them.

use std::{collections::BTreeSet, fmt};

use serde::Deserialize;

use super::{Feature, GatewayKind};

/// What decides which requirements bind a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayTraits {
    /// The kind of the gateway. If it is `None`, each condition about a kind holds: the gateways of
    /// this project can be started as each kind.
    pub kind: Option<GatewayKind>,
    /// The features by name. If it is `None`, each condition about a feature holds.
    pub features: Option<BTreeSet<String>>,
    /// Whether it is the reference gateway, which must meet recommended requirements too.
    pub ours: bool,
}

impl GatewayTraits {
    /// What the description of a gateway declares: its kind, and its features by name.
    #[must_use]
    pub fn declared(kind: Option<GatewayKind>, features: BTreeSet<String>) -> Self {
        Self { kind, features: Some(features), ours: false }
    }

    /// Whether it has everything that this name stands for.
    fn has(&self, name: Name) -> bool {
        match name {
            Name::Any => true,
            Name::McpServer => self.kind != Some(GatewayKind::Relay),
            Name::Kind(kind) => self.kind.is_none_or(|own| own == kind),
            Name::Feature(feature) => {
                self.features.as_ref().is_none_or(|own| own.contains(feature.as_str()))
            }
        }
    }
}

/// How a requirement binds a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It decides the result of the gateway.
    Core,
    /// It is recommended to the gateway, and decides the result of the reference gateway only.
    Recommended,
    /// It does not concern the gateway and is not judged.
    None,
}

/// A condition on a gateway: names that are joined by ` + `, all of which must fit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Condition(Vec<Name>);

/// One name in a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// Every gateway.
    Any,
    /// A gateway that answers MCP itself: every kind except `relay`.
    McpServer,
    /// A gateway of this kind.
    Kind(GatewayKind),
    /// A gateway with this feature.
    Feature(Feature),
}

impl Name {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::McpServer => "mcp-server",
            Self::Kind(kind) => kind.as_str(),
            Self::Feature(feature) => feature.as_str(),
        }
    }

    fn find(text: &str) -> Option<Self> {
        let kinds = GatewayKind::ALL.iter().copied().map(Self::Kind);
        let features = Feature::ALL.iter().copied().map(Self::Feature);
        [Self::Any, Self::McpServer]
            .into_iter()
            .chain(kinds)
            .chain(features)
            .find(|name| name.as_str() == text)
    }
}

impl Condition {
    /// Whether a gateway meets it.
    #[must_use]
    pub fn holds(&self, gateway: &GatewayTraits) -> bool {
        self.0.iter().all(|name| gateway.has(*name))
    }
}

impl TryFrom<String> for Condition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let find = |name: &str| {
            Name::find(name).ok_or_else(|| {
                format!(
                    "unknown condition `{name}`, expected `any`, `mcp-server`, a kind of gateway \
                     or a feature"
                )
            })
        };
        text.split(" + ").map(find).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|name| name.as_str()).collect();
        f.write_str(&names.join(" + "))
    }
}

/// Conditions in a sentence, for example `gateway-keys or preflight-probe`.
#[must_use]
pub fn conditions_in_words(conditions: &[Condition]) -> String {
    conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    fn condition(text: &str) -> Condition {
        Condition::try_from(text.to_owned()).unwrap()
    }

    fn gateway(kind: GatewayKind, features: &[Feature]) -> GatewayTraits {
        let features = features.iter().map(ToString::to_string).collect();
        GatewayTraits::declared(Some(kind), features)
    }

    #[test]
    fn a_condition_names_features_and_kinds_that_must_all_fit() {
        let relay = gateway(GatewayKind::Relay, &[Feature::TokenForwarding]);
        let proxy = gateway(GatewayKind::SdkProxy, &[Feature::TokenForwarding]);
        assert!(condition("any").holds(&relay));
        assert!(condition("relay").holds(&relay) && !condition("relay").holds(&proxy));
        assert!(condition("mcp-server").holds(&proxy) && !condition("mcp-server").holds(&relay));
        let both = condition("mcp-server + token-forwarding");
        assert!(both.holds(&proxy) && !both.holds(&relay));
        assert_eq!(both.to_string(), "mcp-server + token-forwarding");
        assert!(!condition("gateway-keys").holds(&proxy));
    }

    #[test]
    fn every_condition_holds_if_nothing_is_known_about_the_gateway() {
        let unknown = GatewayTraits::default();
        assert!(condition("relay").holds(&unknown) && condition("gateway-keys").holds(&unknown));
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        let error = Condition::try_from("any + keys".to_owned()).unwrap_err();
        assert!(error.starts_with("unknown condition `keys`"), "{error}");
    }

    #[test]
    fn a_requirement_binds_each_kind_as_its_conditions_say() {
        let binding = |id: &str, gateway: &GatewayTraits| {
            Catalogue::embedded().get(id).unwrap().binding(gateway)
        };
        let relay = gateway(GatewayKind::Relay, &[Feature::TokenForwarding]);
        let proxy = gateway(GatewayKind::SdkProxy, &[Feature::TokenForwarding]);
        assert_eq!(binding("STA-01", &relay), Binding::Core);
        assert_eq!(binding("CRD-03", &relay), Binding::None);
        assert_eq!(binding("CRD-03", &proxy), Binding::Recommended);
        assert_eq!(binding("CHL-18", &relay), Binding::Recommended);
        assert_eq!(binding("CHL-18", &proxy), Binding::Core);
        assert_eq!(binding("PRB-01", &proxy), Binding::None);
        let keys = gateway(GatewayKind::Relay, &[Feature::GatewayKeys]);
        assert_eq!(binding("CRD-03", &keys), Binding::Core);
    }
}
