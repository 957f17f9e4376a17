//! One requirement, as the files of the catalogue describe it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Binding, Condition, GatewayTraits, Profile, ProtocolVersion, conditions_in_words,
    named_values::named_values,
};

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Level {
    /// An absolute requirement.
    #[serde(rename = "MUST")]
    Must,
    /// An absolute prohibition.
    #[serde(rename = "MUST NOT")]
    MustNot,
    /// A recommendation: there may be valid reasons not to follow it.
    #[serde(rename = "SHOULD")]
    Should,
    /// A recommendation against: there may be valid reasons not to follow it.
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    /// A permission.
    #[serde(rename = "MAY")]
    May,
}

impl Level {
    /// Every level, the most binding first.
    pub const ALL: [Self; 5] =
        [Self::Must, Self::MustNot, Self::Should, Self::ShouldNot, Self::May];

    /// The RFC 2119 keyword.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::MustNot => "MUST NOT",
            Self::Should => "SHOULD",
            Self::ShouldNot => "SHOULD NOT",
            Self::May => "MAY",
        }
    }

    /// Whether the level permits no exception.
    #[must_use]
    pub const fn binds(self) -> bool {
        matches!(self, Self::Must | Self::MustNot)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

named_values! {
    /// The kind of the strongest source of a requirement.
    Strength {
        /// The text of a specification.
        Normative = "normative",
        /// LiteLLM change #27847, from which this project started.
        Seed = "seed",
        /// An argument from the text of a specification.
        Derived = "derived",
        /// This suite.
        Proposed = "proposed",
    }
}

/// Whether the suite judges a requirement today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// At least one rule or scenario cites it.
    Covered,
    /// It can be judged, but no rule or scenario does so yet, for this reason.
    NotYet(String),
    /// It cannot be observed, for this reason.
    Excluded(String),
}

/// One requirement of the catalogue.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Requirement {
    /// Prefix and number, for example `STA-05`. It never changes and is never used again.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// The level of a part of the statement that binds less; a rule names it where it judges that
    /// part.
    pub weaker_level: Option<Level>,
    /// The kind of its strongest source.
    pub strength: Strength,
    /// The gateways whose result it decides: those that meet one of these conditions.
    #[serde(default)]
    pub core_for: Vec<Condition>,
    /// The other gateways to which it is recommended.
    #[serde(default)]
    pub recommended_for: Vec<Condition>,
    /// Why it does not concern the remaining gateways, as part of a sentence.
    pub others_because: Option<String>,
    /// The only profile in which it applies; `None` for every profile.
    pub profile: Option<Profile>,
    /// The first protocol version to which it applies.
    pub since: Option<ProtocolVersion>,
    /// The last protocol version to which it applies.
    pub until: Option<ProtocolVersion>,
    /// What is required, in one or two full sentences.
    pub statement: String,
    /// The specifications, changes and public reports from which it comes.
    pub sources: Vec<String>,
    /// What the client, the mock upstream or an operator sees when it is met.
    pub observe: String,
    /// What goes wrong when it is not met.
    pub impact: Option<String>,
    /// Why it is not judged yet.
    not_yet: Option<String>,
    /// Why it cannot be observed and is never judged.
    excluded: Option<String>,
}

impl Requirement {
    /// How it binds a gateway.
    #[must_use]
    pub fn binding(&self, gateway: &GatewayTraits) -> Binding {
        if self.core_for.iter().any(|condition| condition.holds(gateway)) {
            Binding::Core
        } else if self.recommended_for.iter().any(|condition| condition.holds(gateway)) {
            Binding::Recommended
        } else {
            Binding::None
        }
    }

    /// Whether it decides the result of a gateway. Recommended requirements decide the result of
    /// the reference gateway too.
    #[must_use]
    pub fn decides(&self, gateway: &GatewayTraits) -> bool {
        match self.binding(gateway) {
            Binding::Core => true,
            Binding::Recommended => gateway.ours,
            Binding::None => false,
        }
    }

    /// Why it is not judged for a gateway that it does not concern.
    #[must_use]
    pub fn not_judged_reason(&self) -> String {
        let mut conditions = self.core_for.clone();
        conditions.extend(self.recommended_for.iter().cloned());
        let concerned = conditions_in_words(&conditions);
        match &self.others_because {
            Some(reason) => format!("it concerns only gateways with {concerned}: {reason}"),
            None => format!("it concerns only gateways with {concerned}"),
        }
    }

    /// Whether it is judged today.
    #[must_use]
    pub fn status(&self) -> Status {
        match (&self.excluded, &self.not_yet) {
            (Some(reason), _) => Status::Excluded(reason.clone()),
            (None, Some(reason)) => Status::NotYet(reason.clone()),
            (None, None) => Status::Covered,
        }
    }

    /// Whether it applies to an implementation in this profile with a client of this protocol
    /// version.
    #[must_use]
    pub fn applies_to(&self, profile: Profile, version: ProtocolVersion) -> bool {
        self.profile.is_none_or(|only| only == profile)
            && self.since.is_none_or(|since| since <= version)
            && self.until.is_none_or(|until| version <= until)
    }

    /// What is wrong with it, if it is looked at alone.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.statement.is_empty() {
            Some("has no statement")
        } else if self.sources.is_empty() {
            Some("has no source")
        } else if self.core_for.is_empty() && self.recommended_for.is_empty() {
            Some("has neither `core-for` nor `recommended-for`")
        } else if self.strength == Strength::Proposed && !self.core_for.is_empty() {
            Some("is proposed and has `core-for`")
        } else if self.not_yet.is_some() && self.excluded.is_some() {
            Some("has both `not-yet` and `excluded`")
        } else {
            None
        }
    }
}
