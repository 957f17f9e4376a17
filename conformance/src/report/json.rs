//! The report for programs: one JSON document, without the traces, which are in the run file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::word;
use crate::judge::{
    effective_verdict::{EffectiveVerdicts, Row},
    summary::{outcome, verdicts},
};
use crate::{
    catalogue::{Catalogue, Profile},
    judge::{Finding, baseline::Assessment, run_file::Run},
};

/// The version of this document; it changes where a reader would have to.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
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
    core: BTreeMap<&'static str, usize>,
    recommended: BTreeMap<&'static str, usize>,
    requirements: Vec<Requirement<'a>>,
    damages: Vec<Damage<'a>>,
    baseline: Baseline<'a>,
}

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
    standing: &'static str,
    counts: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
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
}

#[derive(Serialize)]
struct Baseline<'a> {
    known: usize,
    unexpected: usize,
    stale: Vec<Stale<'a>>,
}

#[derive(Serialize)]
struct Stale<'a> {
    requirement: &'a str,
    verdict: &'static str,
    reason: &'a str,
}

/// The document.
pub(super) fn json(run: &Run, assessment: &Assessment<'_>) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let header = &run.header;
    let requirements = rows.iter().map(|row| requirement(run, &effective_verdicts, row)).collect();
    let stale = assessment.stale.iter().map(|known| Stale {
        requirement: &known.requirement,
        verdict: known.verdict.as_str(),
        reason: &known.reason,
    });
    let damages = run.damages.iter().map(|damage| Damage {
        start: damage.start.to_string(),
        matrix_cases: &damage.matrix_cases,
        description: &damage.description,
    });
    let document = Document {
        version: VERSION,
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
        result: word(outcome(run, &verdicts(run))),
        matrix_cases: run.matrix_cases.len(),
        scenarios: run.scenarios.len(),
        core: totals(&rows, true),
        recommended: totals(&rows, false),
        requirements,
        damages: damages.collect(),
        baseline: Baseline {
            known: assessment.known.len(),
            unexpected: assessment.unexpected.len(),
            stale: stale.collect(),
        },
    };
    let mut text = serde_json::to_string_pretty(&document)
        .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    text.push('\n');
    text
}

/// How many requirements stand how, of those that were judged.
pub(super) fn totals(rows: &[Row<'_>], core: bool) -> BTreeMap<&'static str, usize> {
    let mut totals = BTreeMap::new();
    for row in rows.iter().filter(|row| row.judged() && row.verdict.core == core) {
        *totals.entry(row.standing.as_str()).or_default() += 1;
    }
    totals
}

fn requirement<'a>(
    run: &'a Run,
    effective_verdicts: &EffectiveVerdicts<'a>,
    row: &Row<'a>,
) -> Requirement<'a> {
    let verdict = &row.verdict;
    Requirement {
        id: verdict.id.clone(),
        level: verdict.level.as_str(),
        core: verdict.core,
        statement: row.statement(),
        sources: Catalogue::embedded()
            .get(&verdict.id)
            .map_or(&[], |requirement| &requirement.sources),
        standing: row.standing.as_str(),
        counts: verdict
            .counts
            .iter()
            .map(|(verdict, count)| (verdict.as_str(), *count))
            .collect(),
        note: verdict.note.clone(),
        known: row.known.map(|known| known.reason.as_str()),
        first: first(run, effective_verdicts, row).map(|(case, finding)| {
            let Finding { rule, observable, expected, actual, .. } = finding;
            Told { case, rule, observable, expected, actual }
        }),
    }
}

/// The first case that stands as its requirement does, where that is worth telling.
pub(super) fn first<'a>(
    run: &'a Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    row: &Row<'_>,
) -> Option<(String, &'a Finding)> {
    use crate::judge::effective_verdict::EffectiveVerdict;
    if row.standing <= EffectiveVerdict::Info {
        return None;
    }
    run.findings().find(|(about, finding)| {
        let standing = effective_verdicts.of(about, finding);
        finding.requirement == row.verdict.id
            && (standing == row.standing || standing == EffectiveVerdict::Inconclusive)
    })
}
