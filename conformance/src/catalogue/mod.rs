//! Reads `requirements.toml`: what a gateway owes its callers and its upstreams, how binding each row is, and where it comes from.
//!
//! Knows neither how a requirement is judged (the rules and scenarios say that) nor how any implementation fares.

use std::{fmt, sync::LazyLock};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

mod feature;
pub(crate) mod named_values;
mod profile;
mod protocol_version;

pub use self::{feature::Feature, profile::Profile, protocol_version::ProtocolVersion};

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    /// An absolute requirement.
    #[serde(rename = "MUST")]
    Must,
    /// An absolute prohibition.
    #[serde(rename = "MUST NOT")]
    MustNot,
    /// To be done unless there are good reasons.
    #[serde(rename = "SHOULD")]
    Should,
    /// Not to be done unless there are good reasons.
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

    /// The level as standards spell it.
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

    /// Whether there is no way round it.
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

/// Where a requirement gets its force from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Strength {
    /// Normative text.
    #[serde(rename = "N")]
    Normative,
    /// The change that the project starts from.
    #[serde(rename = "S")]
    Seed,
    /// Normative text, by argument.
    #[serde(rename = "D")]
    Derived,
    /// This suite alone.
    #[serde(rename = "P")]
    Proposed,
}

/// Whether the suite judges a requirement today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// At least one rule or scenario cites it.
    Covered,
    /// It could be judged and is not yet, for this reason.
    NotYet(String),
    /// It cannot be observed, for this reason.
    Excluded(String),
}

/// One row of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Requirement {
    /// Never renumbered and never used again.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Where it gets its force from: the strongest of its sources.
    pub strength: Strength,
    /// The profile that it belongs to; all of them where it names none.
    pub profile: Option<Profile>,
    /// The protocol revision from which on it holds.
    pub since: Option<ProtocolVersion>,
    /// The last protocol revision that it holds for.
    pub until: Option<ProtocolVersion>,
    /// What is required.
    pub statement: String,
    /// Where that is said.
    pub sources: Vec<String>,
    /// What would show it: C the client, U the upstream, L logs and metrics.
    pub observe: String,
    /// What happens to people where it is not met.
    pub hurts: Option<String>,
    not_yet: Option<String>,
    excluded: Option<String>,
}

impl Requirement {
    /// Whether it decides an implementation's result. The others are recommended: they never make a stranger fail.
    #[must_use]
    pub fn core(&self) -> bool {
        self.strength != Strength::Proposed
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

    /// Whether it says anything to an implementation of this profile, asked by a client of this era.
    #[must_use]
    pub fn applies_to(&self, profile: Profile, era: ProtocolVersion) -> bool {
        self.profile.is_none_or(|own| own == profile)
            && self.since.is_none_or(|since| since <= era)
            && self.until.is_none_or(|until| era <= until)
    }
}

/// Every requirement, in the order of the file.
#[derive(Clone, Debug)]
pub struct Catalogue {
    requirements: IndexMap<String, Requirement>,
}

static EMBEDDED: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(include_str!("../../requirements.toml"))
        .expect("the embedded requirements.toml parses, as a test of this module shows")
});

impl Catalogue {
    /// The one that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    ///
    /// When it is not TOML, has unknown keys, or a row contradicts itself or another.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            requirement: Vec<Requirement>,
        }
        let mut requirements = IndexMap::new();
        for requirement in toml::from_str::<File>(text)?.requirement {
            let id = requirement.id.clone();
            if requirement.not_yet.is_some() && requirement.excluded.is_some() {
                return Err(CatalogueError::Row {
                    id,
                    why: "is either not yet judged or excluded",
                });
            }
            if requirement.sources.is_empty() || requirement.statement.is_empty() {
                return Err(CatalogueError::Row { id, why: "has neither statement nor source" });
            }
            if requirements.insert(id.clone(), requirement).is_some() {
                return Err(CatalogueError::Row { id, why: "exists already" });
            }
        }
        Ok(Self { requirements })
    }

    /// What the requirements of a family are about, as the file's own headings say: `STA` for `STA-05`.
    #[must_use]
    pub fn title(family: &str) -> Option<&'static str> {
        let headings = include_str!("../../requirements.toml")
            .lines()
            .filter_map(|line| line.strip_prefix("# --- ")?.strip_suffix(" ---"));
        headings
            .filter_map(|heading| heading.split_once(": "))
            .find(|(known, _)| *known == family)
            .map(|(_, title)| title)
    }

    /// The requirement of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.requirements.get(id)
    }

    /// Every requirement, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.requirements.values()
    }
}

/// What is wrong with a catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is not TOML, or has keys or values that nobody knows.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A row contradicts itself or another.
    #[error("requirement {id} {why}")]
    Row {
        /// The row.
        id: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalogue_has_every_row_in_its_family_s_order() {
        let catalogue = Catalogue::parse(include_str!("../../requirements.toml")).unwrap();
        assert_eq!(catalogue.iter().count(), 167);
        let mut last = ("", 0);
        for requirement in catalogue.iter() {
            let (family, number) = requirement.id.split_once('-').unwrap();
            let number: u16 = number.parse().unwrap();
            assert_eq!(number, if family == last.0 { last.1 + 1 } else { 1 }, "{}", requirement.id);
            last = (family, number);
        }
    }

    #[test]
    fn every_family_has_a_title() {
        for requirement in Catalogue::embedded().iter() {
            let family = requirement.id.split('-').next().unwrap();
            assert!(Catalogue::title(family).is_some(), "{family}");
        }
    }

    /// Each release, with its requirements as they were. A file is written when its version is released and never changed afterwards.
    const RELEASES: [(&str, &str); 1] = [("0.1.0", include_str!("../../releases/0.1.0.txt"))];

    fn frozen(requirement: &Requirement) -> String {
        let Requirement { id, level, strength, profile, since, until, .. } = requirement;
        let era = |era: &Option<ProtocolVersion>| era.map_or("-", ProtocolVersion::as_str);
        let (since, until, profile) =
            (era(since), era(until), profile.map_or("-", Profile::as_str));
        format!(
            "{id} {} {strength:?} {profile} {since} {until}\n",
            level.as_str().replace(' ', "-")
        )
    }

    /// FORMATS.md says what this holds. Until a version is released its file may change; `PREFLIGHT_FREEZE=1` writes it.
    #[test]
    fn what_a_release_required_is_frozen() {
        let now: String = Catalogue::embedded().iter().map(frozen).collect();
        let (version, current) = RELEASES[RELEASES.len() - 1];
        if std::env::var_os("PREFLIGHT_FREEZE").is_some() {
            std::fs::write(format!("{}/releases/{version}.txt", env!("CARGO_MANIFEST_DIR")), &now)
                .unwrap();
        }
        assert_eq!(
            version,
            env!("CARGO_PKG_VERSION"),
            "a new version has a file of its own in releases/"
        );
        assert!(
            current == now,
            "the catalogue of {version} is not what releases/{version}.txt says: if that is meant, run with PREFLIGHT_FREEZE=1"
        );
        for (version, list) in RELEASES {
            for id in list.lines().filter_map(|line| line.split(' ').next()) {
                assert!(
                    Catalogue::embedded().get(id).is_some(),
                    "{id} was required by {version}: an id is for ever"
                );
            }
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_or_another_is_refused() {
        let row = |id: &str, more: &str| {
            format!(
                "[[requirement]]\nid='{id}'\nlevel='MUST'\nstrength='N'\nstatement='s'\nsources=['x']\nobserve='C'\n{more}\n"
            )
        };
        assert!(Catalogue::parse(&row("A-01", "")).is_ok());
        let refusal = |text: &str| Catalogue::parse(text).unwrap_err().to_string();
        assert_eq!(
            refusal(&(row("A-01", "") + &row("A-01", ""))),
            "requirement A-01 exists already"
        );
        assert_eq!(
            refusal(&row("A-01", "not-yet='a'\nexcluded='b'")),
            "requirement A-01 is either not yet judged or excluded"
        );
        assert!(refusal(&row("A-01", "colour='red'")).contains("unknown field `colour`"));
    }

    #[test]
    fn only_what_we_propose_ourselves_is_not_core() {
        let catalogue = Catalogue::embedded();
        assert!(catalogue.get("STA-01").unwrap().core());
        assert!(!catalogue.get("CRD-04").unwrap().core());
        let applies = |id: &str, profile, era| catalogue.get(id).unwrap().applies_to(profile, era);
        assert!(
            applies("STA-06", Profile::Seed, ProtocolVersion::default())
                && !applies("STA-06", Profile::Mcp, ProtocolVersion::default())
        );
        assert!(
            applies("STA-15", Profile::Seed, ProtocolVersion::V2026_07_28)
                && !applies("STA-15", Profile::Seed, ProtocolVersion::V2025_11_25)
        );
        assert!(
            applies("DSC-07", Profile::Seed, ProtocolVersion::V2025_03_26)
                && !applies("DSC-07", Profile::Seed, ProtocolVersion::V2025_06_18)
        );
    }
}
