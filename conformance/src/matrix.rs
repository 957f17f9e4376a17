//! Makes the cells: every combination of the axes that `axes.toml` does not set aside, with the reason for those that it does.
//!
//! Knows nothing of what is expected of a cell.

use std::{collections::BTreeSet, sync::LazyLock};

use indexmap::IndexMap;
use serde::Deserialize;

use crate::{
    behaviour::Behaviours,
    cell::{Cell, Credentials, Method, ServerKind, Strategy},
    plan::names,
    selector::Selector,
};

/// The axes as `axes.toml` describes them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axes {
    axis: Vec<Axis>,
    not_applicable: Vec<Reduction>,
}

/// One axis, for those who read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Axis {
    /// Its name in rules and filters.
    pub name: String,
    /// What it varies.
    pub says: String,
    /// Its values and what each stands for. Empty where another file, or the implementation, has them.
    #[serde(default)]
    pub values: IndexMap<String, String>,
    /// The features that an implementation must declare for some of the values.
    #[serde(default)]
    pub needs: IndexMap<String, String>,
}

/// Combinations that are set aside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Reduction {
    /// Which ones.
    when: Selector,
    /// Only where the route is the implementation's first, or another of its spellings.
    spelling: Option<Spelling>,
    /// The same in words, for the report.
    says: String,
    /// Why nothing is lost.
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Spelling {
    First,
    Other,
}

/// Combinations that a run leaves out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// Which ones, in words.
    pub pattern: String,
    /// Why nothing is lost.
    pub reason: String,
    /// How many.
    pub count: usize,
}

static EMBEDDED: LazyLock<Axes> =
    LazyLock::new(|| Axes::parse(include_str!("../axes.toml")).expect("the embedded axes.toml parses, as a test of this module shows"));

impl Axes {
    /// The ones that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads and checks a description of the axes.
    ///
    /// # Errors
    ///
    /// When it is not TOML, has unknown keys, or names a value that no cell has.
    pub fn parse(text: &str) -> Result<Self, AxesError> {
        let axes: Self = toml::from_str(text)?;
        for reduction in &axes.not_applicable {
            if let Some((axis, value)) = reduction.when.slip() {
                return Err(AxesError::Slip { axis, value, says: reduction.says.clone() });
            }
        }
        Ok(axes)
    }

    /// The axes, in the order in which a cell names them.
    pub fn iter(&self) -> impl Iterator<Item = &Axis> {
        self.axis.iter()
    }

    /// The feature that an implementation lacks for this cell, if it lacks one.
    #[must_use]
    pub fn missing(&self, cell: &Cell, features: &BTreeSet<String>) -> Option<&str> {
        let value = |axis: &Axis| match axis.name.as_str() {
            "credentials" => cell.credentials.as_str(),
            "server" => cell.server.as_str(),
            "method" => cell.method.as_str(),
            _ => "",
        };
        self.axis.iter().filter_map(|axis| axis.needs.get(value(axis))).find(|feature| !features.contains(*feature)).map(String::as_str)
    }
}

/// Every cell for these strategies and routes, one strategy after another, and what is left out.
#[must_use]
pub fn cells(axes: &Axes, strategies: &[Strategy], routes: &[String]) -> (Vec<Cell>, Vec<Excluded>) {
    let upstreams: Vec<String> = Behaviours::embedded().spellings().collect();
    let mut cells = Vec::new();
    let mut excluded: Vec<Excluded> = axes
        .not_applicable
        .iter()
        .map(|reduction| Excluded { pattern: reduction.says.clone(), reason: reduction.reason.clone(), count: 0 })
        .collect();
    for &strategy in strategies {
        for &credentials in Credentials::ALL {
            for &server in ServerKind::ALL {
                for upstream in &upstreams {
                    for &method in Method::ALL {
                        for (at, route) in routes.iter().enumerate() {
                            let cell = Cell { credentials, server, upstream: upstream.clone(), method, route: route.clone(), strategy };
                            let spelling = if at == 0 { Spelling::First } else { Spelling::Other };
                            let set_aside = |reduction: &Reduction| {
                                reduction.spelling.is_none_or(|only| only == spelling) && reduction.when.matches(&cell)
                            };
                            match axes.not_applicable.iter().position(set_aside) {
                                Some(reduction) => excluded[reduction].count += 1,
                                None => cells.push(cell),
                            }
                        }
                    }
                }
            }
        }
    }
    excluded.retain(|excluded| excluded.count > 0);
    (cells, excluded)
}

/// The server of the plan that a cell asks for. A cell whose token carries no script to a forwarding server needs the server for
/// itself; the methods are spread over several, so that such cells wait less for one another.
#[must_use]
pub fn server_of(cell: &Cell) -> &'static str {
    match cell.server {
        ServerKind::Forwarding => {
            let is_server = Behaviours::embedded().find(&cell.upstream).and_then(|found| found.server());
            let turn = if cell.credentials == Credentials::KeyAndToken { 0 } else { cell.method as usize };
            is_server.unwrap_or(names::FORWARDING[turn % names::FORWARDING.len()])
        }
        ServerKind::Static => names::STATIC,
        ServerKind::ClientCredentials => names::MINTED,
        ServerKind::Open => names::OPEN,
        ServerKind::Ungranted => names::RESTRICTED,
        ServerKind::Unknown => names::UNKNOWN,
    }
}

/// What is wrong with a description of the axes.
#[derive(Debug, thiserror::Error)]
pub enum AxesError {
    /// It is not TOML, or has keys or values that nobody knows.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A reduction names what no cell has.
    #[error("`{says}`: no cell has {axis} = `{value}`")]
    Slip {
        /// The axis.
        axis: &'static str,
        /// The value.
        value: String,
        /// The reduction.
        says: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Vec<String> {
        ["/mcp/{server}", "/mcp/{server}/", "/{server}/mcp", "/{server}/mcp/"].map(str::to_owned).to_vec()
    }

    #[test]
    fn every_value_of_every_axis_is_described() {
        let described = |name: &str| -> Vec<String> {
            let axis = Axes::embedded().iter().find(|axis| axis.name == name).unwrap();
            assert!(axis.needs.keys().all(|value| axis.values.contains_key(value)));
            axis.values.keys().cloned().collect()
        };
        assert_eq!(described("credentials"), Credentials::ALL.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(described("server"), ServerKind::ALL.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(described("method"), Method::ALL.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(described("strategy"), Strategy::ALL.iter().map(ToString::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn the_matrix_is_every_combination_less_what_is_set_aside() {
        let strategies = [Strategy::Probe, Strategy::Deferred];
        let (cells, excluded) = cells(Axes::embedded(), &strategies, &routes());
        let all = Credentials::ALL.len() * ServerKind::ALL.len() * Behaviours::embedded().spellings().count() * Method::ALL.len() * 4 * 2;
        assert_eq!(cells.len() + excluded.iter().map(|excluded| excluded.count).sum::<usize>(), all);
        assert!((1_500..3_000).contains(&cells.len()), "{}", cells.len());
        let ids: BTreeSet<String> = cells.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), cells.len());
    }

    #[test]
    fn every_behaviour_of_the_matrix_meets_a_forwarded_token() {
        let (cells, _) = cells(Axes::embedded(), &[Strategy::Own], &routes());
        for upstream in Behaviours::embedded().spellings() {
            let meets = |cell: &&Cell| {
                cell.upstream == upstream && cell.credentials == Credentials::KeyAndToken && cell.server == ServerKind::Forwarding
            };
            assert_eq!(cells.iter().filter(meets).filter(|cell| cell.route == "/mcp/{server}").count(), Method::ALL.len(), "{upstream}");
        }
    }

    #[test]
    fn a_value_that_no_cell_has_is_a_slip() {
        let text = "axis = []\n[[not-applicable]]\nwhen = { upstream = '418-*' }\nsays = 'teapots'\nreason = 'none'\n";
        assert_eq!(Axes::parse(text).unwrap_err().to_string(), "`teapots`: no cell has upstream = `418-*`");
    }
}
