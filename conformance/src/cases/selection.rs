//! Chooses what is run: a glob over requirement and matrix case ids, values of axes, and levels of requirements.
//!
//! Selecting never changes a verdict; it only leaves things out.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};

use crate::{
    cases::matrix_case::{AXES, MatrixCase},
    catalogue::{Catalogue, Level},
};

/// A glob over ids: `*` stands for anything, slashes included, because an id is a line and not a path.
pub fn glob(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    // A brace in an id is a route's `{server}`, never an alternative.
    let pattern = pattern.replace('{', "[{]").replace('}', "[}]");
    Ok(GlobBuilder::new(&pattern).literal_separator(false).build()?.compile_matcher())
}

/// What to leave in.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    only: Vec<(String, GlobMatcher)>,
    axes: Vec<(String, String, GlobMatcher)>,
    levels: Vec<Level>,
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
    /// Not a filter that this build knows.
    #[error("`{0}` is no filter")]
    Words(String),
}

impl Selection {
    /// Reads the patterns of `--only` and `--where`; of no level, all of them.
    pub fn parse(
        only: &[String],
        axes: &[String],
        levels: &[Level],
    ) -> Result<Self, SelectionError> {
        let matcher = |pattern: &str| {
            glob(pattern).map_err(|why| SelectionError::Glob {
                pattern: pattern.to_owned(),
                why: why.to_string(),
            })
        };
        let only = only
            .iter()
            .map(|pattern| Ok((pattern.clone(), matcher(pattern)?)))
            .collect::<Result<_, _>>()?;
        let axes = axes
            .iter()
            .map(|pair| {
                let (axis, value) =
                    pair.split_once('=').ok_or_else(|| SelectionError::Form(pair.clone()))?;
                if !AXES.contains(&axis) {
                    return Err(SelectionError::Axis(axis.to_owned()));
                }
                Ok((axis.to_owned(), value.to_owned(), matcher(value)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { only, axes, levels: levels.to_vec() })
    }

    /// Reads filters as a run file records them.
    pub fn of_words(words: &[String]) -> Result<Self, SelectionError> {
        let (mut only, mut axes, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for word in words {
            let said = |option: &str| {
                Some(word.strip_prefix(option)?.strip_prefix(" '")?.strip_suffix('\'')?.to_owned())
            };
            let level = |text: String| Level::ALL.into_iter().find(|level| level.as_str() == text);
            if let Some(pattern) = said("--only") {
                only.push(pattern);
            } else if let Some(pair) = said("--where") {
                axes.push(pair);
            } else if let Some(level) = said("--level").and_then(level) {
                levels.push(level);
            } else {
                return Err(SelectionError::Words(word.clone()));
            }
        }
        Self::parse(&only, &axes, &levels)
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.only.is_empty() && self.axes.is_empty() && self.levels.is_empty()
    }

    /// The filters as the run file records them.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let only = self.only.iter().map(|(pattern, _)| format!("--only '{pattern}'"));
        let axes = self.axes.iter().map(|(axis, value, _)| format!("--where '{axis}={value}'"));
        only.chain(axes)
            .chain(self.levels.iter().map(|level| format!("--level '{level}'")))
            .collect()
    }

    /// Whether a matrix case is run, given the requirements that rules ask of it.
    #[must_use]
    pub fn takes_matrix_case(
        &self,
        matrix_case: &MatrixCase,
        requirements: impl FnOnce() -> BTreeSet<String>,
    ) -> bool {
        self.axes.iter().all(|(axis, _, value)| value.is_match(matrix_case.value(axis)))
            && self.takes(&matrix_case.to_string(), requirements)
    }

    /// Whether a scenario is run. Scenarios stand outside the axes: naming one leaves them out.
    #[must_use]
    pub fn takes_scenario(
        &self,
        id: &str,
        requirements: impl FnOnce() -> BTreeSet<String>,
    ) -> bool {
        self.axes.is_empty() && self.takes(id, requirements)
    }

    /// Whether what is found about a requirement is wanted, in a matrix case or scenario that is run.
    #[must_use]
    pub fn takes_finding(&self, about: &str, requirement: &str) -> bool {
        self.of_level(requirement)
            && (self.only.is_empty() || self.matches(about) || self.matches(requirement))
    }

    fn takes(&self, id: &str, requirements: impl FnOnce() -> BTreeSet<String>) -> bool {
        if self.levels.is_empty() && (self.only.is_empty() || self.matches(id)) {
            return true;
        }
        requirements().iter().any(|requirement| self.takes_finding(id, requirement))
    }

    fn of_level(&self, requirement: &str) -> bool {
        self.levels.is_empty()
            || Catalogue::embedded()
                .get(requirement)
                .is_some_and(|found| self.levels.contains(&found.level))
    }

    fn matches(&self, text: &str) -> bool {
        self.only.iter().any(|(_, only)| only.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cases::axis::{Credentials, Method, ServerKind, Strategy},
        catalogue::{Profile, ProtocolVersion},
    };

    fn matrix_case() -> MatrixCase {
        MatrixCase {
            credentials: Credentials::KeyAndToken,
            server: ServerKind::Forwarding,
            upstream: "401-full+oauth".into(),
            method: Method::ToolsList,
            route: "/mcp/{server}".into(),
            strategy: Strategy::Probe,
            profile: Profile::Seed,
            protocol_version: ProtocolVersion::V2025_11_25,
        }
    }

    fn takes(only: &[&str], axes: &[&str]) -> bool {
        let owned =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Selection::parse(&owned(only), &owned(axes), &[])
            .unwrap()
            .takes_matrix_case(&matrix_case(), || BTreeSet::from(["STA-01".to_owned()]))
    }

    #[test]
    fn globs_over_ids_and_values_of_axes_are_both_asked() {
        assert!(takes(&[], &[]));
        assert!(
            takes(&["STA-*"], &[])
                && takes(&["* / 401-* / *"], &[])
                && takes(&["CHL-01", "STA-01"], &[])
        );
        assert!(!takes(&["CHL-*"], &[]));
        assert!(takes(&["STA-01"], &["upstream=401-*", "method=tools-list"]));
        assert!(!takes(&["STA-01"], &["upstream=401-*", "method=get"]));
        assert!(takes(&[], &["route=/mcp/{server}"]));
    }

    #[test]
    fn what_is_no_axis_says_what_is() {
        let error = Selection::parse(&[], &["colour=red".to_owned()], &[]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("unknown axis `colour`\nexpected one of credentials"),
            "{error}"
        );
        assert!(Selection::parse(&[], &["red".to_owned()], &[]).is_err());
    }

    #[test]
    fn a_level_leaves_out_what_is_of_another() {
        let of = |level| Selection::parse(&[], &[], &[level]).unwrap();
        let asked = || BTreeSet::from(["STA-01".to_owned(), "STA-17".to_owned()]);
        assert!(
            of(Level::Must).takes_matrix_case(&matrix_case(), asked)
                && of(Level::Should).takes_matrix_case(&matrix_case(), asked)
        );
        assert!(!of(Level::May).takes_matrix_case(&matrix_case(), asked));
        assert!(
            of(Level::Must).takes_finding("a matrix case", "STA-01")
                && !of(Level::Must).takes_finding("a matrix case", "STA-17")
        );
    }

    #[test]
    fn what_a_run_file_records_is_read_again() {
        let only = ["key-and-token / * / '401' / *".to_owned(), "STA-*".to_owned()];
        let selection =
            Selection::parse(&only, &["route=/mcp/{server}".to_owned()], &[Level::Must]).unwrap();
        assert_eq!(
            Selection::of_words(&selection.in_words()).unwrap().in_words(),
            selection.in_words()
        );
        assert!(Selection::of_words(&["--moon full".to_owned()]).is_err());
    }
}
