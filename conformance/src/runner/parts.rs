//! Splits a run into parts: the cases of each start of an implementation.

use std::collections::BTreeSet;

use super::Part;
use crate::{
    cases::{
        matrix::{self, Axes},
        matrix_case::MatrixCase,
        rule::RuleBook,
        scenario::Scenario,
        selection::Selection,
    },
    implementations::resolve::Implementation,
};

/// The matrix cases and scenarios of each start that the selection takes.
#[must_use]
pub fn parts(target: &Implementation, selection: &Selection) -> Vec<Part> {
    let part = |start| {
        let (matrix_cases, _) = matrix::matrix_cases(Axes::embedded(), &[start], &target.routes);
        let asked = |matrix_case: &MatrixCase| -> BTreeSet<String> {
            RuleBook::embedded()
                .of(matrix_case)
                .flat_map(|rule| rule.expectation.requires.iter().cloned())
                .collect()
        };
        let matrix_cases = matrix_cases
            .into_iter()
            .filter(|matrix_case| selection.takes_matrix_case(matrix_case, || asked(matrix_case)))
            .collect();
        let scenarios = Scenario::embedded()
            .iter()
            .filter(|scenario| scenario.is_for(start))
            .filter(|scenario| {
                selection.takes_scenario(&scenario.id, || {
                    scenario.requirements().map(str::to_owned).collect()
                })
            })
            .collect();
        Part { start, matrix_cases, scenarios }
    };
    target.starts().map(part).collect()
}
