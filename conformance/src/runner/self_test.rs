//! Shows that the suite notices, and nothing but faults: each gateway with one fault fails exactly the requirements that it claims, the one
//! without fails none, and neither does one that is different and right, but for the recommendations that it says it forgoes.
//!
//! All of them are driven through the same part of the matrix, the part in which a value of an axis stands for those that are like it. The
//! tests of the suite and its `self-test` command are this module.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io, iter,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{
    cases::{
        axis::{Credentials, Method, ServerKind},
        matrix_case::MatrixCase,
        selection::Selection,
    },
    catalogue::{Catalogue, Status},
    implementations::Implementation,
    judge::{run_file::Header, summary},
    model_gateway,
    runner::{Options, Part, Recorder, Runner, plan},
    upstreams::MockUpstreams,
};

/// What secrets derive from; any other seed would do.
const SEED: u64 = 20_261_122;
/// How many matrix cases of a gateway at once: few, because a machine that is too busy makes honest gateways late.
const CELLS: usize = 12;
/// How many gateways at once, unless said. Most of a run is waiting.
pub const GATEWAYS: usize = 8;

/// The upstreams to which a forwarding server's callers send every method; elsewhere `tools/call` speaks for all.
const WITH_EVERY_METHOD: [&str; 6] = [
    "200-json",
    "401-full+json-rpc",
    "403-bare+json-rpc",
    "200-then-401",
    "delete-405",
    "delete-never",
];

/// One gateway, and the requirements that it is said to fail, were it ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// As `run` takes it.
    pub implementation: String,
    /// The ids of the requirements.
    pub fails: &'static [String],
}

/// The gateway without a fault, every variant, and every one with a fault. Among the variants are the slowest, which begin early for that.
#[must_use]
pub fn claims() -> Vec<Claim> {
    let faults = model_gateway::all().iter().map(|fault| Claim {
        implementation: format!("builtin:defect/{}", fault.name()),
        fails: &fault.fails,
    });
    let variants = model_gateway::variants().iter().map(|variant| Claim {
        implementation: format!("builtin:variant/{}", variant.name()),
        fails: &variant.forgoes,
    });
    iter::once(Claim { implementation: "builtin:model".to_owned(), fails: &[] })
        .chain(variants)
        .chain(faults)
        .collect()
}

/// What came of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was said of it.
    pub claim: Claim,
    /// The requirements that the suite reports as failed, each with one finding that says so.
    pub failed: BTreeMap<String, String>,
}

impl Outcome {
    /// Where it differs from the claim, in words; nothing where it does not.
    #[must_use]
    pub fn differences(&self) -> String {
        let Claim { implementation, fails } = &self.claim;
        let mut text = String::new();
        for (requirement, says) in
            self.failed.iter().filter(|(requirement, _)| !fails.contains(requirement))
        {
            let _ = writeln!(
                text,
                "{implementation} fails {requirement} and does not claim it\n    {says}"
            );
        }
        for requirement in
            fails.iter().filter(|requirement| !self.failed.contains_key(*requirement))
        {
            let _ = writeln!(text, "{implementation} claims {requirement} and does not fail it");
        }
        text
    }
}

/// Drives one gateway.
pub fn drive(claim: Claim) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let failed = runtime.block_on(failed(&claim.implementation))?;
    Ok(Outcome { claim, failed })
}

/// Drives all of them, so many at once, and tells of each that is through.
pub fn drive_all(
    claims: Vec<Claim>,
    at_once: usize,
    tell: impl Fn(&io::Result<Outcome>) + Sync,
) -> Vec<io::Result<Outcome>> {
    let (waiting, through) = (Mutex::new(claims.into_iter()), Mutex::new(Vec::new()));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(claim) = next() {
                    let outcome = drive(claim);
                    tell(&outcome);
                    through.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    through.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Each requirement that is judged, with the gateways that fail it: which would go unwatched if a rule were lost.
#[must_use]
pub fn kill_matrix<'a>(fails: impl Fn(&str) -> Vec<&'a str>) -> String {
    let mut text = String::new();
    for requirement in Catalogue::embedded()
        .iter()
        .filter(|requirement| matches!(requirement.status(), Status::Covered))
    {
        let caught = fails(&requirement.id);
        let _ = writeln!(
            text,
            "{:<8} {}",
            requirement.id,
            if caught.is_empty() { "-".to_owned() } else { caught.join(" ") }
        );
    }
    text
}

async fn failed(implementation: &str) -> io::Result<BTreeMap<String, String>> {
    let target = Implementation::resolve(implementation, None).map_err(io::Error::other)?;
    let usual_route = target.routes.first().cloned().unwrap_or_default();
    let parts: Vec<Part> = plan(&target, &Selection::default())
        .into_iter()
        .map(|part| Part {
            matrix_cases: part
                .matrix_cases
                .into_iter()
                .filter(|matrix_case| stands_for_others(matrix_case, &usual_route))
                .collect(),
            ..part
        })
        .collect();
    let options = Options {
        jobs: CELLS,
        fail_fast: false,
        cache: PathBuf::new(),
        selection: Selection::default(),
    };
    let upstreams = Arc::new(MockUpstreams::start(SEED).await?);
    let mut recorder = Recorder::start(Header::new(&target, SEED, Vec::new()), None)?;
    // Recommendations, too: what is claimed is claimed to the letter.
    let counts = |finding: &_| summary::counts(finding, true);
    let runner = Runner::new(&target, upstreams, SEED, &options, &|_| {}, &counts);
    for running in runner.run(&parts, &mut recorder).await.map_err(io::Error::other)? {
        running.stop().await;
    }
    let run = recorder.finish(false)?;
    let damages = run
        .damages
        .iter()
        .map(|damage| ("damage".to_owned(), damage.description.clone()));
    let findings = run.findings().filter(|(_, finding)| counts(finding));
    let findings = findings.map(|(about, finding)| {
        let says = format!(
            "{about}: {} expected {}, actual {} ({})",
            finding.observable, finding.expected, finding.actual, finding.rule
        );
        (finding.requirement.clone(), says)
    });
    Ok(findings.chain(damages).collect())
}

/// What several servers say of a token when their tools are listed: each thing that a set of answers can come to, in an order that tells
/// who is believed.
const LISTED: [&str; 12] = [
    "200-json,200-json,200-json",
    "401-full,401-full,401-full",
    "403-bare,401-full,200-json",
    "403-bare,403-bare,403-bare",
    "403-bare,200-json,200-json",
    "403-bare,401-full,401-full",
    "500,200-json,200-json",
    "500,500,500",
    "never,200-json,401-full",
    "403-bare,late-401,200-json",
    "late-401,401-full,200-json",
    "403-bare,403-bare,late-401",
];
/// And when a tool of the second one is called: it says something else than its neighbours.
const CALLED: [&str; 4] = [
    "401-full,200-json,403-bare",
    "200-json,401-full,200-json",
    "200-json,403-bare,401-full",
    "200-json,500,403-bare",
];

/// One body, one spelling of the route and one method stand for all, where nothing depends on them.
fn stands_for_others(matrix_case: &MatrixCase, usual_route: &str) -> bool {
    if matrix_case.server == ServerKind::Aggregate {
        let mixes: &[&str] = match matrix_case.method {
            Method::ToolsList => &LISTED,
            Method::ToolsCall => &CALLED,
            _ => &[],
        };
        return mixes.contains(&matrix_case.upstream.as_str()) && !matrix_case.route.contains('{');
    }
    let usual_body =
        !matrix_case.upstream.ends_with("+oauth") && !matrix_case.upstream.ends_with("+empty");
    let methods_matter =
        matches!(matrix_case.credentials, Credentials::KeyAndToken | Credentials::KeyOnly)
            && matrix_case.server == ServerKind::Forwarding
            && WITH_EVERY_METHOD.contains(&matrix_case.upstream.as_str());
    usual_body
        && (matrix_case.method == Method::ToolsCall || methods_matter)
        && matrix_case.route == usual_route
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said_both_ways() {
        let claim = claims()
            .into_iter()
            .find(|claim| claim.implementation == "builtin:defect/403-as-401")
            .unwrap();
        let right: BTreeMap<String, String> =
            claim.fails.iter().map(|id| (id.clone(), "a finding".to_owned())).collect();
        assert_eq!(Outcome { claim: claim.clone(), failed: right }.differences(), "");
        let wrong = Outcome {
            claim,
            failed: [("STA-01".to_owned(), "a finding".to_owned())].into(),
        }
        .differences();
        assert!(wrong.contains("fails STA-01 and does not claim it\n    a finding\n"), "{wrong}");
        assert!(wrong.contains("claims STA-05 and does not fail it\n"), "{wrong}");
    }
}
