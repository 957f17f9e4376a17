//! Selects the cases of a run: by ids of cases and requirements, by values of axes, and by levels.
//!
//! A selection does not change a verdict; it only omits cases and findings.

use std::collections::BTreeSet;

use crate::{
    cases::{
        matrix_case::{AXES, MatrixCase},
        pattern::Pattern,
    },
    catalogue::{Catalogue, Level},
};

/// The option that selects the cases that failed in an earlier run. Which these were is not needed
/// to judge a run again, because the run file contains only them.
const ONLY_FAILED: &str = "--only-failed";

/// The filters of a run. Without a filter, everything is selected.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The values of `--only`, as they were given.
    only: Vec<String>,
    /// All of them as one pattern.
    ids: Pattern,
    /// The axis, the value as it was given, and the value as a pattern.
    axes: Vec<(String, String, Pattern)>,
    levels: Vec<Level>,
    /// The cases that failed in an earlier run, if only these are selected.
    failed: Option<FailedCases>,
}

/// The cases that failed in an earlier run.
#[derive(Clone, Debug)]
pub struct FailedCases {
    /// The run file, as the command line named it.
    pub file: String,
    /// The ids of the cases, as reports show them.
    pub ids: BTreeSet<String>,
}

/// Why a selection is invalid.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// The axis does not exist.
    #[error(
        "unknown axis `{0}`\nexpected one of {axes}, for example  --where method=tools-list",
        axes = AXES.join(", ")
    )]
    Axis(String),
    /// The text does not have the form `axis=value`.
    #[error("`{0}` is not of the form axis=value, for example  --where method=tools-list")]
    Form(String),
    /// The run file records a filter that this version does not have.
    #[error("unknown filter `{0}`, expected `--only`, `--where`, `--level` or `--only-failed`")]
    Option(String),
}

impl Selection {
    /// Reads the patterns of `--only` and `--where`. Without a level, all levels are selected.
    pub fn parse(
        only: &[String],
        axes: &[String],
        levels: &[Level],
    ) -> Result<Self, SelectionError> {
        let axes = axes
            .iter()
            .map(|pair| {
                let (axis, value) =
                    pair.split_once('=').ok_or_else(|| SelectionError::Form(pair.clone()))?;
                if !AXES.contains(&axis) {
                    return Err(SelectionError::Axis(axis.to_owned()));
                }
                Ok((axis.to_owned(), value.to_owned(), Pattern::new([value])))
            })
            .collect::<Result<_, _>>()?;
        let ids: Vec<String> = only.iter().map(|written| id_pattern(written)).collect();
        Ok(Self {
            only: only.to_vec(),
            ids: Pattern::new(ids.iter().map(String::as_str)),
            axes,
            levels: levels.to_vec(),
            failed: None,
        })
    }

    /// Selects only cases that failed in an earlier run, among those selected so far.
    #[must_use]
    pub fn only_failed(self, failed: Option<FailedCases>) -> Self {
        Self { failed, ..self }
    }

    /// Whether a case with this id in reports is among those that failed in the earlier run; true
    /// if no such run was given.
    #[must_use]
    pub fn failed_before(&self, id: &str) -> bool {
        self.failed.as_ref().is_none_or(|failed| failed.ids.contains(id))
    }

    /// Reads the filters of a run file, as [`to_options`](Self::to_options) writes them.
    pub fn from_options(options: &[String]) -> Result<Self, SelectionError> {
        let (mut only, mut axes, mut levels) = (Vec::new(), Vec::new(), Vec::new());
        for option in options {
            let value_of = |name: &str| {
                Some(option.strip_prefix(name)?.strip_prefix(" '")?.strip_suffix('\'')?.to_owned())
            };
            let level = |text: String| Level::ALL.into_iter().find(|level| level.as_str() == text);
            if let Some(pattern) = value_of("--only") {
                only.push(pattern);
            } else if let Some(pair) = value_of("--where") {
                axes.push(pair);
            } else if let Some(level) = value_of("--level").and_then(level) {
                levels.push(level);
            } else if !option.starts_with(ONLY_FAILED) {
                return Err(SelectionError::Option(option.clone()));
            }
        }
        Self::parse(&only, &axes, &levels)
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.only.is_empty()
            && self.axes.is_empty()
            && self.levels.is_empty()
            && self.failed.is_none()
    }

    /// The filters as command-line options, for the run file.
    #[must_use]
    pub fn to_options(&self) -> Vec<String> {
        let only = self.only.iter().map(|pattern| format!("--only '{pattern}'"));
        let axes = self.axes.iter().map(|(axis, value, _)| format!("--where '{axis}={value}'"));
        let failed = self.failed.iter();
        only.chain(axes)
            .chain(self.levels.iter().map(|level| format!("--level '{level}'")))
            .chain(failed.map(|failed| format!("{ONLY_FAILED} '{}'", failed.file)))
            .collect()
    }

    /// Whether a matrix case is selected. `requirements` are those that rules judge in it.
    #[must_use]
    pub fn includes_matrix_case(
        &self,
        matrix_case: &MatrixCase,
        requirements: impl FnOnce() -> BTreeSet<String>,
    ) -> bool {
        self.axes.iter().all(|(axis, _, value)| value.matches(matrix_case.value(axis)))
            && self.failed_before(&matrix_case.to_string())
            && self.includes(&matrix_case.to_string(), requirements)
    }

    /// Whether a scenario is selected. Scenarios have no axes, so a filter by axis excludes them.
    #[must_use]
    pub fn includes_scenario(
        &self,
        id: &str,
        requirements: impl FnOnce() -> BTreeSet<String>,
    ) -> bool {
        self.axes.is_empty() && self.includes(id, requirements)
    }

    /// Whether a finding about a requirement is selected, given the id of its case.
    #[must_use]
    pub fn includes_finding(&self, case_id: &str, requirement: &str) -> bool {
        self.has_selected_level(requirement) && self.ids.matches_one_of(&[case_id, requirement])
    }

    fn includes(&self, id: &str, requirements: impl FnOnce() -> BTreeSet<String>) -> bool {
        if self.levels.is_empty() && self.ids.matches(id) {
            return true;
        }
        requirements().iter().any(|requirement| self.includes_finding(id, requirement))
    }

    fn has_selected_level(&self, requirement: &str) -> bool {
        self.levels.is_empty()
            || Catalogue::embedded()
                .get(requirement)
                .is_some_and(|found| self.levels.contains(&found.level))
    }
}

/// The pattern that a value of `--only` means.
///
/// The prefix of a group means the whole group, and the id of a requirement may be in lower case. A
/// scenario may be named as reports show it, with its start: `scenario ID / STRATEGY / PROFILE`.
fn id_pattern(written: &str) -> String {
    let (excluded, id) = match written.strip_prefix('!') {
        Some(id) => ("!", id),
        None => ("", written),
    };
    let upper_case = id.to_ascii_uppercase();
    let catalogue = Catalogue::embedded();
    if catalogue.title(&upper_case).is_some() {
        format!("{excluded}{upper_case}-*")
    } else if catalogue.get(&upper_case).is_some() {
        format!("{excluded}{upper_case}")
    } else if let Some(scenario) = id.strip_prefix("scenario ") {
        format!("{excluded}{}", scenario.split(" / ").next().unwrap_or(scenario))
    } else {
        written.to_owned()
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

    fn is_included(only: &[&str], axes: &[&str]) -> bool {
        let owned =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Selection::parse(&owned(only), &owned(axes), &[])
            .unwrap()
            .includes_matrix_case(&matrix_case(), || BTreeSet::from(["STA-01".to_owned()]))
    }

    #[test]
    fn case_must_match_both_ids_and_axes() {
        assert!(is_included(&[], &[]));
        assert!(
            is_included(&["STA-*"], &[])
                && is_included(&["* / 401-* / *"], &[])
                && is_included(&["CHL-01", "STA-01"], &[])
        );
        assert!(!is_included(&["CHL-*"], &[]));
        assert!(is_included(&["STA-01"], &["upstream=401-*", "method=tools-list"]));
        assert!(!is_included(&["STA-01"], &["upstream=401-*", "method=get"]));
        assert!(is_included(&[], &["route=/mcp/{server}"]));
    }

    #[test]
    fn a_group_a_lower_case_id_and_a_scenario_of_a_report_are_understood() {
        assert!(is_included(&["STA"], &[]) && is_included(&["sta-01"], &[]));
        assert!(!is_included(&["CHL"], &[]));
        let reported = "scenario each-request-uses-its-own-token / probe / seed".to_owned();
        let selection = Selection::parse(&[reported], &[], &[]).unwrap();
        let includes = |id| selection.includes_scenario(id, BTreeSet::new);
        assert!(includes("each-request-uses-its-own-token") && !includes("another"));
    }

    #[test]
    fn an_excluded_requirement_or_case_is_not_selected() {
        let exclude = |only: &str| Selection::parse(&[only.to_owned()], &[], &[]).unwrap();
        assert!(exclude("!STA-01").includes_finding("a case", "STA-02"));
        assert!(!exclude("!STA-01").includes_finding("a case", "STA-01"));
        assert!(!is_included(&["!* / 401-* / *"], &[]));
        assert!(!is_included(&[], &["upstream=!401-*"]));
    }

    #[test]
    fn unknown_axis_is_reported_with_the_known_ones() {
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
    fn level_excludes_requirements_of_other_levels() {
        let with_level = |level| Selection::parse(&[], &[], &[level]).unwrap();
        let requirements = || BTreeSet::from(["STA-01".to_owned(), "STA-16".to_owned()]);
        assert!(
            with_level(Level::Must).includes_matrix_case(&matrix_case(), requirements)
                && with_level(Level::Should).includes_matrix_case(&matrix_case(), requirements)
        );
        assert!(!with_level(Level::May).includes_matrix_case(&matrix_case(), requirements));
        assert!(
            with_level(Level::Must).includes_finding("a matrix case", "STA-01")
                && !with_level(Level::Must).includes_finding("a matrix case", "STA-16")
        );
    }

    #[test]
    fn recorded_filters_are_read_unchanged() {
        let only = ["key-and-token / * / '401' / *".to_owned(), "STA-*".to_owned()];
        let selection =
            Selection::parse(&only, &["route=/mcp/{server}".to_owned()], &[Level::Must]).unwrap();
        assert_eq!(
            Selection::from_options(&selection.to_options()).unwrap().to_options(),
            selection.to_options()
        );
        assert!(Selection::from_options(&["--moon full".to_owned()]).is_err());
    }
}
