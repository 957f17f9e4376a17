//! Judges one case: observations and findings from a trace.
//!
//! This is the only entry to judging, for a live run and for a recorded run.

use std::collections::BTreeMap;

use super::{
    Finding, Verdict,
    expectation::{inconclusive, judge_expectation, skip},
    finding::{skip_unbound, withdraw},
    observables::{self, Observable},
    subject::{Context, Subject},
};
use crate::{
    cases::{
        expectation::Expectation, matrix::Axes, matrix_case::MatrixCase, rule::RuleBook,
        scenario::Scenario,
    },
    catalogue::{Catalogue, ProtocolVersion},
    trace::Trace,
};

/// The rule of a finding about a disclosed secret.
const DISCLOSURE_RULE: &str = "secret-disclosure";

/// The result of judging one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The observations, by the name of the observable.
    pub observations: BTreeMap<String, String>,
    /// The findings of the rules or expectations, and of the disclosure table.
    pub findings: Vec<Finding>,
}

/// Judges a matrix case by every rule that selects it, and by the disclosure table.
///
/// If the case proves nothing, for example because the client has no session, the rules decide
/// nothing. If the positive control failed, every finding is `untestable`.
#[must_use]
pub fn judge_matrix_case(matrix_case: &MatrixCase, context: &Context, trace: &Trace) -> Judgement {
    let subject = Subject::of_matrix_case(matrix_case, context, trace);
    let findings = findings_about(&subject, matrix_case);
    let is_skipped = Axes::embedded().missing_feature(matrix_case, &context.features).is_some();
    let observations = if is_skipped || context.no_evidence.is_some() {
        BTreeMap::new()
    } else {
        observables::observations(&subject)
    };
    Judgement { observations, findings }
}

/// The findings of [`judge_matrix_case`], without the observations, which cost more time.
#[must_use]
pub fn findings_of_matrix_case(
    matrix_case: &MatrixCase,
    context: &Context,
    trace: &Trace,
) -> Vec<Finding> {
    findings_about(&Subject::of_matrix_case(matrix_case, context, trace), matrix_case)
}

fn findings_about(subject: &Subject<'_>, matrix_case: &MatrixCase) -> Vec<Finding> {
    let mut findings = findings_by_rules(RuleBook::embedded(), matrix_case, subject);
    skip_unbound(&mut findings, &subject.context.gateway_traits());
    if !subject.context.control {
        withdraw(&mut findings);
    }
    findings
}

/// The findings of a matrix case by these rules, before the positive control of the case is
/// considered.
pub(super) fn findings_by_rules(
    rules: &RuleBook,
    matrix_case: &MatrixCase,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let missing = Axes::embedded().missing_feature(matrix_case, &subject.context.features);
    let mut findings: Vec<Finding> = rules
        .of(matrix_case)
        .flat_map(|rule| match missing {
            Some(feature) => skip(&rule.id, &rule.expectation, feature),
            None => judge_with_evidence(&rule.id, &rule.expectation, subject),
        })
        .collect();
    if missing.is_none() {
        findings.extend(disclosure_findings(subject));
    }
    findings
}

/// The findings of an expectation; inconclusive if the case proves nothing.
fn judge_with_evidence(id: &str, expectation: &Expectation, subject: &Subject<'_>) -> Vec<Finding> {
    match &subject.context.no_evidence {
        Some(reason) => inconclusive(id, expectation, reason, subject),
        None => judge_expectation(id, expectation, subject),
    }
}

/// Judges a scenario by its own expectations, and by the disclosure table.
///
/// If the implementation lacks a feature that the scenario needs, every finding is `skip`. If the
/// scenario proves nothing, for example because the client has no session, its expectations decide
/// nothing. If the positive control failed, every other finding is `untestable`.
#[must_use]
pub fn judge_scenario(scenario: &Scenario, context: &Context, trace: &Trace) -> Judgement {
    let subject = Subject::new(scenario.server(), scenario.protocol_version, context, trace);
    let expectations = scenario.expectations.iter();
    let mut findings: Vec<Finding> = match scenario.missing_feature(&context.features) {
        Some(feature) => expectations
            .flat_map(|expectation| skip(&scenario.id, expectation, &feature))
            .collect(),
        None => expectations
            .flat_map(|expectation| judge_with_evidence(&scenario.id, expectation, &subject))
            .chain(disclosure_findings(&subject))
            .collect(),
    };
    skip_unbound(&mut findings, &context.gateway_traits());
    if !context.control {
        withdraw(&mut findings);
    }
    let observations = scenario
        .observables()
        .filter(|_| context.no_evidence.is_none())
        .filter_map(|name| {
            let observation = Observable::find(name)?.observe(&subject);
            Some((name.to_owned(), observation.to_string()))
        })
        .collect();
    Judgement { observations, findings }
}

/// Judges requests that belong to no case, by the disclosure table.
#[must_use]
pub(crate) fn judge_stray_requests(context: &Context, trace: &Trace) -> Vec<Finding> {
    let subject = Subject::new("", ProtocolVersion::default(), context, trace);
    let mut findings = disclosure_findings(&subject);
    skip_unbound(&mut findings, &context.gateway_traits());
    findings
}

/// One finding for each requirement that a disclosure violates.
fn disclosure_findings(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for disclosure in subject.disclosures() {
        for id in &disclosure.violates {
            let Some(requirement) = Catalogue::embedded().get(id) else {
                continue;
            };
            let finding = Finding::expecting_none(
                id,
                DISCLOSURE_RULE,
                Verdict::of_violation(requirement.level),
                "disclosed-secret",
                disclosure.to_string(),
            );
            findings.extend(finding.map(|mut finding| {
                finding.limit_to_applicable(subject.context.profile, subject.protocol_version);
                finding
            }));
        }
    }
    findings
}
