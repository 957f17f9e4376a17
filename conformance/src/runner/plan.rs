//! Plans a run: the selected cases of each start of the implementation.

use std::collections::BTreeSet;

use super::driver::PlannedCase;
use crate::{
    cases::{
        axis::Start,
        matrix::{self, Axes},
        matrix_case::MatrixCase,
        rule::RuleBook,
        scenario::Scenario,
        selection::Selection,
    },
    implementations::Implementation,
    judge::run_file::{CasesLeftOut, scenario_id},
};

/// The cases that run with one start of the implementation.
#[derive(Clone, Debug)]
pub struct Part {
    /// How the implementation is started.
    pub start: Start,
    /// The matrix cases, in the order of the matrix.
    pub matrix_cases: Vec<MatrixCase>,
    /// The scenarios.
    pub scenarios: Vec<&'static Scenario>,
}

/// The matrix cases of a part, by how they are run.
pub(super) struct PlannedCases {
    /// They need a feature that the implementation does not have, so nothing is sent.
    pub(super) skipped: Vec<MatrixCase>,
    /// They can run concurrently.
    pub(super) concurrent: Vec<PlannedCase>,
    /// They need a server exclusively.
    pub(super) exclusive: Vec<PlannedCase>,
}

impl Part {
    /// The number of cases.
    pub(super) fn cases(&self) -> usize {
        self.matrix_cases.len() + self.scenarios.len()
    }

    /// The matrix cases, by how they are run with an implementation with these features.
    pub(super) fn planned_cases(&self, features: &BTreeSet<String>) -> PlannedCases {
        let axes = Axes::embedded();
        let (skipped, sent): (Vec<MatrixCase>, Vec<MatrixCase>) = self
            .matrix_cases
            .iter()
            .cloned()
            .partition(|case| axes.missing_feature(case, features).is_some());
        let (exclusive, concurrent) = sent
            .into_iter()
            .map(PlannedCase::new)
            .partition(|planned: &PlannedCase| planned.exclusive);
        PlannedCases { skipped, concurrent, exclusive }
    }
}

/// The selected matrix cases and scenarios of each start of the implementation.
#[must_use]
pub fn plan(implementation: &Implementation, selection: &Selection) -> Vec<Part> {
    implementation
        .starts()
        .map(|start| Part {
            start,
            matrix_cases: selected_matrix_cases(start, implementation, selection),
            scenarios: selected_scenarios(start, implementation, selection),
        })
        .collect()
}

/// The numbers of cases that a plan does not contain.
#[must_use]
pub fn left_out(implementation: &Implementation, parts: &[Part]) -> CasesLeftOut {
    let count = |parts: &[Part]| -> usize {
        parts.iter().map(|part| part.matrix_cases.len() + part.scenarios.len()).sum()
    };
    let everything = plan(implementation, &Selection::default());
    let starts: Vec<Start> = implementation.starts().collect();
    let scope = implementation.matrix_scope(&starts);
    let (_, excluded) = matrix::matrix_cases(Axes::embedded(), scope);
    CasesLeftOut {
        by_filters: count(&everything).saturating_sub(count(parts)),
        by_matrix: excluded.iter().map(|excluded| excluded.count).sum(),
    }
}

fn selected_matrix_cases(
    start: Start,
    implementation: &Implementation,
    selection: &Selection,
) -> Vec<MatrixCase> {
    let starts = [start];
    let scope = implementation.matrix_scope(&starts);
    let (cases, _) = matrix::matrix_cases(Axes::embedded(), scope);
    cases
        .into_iter()
        .filter(|case| selection.includes_matrix_case(case, || requirements_of(case)))
        .collect()
}

/// The requirements that the rules test with this matrix case.
fn requirements_of(case: &MatrixCase) -> BTreeSet<String> {
    RuleBook::embedded()
        .of(case)
        .flat_map(|rule| rule.expectation.requires.iter().cloned())
        .collect()
}

fn selected_scenarios(
    start: Start,
    implementation: &Implementation,
    selection: &Selection,
) -> Vec<&'static Scenario> {
    Scenario::embedded()
        .iter()
        .filter(|scenario| scenario.runs_with(start, implementation.main_profile))
        .filter(|scenario| implementation.protocol_versions.contains(&scenario.protocol_version))
        .filter(|scenario| selection.failed_before(&scenario_id(&scenario.id, start)))
        .filter(|scenario| {
            selection.includes_scenario(&scenario.id, || {
                scenario.requirements().map(str::to_owned).collect()
            })
        })
        .collect()
}
