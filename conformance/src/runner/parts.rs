//! Splits a run into parts: the cases of each start of an implementation.

use std::collections::BTreeSet;

use super::Part;
use crate::{
    cases::{
        matrix::{self, Axes},
        matrix_case::Cell,
        rule::RuleBook,
        scenario::Scenario,
        selection::Selection,
    },
    implementations::resolve::Target,
};

/// The cells and scenarios of each start that the selection takes.
#[must_use]
pub fn parts(target: &Target, selection: &Selection) -> Vec<Part> {
    let part = |start| {
        let (cells, _) = matrix::cells(Axes::embedded(), &[start], &target.routes);
        let asked = |cell: &Cell| -> BTreeSet<String> {
            RuleBook::embedded()
                .of(cell)
                .flat_map(|rule| rule.expectation.requires.iter().cloned())
                .collect()
        };
        let cells = cells
            .into_iter()
            .filter(|cell| selection.takes_cell(cell, || asked(cell)))
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
        Part { start, cells, scenarios }
    };
    target.starts().map(part).collect()
}
