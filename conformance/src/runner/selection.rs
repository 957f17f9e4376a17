//! Chooses what is run: a glob over requirement and cell ids, and values of axes.
//!
//! Selecting never changes a verdict; it only leaves things out.

use std::collections::BTreeSet;

use globset::GlobMatcher;

use super::Part;
use crate::{
    baseline::glob,
    cell::{AXES, Cell},
    matrix::{self, Axes},
    rule::RuleBook,
    scenario::Scenario,
    target::Target,
};

/// What to leave in.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    only: Vec<(String, GlobMatcher)>,
    axes: Vec<(String, GlobMatcher)>,
}

/// Why a selection makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// Not a glob.
    #[error("`{pattern}` is no glob: {why}")]
    Glob {
        /// What was given.
        pattern: String,
        /// What the parser says.
        why: String,
    },
    /// Not an axis.
    #[error("unknown axis `{0}`\nexpected one of {axes}, for example  --where method=tools-list", axes = AXES.join(", "))]
    Axis(String),
    /// Not of the form `axis=value`.
    #[error("`{0}` is not of the form axis=value, for example  --where method=tools-list")]
    Form(String),
}

impl Selection {
    /// Reads the patterns of `--only` and `--where`.
    pub fn parse(only: &[String], axes: &[String]) -> Result<Self, SelectionError> {
        let matcher =
            |pattern: &str| glob(pattern).map_err(|why| SelectionError::Glob { pattern: pattern.to_owned(), why: why.to_string() });
        let only = only.iter().map(|pattern| Ok((pattern.clone(), matcher(pattern)?))).collect::<Result<_, _>>()?;
        let axes = axes
            .iter()
            .map(|pair| {
                let (axis, value) = pair.split_once('=').ok_or_else(|| SelectionError::Form(pair.clone()))?;
                if !AXES.contains(&axis) {
                    return Err(SelectionError::Axis(axis.to_owned()));
                }
                Ok((axis.to_owned(), matcher(value)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { only, axes })
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.only.is_empty() && self.axes.is_empty()
    }

    /// The filters as the run file records them.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let only = self.only.iter().map(|(pattern, _)| format!("--only '{pattern}'"));
        only.chain(self.axes.iter().map(|(axis, value)| format!("--where '{axis}={}'", value.glob()))).collect()
    }

    /// Whether a cell is run, given the requirements that rules ask of it.
    #[must_use]
    pub fn takes_cell(&self, cell: &Cell, requirements: impl FnOnce() -> BTreeSet<String>) -> bool {
        self.axes.iter().all(|(axis, value)| value.is_match(cell.value(axis))) && self.takes(&cell.to_string(), requirements)
    }

    /// Whether a scenario is run. Scenarios stand outside the axes: naming one leaves them out.
    #[must_use]
    pub fn takes_scenario(&self, id: &str, requirements: impl FnOnce() -> BTreeSet<String>) -> bool {
        self.axes.is_empty() && self.takes(id, requirements)
    }

    /// Whether what is found about a requirement is wanted, in a cell or scenario that is run.
    #[must_use]
    pub fn takes_finding(&self, about: &str, requirement: &str) -> bool {
        self.only.is_empty() || self.matches(about) || self.matches(requirement)
    }

    fn takes(&self, id: &str, requirements: impl FnOnce() -> BTreeSet<String>) -> bool {
        self.only.is_empty() || self.matches(id) || requirements().iter().any(|requirement| self.matches(requirement))
    }

    fn matches(&self, text: &str) -> bool {
        self.only.iter().any(|(_, only)| only.is_match(text))
    }
}

/// The cells and scenarios of each start that the selection takes.
#[must_use]
pub fn parts(target: &Target, selection: &Selection) -> Vec<Part> {
    let part = |start| {
        let (cells, _) = matrix::cells(Axes::embedded(), &[start], &target.routes);
        let asked = |cell: &Cell| -> BTreeSet<String> {
            RuleBook::embedded().of(cell).flat_map(|rule| rule.expectation.requires.iter().cloned()).collect()
        };
        let cells = cells.into_iter().filter(|cell| selection.takes_cell(cell, || asked(cell))).collect();
        let scenarios = Scenario::embedded()
            .iter()
            .filter(|scenario| scenario.is_for(start))
            .filter(|scenario| selection.takes_scenario(&scenario.id, || scenario.requirements().map(str::to_owned).collect()))
            .collect();
        Part { start, cells, scenarios }
    };
    target.starts().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{Credentials, Era, Method, Profile, ServerKind, Strategy};

    fn cell() -> Cell {
        Cell {
            credentials: Credentials::KeyAndToken,
            server: ServerKind::Forwarding,
            upstream: "401-full+oauth".into(),
            method: Method::ToolsList,
            route: "/mcp/{server}".into(),
            strategy: Strategy::Probe,
            profile: Profile::Seed,
            era: Era::November2025,
        }
    }

    fn takes(only: &[&str], axes: &[&str]) -> bool {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Selection::parse(&owned(only), &owned(axes)).unwrap().takes_cell(&cell(), || BTreeSet::from(["STA-01".to_owned()]))
    }

    #[test]
    fn globs_over_ids_and_values_of_axes_are_both_asked() {
        assert!(takes(&[], &[]));
        assert!(takes(&["STA-*"], &[]) && takes(&["* / 401-* / *"], &[]) && takes(&["CHL-01", "STA-01"], &[]));
        assert!(!takes(&["CHL-*"], &[]));
        assert!(takes(&["STA-01"], &["upstream=401-*", "method=tools-list"]));
        assert!(!takes(&["STA-01"], &["upstream=401-*", "method=get"]));
        assert!(takes(&[], &["route=/mcp/{server}"]));
    }

    #[test]
    fn what_is_no_axis_says_what_is() {
        let error = Selection::parse(&[], &["colour=red".to_owned()]).unwrap_err();
        assert!(error.to_string().starts_with("unknown axis `colour`\nexpected one of credentials"), "{error}");
        assert!(Selection::parse(&[], &["red".to_owned()]).is_err());
    }
}
