//! The report for programs: one JSON document, without the traces, which are in the run file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    cause::{Cause, Unmet, causes},
    deciding_findings,
    not_judged::not_judged,
    result_name, totals,
};
use crate::{
    catalogue::{Catalogue, Profile},
    judge::{
        Finding,
        baseline::Assessment,
        effective_verdict::{EffectiveVerdicts, RequirementRow},
        masking::Masking,
        run_file::{Note, Run},
        summary::{run_result, verdicts},
    },
    trace::printable::printable_json,
};

/// The number of this format. It is raised whenever a reader of the previous one must change.
const FORMAT: u32 = 2;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    suite: &'a str,
    catalogue: &'a str,
    implementation: Implementation<'a>,
    random_seed: u64,
    profiles: &'a [Profile],
    strategies: Vec<&'a str>,
    filters: &'a [String],
    interrupted: bool,
    result: &'static str,
    matrix_cases: usize,
    scenarios: usize,
    core: Counts,
    recommended: Counts,
    requirements: Vec<Requirement<'a>>,
    /// The requirements that are not met, grouped by the defect that makes them fail.
    root_causes: Vec<RootCause>,
    /// Why requirements and cases were not judged.
    not_judged: Vec<NotJudged>,
    /// The number of cases that mask a refusal, by how they do it.
    masked_refusals: Counts,
    damages: Vec<Damage<'a>>,
    /// What a reader should know about how the run was made, as sentences.
    notes: Vec<String>,
    baseline: Baseline<'a>,
}

/// Numbers of requirements or findings, by verdict.
type Counts = BTreeMap<&'static str, usize>;

#[derive(Serialize)]
struct Implementation<'a> {
    name: &'a str,
    version: &'a str,
    ours: bool,
}

#[derive(Serialize)]
struct Requirement<'a> {
    id: String,
    level: &'static str,
    core: bool,
    statement: &'static str,
    sources: &'static [String],
    /// The effective verdict.
    verdict: &'static str,
    /// The numbers of findings, by verdict before the comparison with the baseline.
    counts: Counts,
    /// Why the catalogue says that nothing judges it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_not_judged: Option<String>,
    /// The number of cases with this verdict, and of those that show whether the requirement is
    /// met; absent if it is met or was not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_cases: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    judged_cases: Option<usize>,
    /// The reasons of the baseline entries that expect its failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_case: Option<FirstCase<'a>>,
}

#[derive(Serialize)]
struct RootCause {
    /// The requirement that describes the defect best.
    requirement: String,
    /// Whether the baseline does not expect a failure of the requirement.
    unexpected: bool,
    /// The other requirements that fail because of the same defect.
    consequences: Vec<String>,
}

#[derive(Serialize)]
struct NotJudged {
    reason: String,
    requirements: usize,
    cases: usize,
}

/// The first case that has the verdict of its requirement.
#[derive(Serialize)]
struct FirstCase<'a> {
    case: String,
    rule: &'a str,
    observable: &'a str,
    expected: &'a str,
    actual: &'a str,
}

#[derive(Serialize)]
struct Damage<'a> {
    start: String,
    matrix_cases: &'a [String],
    description: &'a str,
    /// How the process ended; absent if it did not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    process_end: Option<&'a str>,
    /// The last lines of the log.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    log: &'a [String],
    /// The number of cases that were not judged because restarting was given up.
    not_judged: usize,
    /// The reason of the baseline entry that expects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
}

#[derive(Serialize)]
struct Baseline<'a> {
    /// The file or the implementation that it comes from, or `none`.
    name: String,
    /// The number of failures that an entry expects.
    expected: usize,
    /// The number of failures without an entry.
    unexpected: usize,
    /// The entries whose failures no longer happen.
    stale: Vec<StaleEntry<'a>>,
}

#[derive(Serialize)]
struct StaleEntry<'a> {
    requirement: &'a str,
    verdict: &'static str,
    reason: &'a str,
}

/// The report as JSON.
pub(super) fn json(run: &Run, assessment: &Assessment<'_>) -> String {
    let mut text = serde_json::to_string_pretty(&document(run, assessment))
        .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    text.push('\n');
    printable_json(&text)
}

fn document<'a>(run: &'a Run, assessment: &'a Assessment<'a>) -> Document<'a> {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let causes = causes(run, &effective_verdicts, &rows);
    let unmet: BTreeMap<&str, &Unmet<'_, '_>> = causes
        .iter()
        .flat_map(Cause::requirements)
        .map(|unmet| (unmet.id(), unmet))
        .collect();
    let requirement = |row: &RequirementRow<'a>| {
        let unmet = unmet.get(row.summary.id.as_str()).copied();
        requirement(run, &effective_verdicts, row, unmet)
    };
    let header = &run.header;
    Document {
        format: FORMAT,
        suite: &header.suite,
        catalogue: &header.catalogue,
        implementation: Implementation {
            name: &header.implementation,
            version: &header.version,
            ours: header.ours,
        },
        random_seed: header.random_seed,
        profiles: &header.profiles,
        strategies: header.strategies.iter().map(|strategy| strategy.as_str()).collect(),
        filters: &header.filters,
        interrupted: run.interrupted,
        result: result_name(run_result(run, &verdicts(run))),
        matrix_cases: run.matrix_cases.len(),
        scenarios: run.scenarios.len(),
        core: named_totals(&rows, true),
        recommended: named_totals(&rows, false),
        requirements: rows.iter().map(requirement).collect(),
        root_causes: causes.iter().map(root_cause).collect(),
        not_judged: not_judged(run, &rows)
            .into_iter()
            .map(|reason| NotJudged {
                requirements: reason.requirements,
                cases: reason.cases,
                reason: reason.reason,
            })
            .collect(),
        masked_refusals: Masking::counts(run)
            .into_iter()
            .map(|(masking, cases)| (masking.as_str(), cases))
            .collect(),
        damages: damages(assessment),
        notes: run.notes.iter().map(Note::in_words).collect(),
        baseline: baseline(assessment),
    }
}

fn root_cause(cause: &Cause<'_, '_>) -> RootCause {
    let id = |unmet: &Unmet<'_, '_>| unmet.id().to_owned();
    RootCause {
        requirement: id(&cause.head),
        unexpected: cause.head.row.unexpected,
        consequences: cause.consequences.iter().map(id).collect(),
    }
}

fn named_totals(rows: &[RequirementRow<'_>], core: bool) -> Counts {
    totals(rows, core)
        .into_iter()
        .map(|(verdict, count)| (verdict.as_str(), count))
        .collect()
}

fn damages<'a>(assessment: &'a Assessment<'a>) -> Vec<Damage<'a>> {
    let unexpected = assessment.unexpected_damages.iter().map(|damage| (*damage, None));
    let expected = assessment.expected_damages.iter();
    unexpected
        .chain(expected.map(|(damage, entry)| (*damage, Some(entry.reason.as_str()))))
        .map(|(damage, expected)| Damage {
            start: damage.start.to_string(),
            matrix_cases: &damage.matrix_cases,
            description: &damage.description,
            process_end: damage.process_end.as_deref(),
            log: &damage.log,
            not_judged: damage.not_judged,
            expected,
        })
        .collect()
}

fn baseline<'a>(assessment: &'a Assessment<'a>) -> Baseline<'a> {
    let stale = assessment.stale.iter().map(|entry| StaleEntry {
        requirement: entry.subject(),
        verdict: entry.verdict().as_str(),
        reason: entry.reason(),
    });
    Baseline {
        name: assessment.origin.to_string(),
        expected: assessment.expected.len(),
        unexpected: assessment.unexpected.len(),
        stale: stale.collect(),
    }
}

fn requirement<'a>(
    run: &'a Run,
    effective_verdicts: &EffectiveVerdicts<'a>,
    row: &RequirementRow<'a>,
    unmet: Option<&Unmet<'_, '_>>,
) -> Requirement<'a> {
    let summary = &row.summary;
    let counts = summary.counts.iter();
    let first_case = deciding_findings(run, effective_verdicts, row).into_iter().next();
    Requirement {
        id: summary.id.clone(),
        level: summary.level.as_str(),
        core: summary.core,
        statement: row.statement(),
        sources: Catalogue::embedded()
            .get(&summary.id)
            .map_or(&[], |requirement| &requirement.sources),
        verdict: row.verdict.as_str(),
        counts: counts.map(|(verdict, count)| (verdict.as_str(), *count)).collect(),
        reason_not_judged: summary.note.clone(),
        failing_cases: unmet.map(|unmet| unmet.failing),
        judged_cases: unmet.map(|unmet| unmet.judged),
        expected_failure: row.reasons(),
        first_case: first_case.map(|(case, finding)| {
            let Finding { rule, observable, expected, actual, .. } = finding;
            FirstCase { case, rule, observable, expected, actual }
        }),
    }
}
