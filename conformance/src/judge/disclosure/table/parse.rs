//! Reads `disclosure.toml`. A table that decides a pair twice, or not at all, is an error.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;

use super::{Location, PartKind, SecretClass, Spelling, Table};

/// One row: the same decision for every pair of its locations and secrets.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Row {
    /// The secrets, by class or group.
    pub(super) secrets: Vec<String>,
    /// The locations, by name or group.
    pub(super) locations: Vec<String>,
    /// The allowed parts: header field names in lower case, `target` or `body`. Empty in
    /// `[[forbidden]]`.
    #[serde(default, rename = "in")]
    pub(super) parts: Vec<String>,
    /// The spellings in which the secret is allowed.
    #[serde(default = "only_plain")]
    pub(super) spelled: Vec<Spelling>,
    /// The requirements that fail if such a secret is disclosed there.
    pub(super) requires: Vec<String>,
    /// The requirements that fail instead for some kinds of parts.
    #[serde(default)]
    pub(super) otherwise: BTreeMap<PartKind, Vec<String>>,
}

fn only_plain() -> Vec<Spelling> {
    vec![Spelling::Plain]
}

type Groups = IndexMap<String, Vec<String>>;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// The locations where a secret can be seen, each with its description.
    locations: IndexMap<Location, String>,
    /// The classes of secrets, each with its description.
    secrets: IndexMap<SecretClass, String>,
    /// Names for several locations or several classes.
    groups: Groups,
    /// Pairs where the secret is allowed in some parts.
    allowed: Vec<Row>,
    /// Pairs where the secret is never allowed.
    forbidden: Vec<Row>,
}

impl Table {
    /// The JSON Schema of `disclosure.toml`, from which the reference is made.
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(File)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let File { locations, secrets, groups, allowed, forbidden } =
            toml::from_str(text).map_err(|error| error.to_string())?;
        if let Some(row) = allowed.iter().find(|row| row.parts.is_empty()) {
            return Err(format!("an `allowed` row of {:?} lacks `in`", row.secrets));
        }
        if let Some(row) = forbidden.iter().find(|row| !row.parts.is_empty()) {
            return Err(format!("a `forbidden` row of {:?} has `in`", row.secrets));
        }
        let rows: Vec<Row> = allowed.into_iter().chain(forbidden).collect();
        let decided = decide(&rows, &groups)?;
        // Groups of locations have no classes and are left out.
        let groups_of_secrets = groups
            .keys()
            .filter_map(|name| {
                let classes = expand(std::slice::from_ref(name), &groups, class).ok()?;
                Some((name.clone(), classes))
            })
            .collect();
        Ok(Self { locations, secrets, groups: groups_of_secrets, rows, decided })
    }
}

/// The index of the row that decides each pair.
fn decide(
    rows: &[Row],
    groups: &Groups,
) -> Result<BTreeMap<(Location, SecretClass), usize>, String> {
    let mut decided = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let classes = expand(&row.secrets, groups, class)?;
        for location in expand(&row.locations, groups, location)? {
            for &class in &classes {
                if decided.insert((location, class), index).is_some() {
                    return Err(format!("{class} in {location} is decided twice"));
                }
            }
        }
    }
    for location in Location::ALL {
        for class in SecretClass::ALL {
            if !decided.contains_key(&(*location, *class)) {
                return Err(format!("{class} in {location} is not decided"));
            }
        }
    }
    Ok(decided)
}

fn location(name: &str) -> Option<Location> {
    Location::ALL.iter().copied().find(|location| location.as_str() == name)
}

fn class(name: &str) -> Option<SecretClass> {
    SecretClass::ALL.iter().copied().find(|class| class.as_str() == name)
}

/// Replaces the names of groups by their members. A group may contain only groups above it, so it
/// cannot contain itself.
fn expand<T>(
    names: &[String],
    groups: &Groups,
    value: impl Fn(&str) -> Option<T> + Copy,
) -> Result<Vec<T>, String> {
    let mut expanded = Vec::new();
    for name in names {
        match (value(name), groups.get(name)) {
            (Some(one), _) => expanded.push(one),
            (None, Some(members)) => {
                let above: Groups = groups
                    .iter()
                    .take_while(|(group, _)| *group != name)
                    .map(|(group, members)| (group.clone(), members.clone()))
                    .collect();
                expanded.extend(expand(members, &above, value)?);
            }
            (None, None) => {
                return Err(format!(
                    "`{name}` is unknown: expected a name of its list, or a group defined above"
                ));
            }
        }
    }
    Ok(expanded)
}
