//! What the page's script needs of each case, as one compressed text.

use std::{collections::BTreeMap, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};
use serde::Serialize;

use super::super::{
    curl,
    standing::{Standing, Standings},
};
use crate::{
    catalogue::Catalogue,
    cell::AXES,
    judge::Finding,
    run_file::{Evidence, Run},
    runner::is_scripted,
    trace::{Ending, Exchange, Trace},
};

#[derive(Serialize)]
struct Data<'a> {
    axes: [&'static str; AXES.len()],
    requirements: BTreeMap<&'a str, About>,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct About {
    level: &'static str,
    core: bool,
    statement: &'static str,
    sources: &'static [String],
    hurts: Option<&'static str>,
}

#[derive(Serialize)]
struct Case<'a> {
    id: String,
    /// Empty where it is a scenario.
    values: Vec<&'a str>,
    standing: &'static str,
    findings: Vec<Told<'a>>,
    observations: &'a BTreeMap<String, String>,
    trace: &'a Trace,
    evidence: &'a Evidence,
    endings: Vec<&'static str>,
    again: String,
    curl: Option<String>,
}

#[derive(Serialize)]
struct Told<'a> {
    standing: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// The text that stands in the page: base64 of deflated JSON.
pub(super) fn packed(run: &Run, standings: &Standings<'_>) -> String {
    let json = serde_json::to_vec(&data(run, standings)).unwrap_or_default();
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    // A vector takes everything.
    let bytes = deflated.write_all(&json).and_then(|()| deflated.finish()).unwrap_or_default();
    STANDARD.encode(bytes)
}

fn data<'a>(run: &'a Run, standings: &Standings<'a>) -> Data<'a> {
    let told = |about: &str, findings: &'a [Finding]| {
        let mut told: Vec<(Standing, &Finding)> = findings.iter().map(|finding| (standings.of(about, finding), finding)).collect();
        told.sort_by_key(|(standing, _)| std::cmp::Reverse(*standing));
        told.into_iter().map(|(standing, finding)| Told { standing: standing.as_str(), finding }).collect()
    };
    let standing = |about: &str, findings: &[Finding]| standings.of_all(about, findings).map_or("none", Standing::as_str);
    let again =
        |id: &str| format!("preflight-conformance run {} --only '{id}' --seed {} --hold", run.header.implementation, run.header.seed);
    let endings = |trace: &Trace| trace.exchanges.iter().map(|exchange| ending(exchange.ending)).collect();
    let last = |gateway: &str, trace: &Trace| trace.exchanges.last().map(|exchange: &Exchange| curl(gateway, exchange));
    let cells = run.cells.iter().map(|judged| {
        let id = judged.cell.to_string();
        let replays = is_scripted(&judged.cell) || judged.cell.upstream == "200-json";
        Case {
            values: AXES.iter().map(|axis| judged.cell.value(axis)).collect(),
            standing: standing(&id, &judged.findings),
            findings: told(&id, &judged.findings),
            observations: &judged.observations,
            trace: &judged.trace,
            evidence: &judged.evidence,
            endings: endings(&judged.trace),
            again: again(&id),
            curl: last(&judged.gateway, &judged.trace).filter(|_| replays),
            id,
        }
    });
    let scenarios = run.scenarios.iter().map(|judged| {
        let id = judged.id();
        Case {
            values: Vec::new(),
            standing: standing(&id, &judged.findings),
            findings: told(&id, &judged.findings),
            observations: &judged.observations,
            trace: &judged.trace,
            evidence: &judged.evidence,
            endings: endings(&judged.trace),
            again: again(&judged.scenario),
            curl: last(&judged.gateway, &judged.trace),
            id,
        }
    });
    Data { axes: AXES, requirements: requirements(run), cases: cells.chain(scenarios).collect() }
}

fn ending(ending: Ending) -> &'static str {
    crate::runner::ending_in_words(ending)
}

fn requirements(run: &Run) -> BTreeMap<&str, About> {
    let about = |id: &'_ str| {
        let requirement = Catalogue::embedded().get(id)?;
        Some(About {
            level: requirement.level.as_str(),
            core: requirement.core(),
            statement: &requirement.statement,
            sources: &requirement.sources,
            hurts: requirement.hurts.as_deref(),
        })
    };
    let findings = run.cells.iter().flat_map(|judged| &judged.findings).chain(run.scenarios.iter().flat_map(|judged| &judged.findings));
    findings.filter_map(|finding| Some((finding.requirement.as_str(), about(&finding.requirement)?))).collect()
}
