//! What the page's script needs of each case, as one compressed text.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};
use serde::Serialize;

use crate::{
    cases::matrix_case::AXES,
    catalogue::{Binding, Catalogue},
    judge::{
        Finding,
        effective_verdict::{EffectiveVerdict, EffectiveVerdicts},
        run_file::{Evidence, JudgedCase, Run},
    },
    report::{
        deviation::deviating_exchange,
        failure::{curl_command, reproduce_command},
    },
    trace::{Ending, Exchange, Trace},
};

#[derive(Serialize)]
struct PageData<'a> {
    axes: [&'static str; AXES.len()],
    requirements: BTreeMap<&'a str, RequirementData>,
    cases: Vec<CaseData<'a>>,
}

#[derive(Serialize)]
struct RequirementData {
    level: &'static str,
    core: bool,
    statement: &'static str,
    sources: &'static [String],
    impact: Option<&'static str>,
}

#[derive(Serialize)]
struct CaseData<'a> {
    id: String,
    /// The value on each axis; empty for a scenario.
    values: Vec<&'a str>,
    effective_verdict: &'static str,
    findings: Vec<FindingData<'a>>,
    observations: &'a BTreeMap<String, String>,
    trace: &'a Trace,
    evidence: &'a Evidence,
    /// For each exchange, how the response ended if it is incomplete.
    endings: Vec<Option<&'static str>>,
    reproduce: String,
    /// The index of the exchange that deviated.
    deviating: Option<usize>,
    /// The command that repeats the exchange that deviated, or else the last one.
    curl: Option<String>,
}

#[derive(Serialize)]
struct FindingData<'a> {
    effective_verdict: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// The data as base64 of deflated JSON.
pub(super) fn packed(run: &Run, effective_verdicts: &EffectiveVerdicts<'_>) -> String {
    let json = serde_json::to_vec(&page_data(run, effective_verdicts)).unwrap_or_default();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Writing to a vector cannot fail.
    let deflated = encoder.write_all(&json).and_then(|()| encoder.finish()).unwrap_or_default();
    STANDARD.encode(deflated)
}

fn page_data<'a>(run: &'a Run, effective_verdicts: &EffectiveVerdicts<'a>) -> PageData<'a> {
    let cases = run.cases().map(|case| {
        let deviating = deviating(&case, effective_verdicts);
        CaseData {
            values: case
                .matrix_case
                .map(|matrix_case| AXES.iter().map(|axis| matrix_case.value(axis)).collect())
                .unwrap_or_default(),
            effective_verdict: effective_verdicts
                .of_case(&case.id, case.findings)
                .map_or("none", EffectiveVerdict::as_str),
            findings: findings(&case, effective_verdicts),
            observations: case.observations,
            trace: case.trace,
            evidence: case.evidence,
            endings: case.trace.exchanges.iter().map(incomplete_ending).collect(),
            reproduce: reproduce_command(&run.header, &case),
            deviating,
            curl: curl_command(&case, deviating.or(case.trace.exchanges.len().checked_sub(1))),
            id: case.id,
        }
    });
    PageData {
        axes: AXES,
        requirements: requirements(run),
        cases: cases.collect(),
    }
}

/// The findings of a case, the most severe first.
fn findings<'a>(
    case: &JudgedCase<'a>,
    effective_verdicts: &EffectiveVerdicts<'_>,
) -> Vec<FindingData<'a>> {
    let mut findings: Vec<(EffectiveVerdict, &Finding)> = case
        .findings
        .iter()
        .map(|finding| (effective_verdicts.of_finding(&case.id, finding), finding))
        .collect();
    findings.sort_by_key(|(verdict, _)| Reverse(*verdict));
    findings
        .into_iter()
        .map(|(verdict, finding)| FindingData { effective_verdict: verdict.as_str(), finding })
        .collect()
}

/// The exchange that the most severe problem of a case is about; `None` without a problem.
fn deviating(case: &JudgedCase<'_>, effective_verdicts: &EffectiveVerdicts<'_>) -> Option<usize> {
    let of_finding = |finding: &Finding| effective_verdicts.of_finding(&case.id, finding);
    let most_severe = case
        .findings
        .iter()
        .rev()
        .max_by_key(|finding| of_finding(finding))
        .filter(|finding| of_finding(finding) > EffectiveVerdict::Info)?;
    deviating_exchange(case.trace, most_severe)
}

fn incomplete_ending(exchange: &Exchange) -> Option<&'static str> {
    (exchange.ending != Ending::Complete).then(|| exchange.ending.description())
}

fn requirements(run: &Run) -> BTreeMap<&str, RequirementData> {
    let gateway = run.gateway_traits();
    let data = |id: &str| {
        let requirement = Catalogue::embedded().get(id)?;
        Some(RequirementData {
            level: requirement.level.as_str(),
            core: requirement.binding(&gateway) == Binding::Core,
            statement: &requirement.statement,
            sources: &requirement.sources,
            impact: requirement.impact.as_deref(),
        })
    };
    let ids: BTreeSet<&str> = run
        .cases()
        .flat_map(|case| case.findings)
        .map(|finding| finding.requirement.as_str())
        .collect();
    ids.into_iter().filter_map(|id| Some((id, data(id)?))).collect()
}
