//! Judges one case: observations and findings from a trace. The only entry to judging, for a live run and for a recorded one.

use std::collections::BTreeMap;

use super::{
    Finding, disclosure,
    expectation::{judge_expectation, skip},
    finding::distrust,
    observables::{self, Context, Observable, Subject},
};
use crate::{
    cases::{matrix::Axes, matrix_case::MatrixCase, rule::RuleBook, scenario::Scenario},
    trace::Trace,
};

/// What judging one case results in.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was observed, by the observables' names.
    pub observations: BTreeMap<String, String>,
    /// What rules and expectations say about it.
    pub findings: Vec<Finding>,
}

/// Judges the trace of a matrix case by every rule that selects the case, and by the disclosure table.
///
/// If the positive control failed, every finding is `untestable`.
#[must_use]
pub fn judge_matrix_case(matrix_case: &MatrixCase, context: &Context, trace: &Trace) -> Judgement {
    let subject = Subject::of_matrix_case(matrix_case, context, trace);
    let mut findings = findings_of(RuleBook::embedded(), matrix_case, &subject);
    if !context.control {
        distrust(&mut findings);
    }
    Judgement { observations: observables::all(&subject), findings }
}

/// The findings of a matrix case by these rules, before the positive control counts for the case as a whole.
pub(super) fn findings_of(
    rules: &RuleBook,
    matrix_case: &MatrixCase,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let missing = Axes::embedded().missing(matrix_case, &subject.context.features);
    let mut findings: Vec<Finding> = rules
        .of(matrix_case)
        .flat_map(|rule| match missing {
            Some(feature) => skip(&rule.id, &rule.expectation, feature),
            None => judge_expectation(&rule.id, &rule.expectation, subject),
        })
        .collect();
    if missing.is_none() {
        findings.extend(disclosure::judge(subject));
    }
    findings
}

/// Judges the trace of a scenario by its own expectations, and by the disclosure table.
///
/// If the implementation lacks a feature that the scenario needs, every finding is `skip`. If the positive control failed, every
/// other finding is `untestable`.
#[must_use]
pub fn judge_scenario(scenario: &Scenario, context: &Context, trace: &Trace) -> Judgement {
    let subject = Subject::new(scenario.server(), scenario.protocol_version, context, trace);
    let mut findings: Vec<Finding> = match scenario.missing(&context.features) {
        Some(feature) => scenario
            .expectations
            .iter()
            .flat_map(|expectation| skip(&scenario.id, expectation, &feature))
            .collect(),
        None => scenario
            .expectations
            .iter()
            .flat_map(|expectation| judge_expectation(&scenario.id, expectation, &subject))
            .chain(disclosure::judge(&subject))
            .collect(),
    };
    if !context.control {
        distrust(&mut findings);
    }
    let observations = scenario
        .observables()
        .filter_map(|name| {
            let observable = Observable::find(name)?;
            Some((name.to_owned(), observable.look(&subject).to_string()))
        })
        .collect();
    Judgement { observations, findings }
}
