//! What the page's script needs of each case, as one compressed text.

use std::{collections::BTreeMap, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};
use serde::Serialize;

use super::super::{curl, failure::replays};
use crate::judge::effective_verdict::{EffectiveVerdict, EffectiveVerdicts};
use crate::{
    cases::matrix_case::AXES,
    catalogue::Catalogue,
    judge::{
        Finding,
        run_file::{Evidence, Header, Run},
    },
    trace::{Trace, ending_in_words},
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
    impact: Option<&'static str>,
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
pub(super) fn packed(run: &Run, effective_verdicts: &EffectiveVerdicts<'_>) -> String {
    let json = serde_json::to_vec(&data(run, effective_verdicts)).unwrap_or_default();
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    // A vector takes everything.
    let bytes = deflated.write_all(&json).and_then(|()| deflated.finish()).unwrap_or_default();
    STANDARD.encode(bytes)
}

fn data<'a>(run: &'a Run, effective_verdicts: &EffectiveVerdicts<'a>) -> Data<'a> {
    let told = |about: &str, findings: &'a [Finding]| {
        let mut told: Vec<(EffectiveVerdict, &Finding)> = findings
            .iter()
            .map(|finding| (effective_verdicts.of(about, finding), finding))
            .collect();
        told.sort_by_key(|(standing, _)| std::cmp::Reverse(*standing));
        told.into_iter()
            .map(|(standing, finding)| Told { standing: standing.as_str(), finding })
            .collect()
    };
    let standing = |about: &str, findings: &[Finding]| {
        effective_verdicts
            .of_all(about, findings)
            .map_or("none", EffectiveVerdict::as_str)
    };
    let Header { implementation, random_seed, .. } = &run.header;
    let cases = run.cases().map(|judged| Case {
        values: judged
            .matrix_case
            .map(|matrix_case| AXES.iter().map(|axis| matrix_case.value(axis)).collect())
            .unwrap_or_default(),
        standing: standing(&judged.id, judged.findings),
        findings: told(&judged.id, judged.findings),
        observations: judged.observations,
        trace: judged.trace,
        evidence: judged.evidence,
        endings: judged
            .trace
            .exchanges
            .iter()
            .map(|exchange| ending_in_words(exchange.ending))
            .collect(),
        again: format!(
            "preflight-conformance run {implementation} --only '{}' --random-seed {random_seed} --hold",
            judged.only
        ),
        curl: judged
            .trace
            .exchanges
            .last()
            .filter(|_| replays(&judged))
            .map(|exchange| curl(judged.gateway, exchange)),
        id: judged.id,
    });
    Data {
        axes: AXES,
        requirements: requirements(run),
        cases: cases.collect(),
    }
}

fn requirements(run: &Run) -> BTreeMap<&str, About> {
    let about = |id: &'_ str| {
        let requirement = Catalogue::embedded().get(id)?;
        Some(About {
            level: requirement.level.as_str(),
            core: requirement.core(),
            statement: &requirement.statement,
            sources: &requirement.sources,
            impact: requirement.impact.as_deref(),
        })
    };
    run.cases()
        .flat_map(|judged| judged.findings)
        .filter_map(|finding| Some((finding.requirement.as_str(), about(&finding.requirement)?)))
        .collect()
}
