//! Sums up the cases that fail in the same requirement as one failure that is shown in full.

use std::collections::BTreeSet;

use crate::{cases::matrix_case::AXES, report::failure::UnexpectedFailures};

const SCENARIO: &str = "scenario ";
/// An axis with more values than this is summed up as a number.
const MAX_VALUES: usize = 3;

/// How many other cases fail, and which values they have on each axis; `None` if there are none.
pub(super) fn also_failing(failures: &UnexpectedFailures<'_>) -> Option<String> {
    let others = failures.case_ids.len() - 1;
    if others == 0 {
        return None;
    }
    let noun = if others == 1 { "case" } else { "cases" };
    let (scenarios, matrix_cases): (Vec<&str>, Vec<&str>) =
        failures.case_ids.iter().partition(|id| id.starts_with(SCENARIO));
    let details = if matrix_cases.is_empty() {
        scenario_ids(&scenarios, &failures.first.case.id)
    } else {
        with_scenarios(values_by_axis(&matrix_cases), scenarios.len())
    };
    Some(format!("{others} other {noun}: {details}"))
}

fn scenario_ids(scenarios: &[&str], shown: &str) -> String {
    let others = scenarios.iter().filter(|id| **id != shown);
    others.map(|id| id.trim_start_matches(SCENARIO)).collect::<Vec<_>>().join(", ")
}

/// The values of all failing matrix cases on each axis, the one shown in full included.
fn values_by_axis(matrix_cases: &[&str]) -> String {
    let mut values: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); AXES.len()];
    for id in matrix_cases {
        for (axis, value) in values.iter_mut().zip(id.split(" / ")) {
            axis.insert(value);
        }
    }
    let in_words = values.into_iter().map(|axis| match axis.len() {
        0..=MAX_VALUES => axis.into_iter().collect::<Vec<_>>().join("|"),
        count => format!("{count} values"),
    });
    in_words.collect::<Vec<_>>().join(" / ")
}

fn with_scenarios(matrix_cases: String, scenarios: usize) -> String {
    match scenarios {
        0 => matrix_cases,
        1 => format!("{matrix_cases}, and 1 scenario"),
        _ => format!("{matrix_cases}, and {scenarios} scenarios"),
    }
}
