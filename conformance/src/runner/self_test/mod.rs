//! Tests the suite against gateways of which the result is known.
//!
//! A defect of the model gateway must fail exactly the requirements that it names. The model
//! gateway and its variants must fail nothing, except the recommendations that a variant forgoes.
//! The deviation of a defect or variant must be reached by at least one case.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io, iter,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use self::representative::is_representative;
use crate::{
    cases::selection::Selection,
    catalogue::{Catalogue, GatewayTraits, Status},
    implementations::Implementation,
    judge::{run_file::Header, summary},
    model_gateway::{Defect, Variant},
    runner::{Options, Part, Recorder, Runner, plan},
    upstreams::MockUpstreams,
};

mod representative;

/// The random seed from which secrets derive. Any other value would do.
const RANDOM_SEED: u64 = 20_261_122;

/// How many matrix cases of one gateway run at once. On a machine that is too busy, the responses
/// of a correct gateway are late.
const CASES_AT_ONCE: usize = 6;

/// How many gateways run at once by default. One alone keeps a sixth of a core busy, because its
/// cases wait for deadlines most of the time, so twelve use two cores.
pub const GATEWAYS_AT_ONCE: usize = 12;

/// The prefix of the names of defects.
const DEFECT: &str = "builtin:defect/";

/// A gateway, and the requirements that it must fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The name of the implementation, as for the command `run`.
    pub implementation: String,
    /// The ids of the requirements.
    pub fails: &'static [&'static str],
}

/// The model gateway, every variant, and every defect. The variants include the slowest gateways,
/// so they begin early.
#[must_use]
pub fn claims() -> Vec<Claim> {
    let model = Claim { implementation: "builtin:model".to_owned(), fails: &[] };
    let variants = Variant::all().iter().map(|variant| Claim {
        implementation: format!("builtin:variant/{}", variant.name),
        fails: variant.forgoes,
    });
    let defects = Defect::all().iter().map(|defect| Claim {
        implementation: format!("{DEFECT}{}", defect.name),
        fails: defect.fails,
    });
    iter::once(model).chain(variants).chain(defects).collect()
}

/// The result of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was expected.
    pub claim: Claim,
    /// The requirements that the suite reports as failed, each with one of its findings.
    pub failed: BTreeMap<String, String>,
    /// Whether a case reached the decision that the gateway changes; `None` if it changes none.
    pub deviation_reached: Option<bool>,
}

impl Outcome {
    /// The differences from the claim, one per line; empty if there are none.
    #[must_use]
    pub fn differences(&self) -> String {
        let Claim { implementation, fails } = &self.claim;
        let mut text = String::new();
        if self.deviation_reached == Some(false) {
            let name = implementation.trim_start_matches("builtin:").replace('/', " ");
            let _ = writeln!(
                text,
                "{name} is never reached: \
                 no case of the self-test runs the decision that it changes"
            );
        }
        if implementation.starts_with(DEFECT) && fails.is_empty() && self.failed.is_empty() {
            let _ = writeln!(
                text,
                "{implementation} fails no requirement: no case observes its deviation"
            );
        }
        for (requirement, finding) in &self.failed {
            if !fails.contains(&requirement.as_str()) {
                let _ = writeln!(
                    text,
                    "{implementation} fails {requirement}, which it does not name\n    {finding}"
                );
            }
        }
        for requirement in *fails {
            if !self.failed.contains_key(*requirement) {
                let _ = writeln!(
                    text,
                    "{implementation} names {requirement}, which it does not fail\n    \
                     no case of {requirement} observes the deviation, see the traces of  \
                     preflight-conformance run {implementation} --only {requirement} \
                     --report html=report.html"
                );
            }
        }
        text
    }
}

/// Runs one gateway.
pub fn drive(claim: Claim) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(outcome_of(claim))
}

/// Runs several gateways at once, and calls `report` after each.
pub fn drive_all(
    claims: Vec<Claim>,
    at_once: usize,
    report: impl Fn(&io::Result<Outcome>) + Sync,
) -> Vec<io::Result<Outcome>> {
    let waiting = Mutex::new(claims.into_iter());
    let finished = Mutex::new(Vec::new());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(claim) = next() {
                    let outcome = drive(claim);
                    report(&outcome);
                    finished.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    finished.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Each requirement that the suite judges, with the defects that failed it. It shows the
/// requirements that no defect would notice if a rule were lost.
#[must_use]
pub fn kill_matrix(outcomes: &[Outcome]) -> String {
    let failed: BTreeMap<&str, &Outcome> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome.claim.implementation.strip_prefix(DEFECT)?, outcome)))
        .collect();
    let fails = |defect: &&Defect, id: &str| {
        failed.get(defect.name).is_some_and(|outcome| outcome.failed.contains_key(id))
    };
    let mut text = String::new();
    for requirement in Catalogue::embedded().iter() {
        if !matches!(requirement.status(), Status::Covered) {
            continue;
        }
        let id = &requirement.id;
        let names: Vec<&str> = Defect::all()
            .iter()
            .filter(|defect| fails(defect, id))
            .map(|defect| defect.name)
            .collect();
        let names = if names.is_empty() { "-".to_owned() } else { names.join(" ") };
        let _ = writeln!(text, "{id:<8} {names}");
    }
    text
}

async fn outcome_of(claim: Claim) -> io::Result<Outcome> {
    let implementation =
        Implementation::resolve(&claim.implementation, None).map_err(io::Error::other)?;
    let usual_route = implementation.routes.first().cloned().unwrap_or_default();
    let mut parts: Vec<Part> = plan(&implementation, &Selection::default());
    for part in &mut parts {
        part.matrix_cases.retain(|case| is_representative(case, &usual_route));
    }
    let options = Options {
        jobs: CASES_AT_ONCE,
        recovery: Duration::ZERO,
        time_limit: None,
        fail_fast: false,
        records_observations: false,
        cache: PathBuf::new(),
        selection: Selection::default(),
    };
    let upstreams = Arc::new(MockUpstreams::start(RANDOM_SEED).await?);
    let header = Header::new(&implementation, RANDOM_SEED, Vec::new());
    let mut recorder = Recorder::start(header, None)?;
    // Recommendations count, because a claim names them too.
    let gateway = GatewayTraits { ours: true, ..GatewayTraits::default() };
    let counts = |finding: &_| summary::is_failure(finding, &gateway);
    let runner = Runner::new(&implementation, upstreams, RANDOM_SEED, &options, &|_| {}, &counts);
    for running in runner.run(&parts, &mut recorder).await.map_err(io::Error::other)? {
        running.stop().await;
    }
    let run = recorder.finish(false)?;
    let mut failed = BTreeMap::new();
    for (case, finding) in run.findings().filter(|(_, finding)| counts(finding)) {
        let description = format!(
            "{case}: {} expected {}, actual {} ({})",
            finding.observable, finding.expected, finding.actual, finding.rule
        );
        failed.insert(finding.requirement.clone(), description);
    }
    for damage in &run.damages {
        failed.insert("damage".to_owned(), damage.description.clone());
    }
    let deviation_reached = implementation.deviation_was_reached();
    Ok(Outcome { claim, failed, deviation_reached })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(failed: &[&str], reached: bool) -> Outcome {
        let claim = Claim {
            implementation: "builtin:defect/403-as-401".to_owned(),
            fails: &["STA-05", "AGG-01"],
        };
        let failed = failed.iter().map(|id| ((*id).to_owned(), "a finding".to_owned()));
        Outcome {
            claim,
            failed: failed.collect(),
            deviation_reached: Some(reached),
        }
    }

    #[test]
    fn an_outcome_as_claimed_has_no_differences() {
        assert_eq!(outcome(&["AGG-01", "STA-05"], true).differences(), "");
    }

    #[test]
    fn missing_and_additional_failures_are_differences() {
        let differences = outcome(&["AGG-01", "STA-01"], true).differences();
        assert_eq!(
            differences,
            "builtin:defect/403-as-401 fails STA-01, which it does not name\n    a finding\n\
             builtin:defect/403-as-401 names STA-05, which it does not fail\n    \
             no case of STA-05 observes the deviation, see the traces of  \
             preflight-conformance run builtin:defect/403-as-401 --only STA-05 \
             --report html=report.html\n"
        );
    }

    #[test]
    fn a_defect_that_fails_nothing_is_a_difference() {
        let mut outcome = outcome(&[], true);
        outcome.claim.fails = &[];
        assert_eq!(
            outcome.differences(),
            "builtin:defect/403-as-401 fails no requirement: no case observes its deviation\n"
        );
    }

    #[test]
    fn a_defect_that_no_case_reaches_is_a_difference() {
        let differences = outcome(&["AGG-01", "STA-05"], false).differences();
        assert_eq!(
            differences,
            "defect 403-as-401 is never reached: \
             no case of the self-test runs the decision that it changes\n"
        );
    }

    #[test]
    fn the_kill_matrix_lists_the_failures_of_a_run() {
        let matrix = kill_matrix(&[outcome(&["STA-01"], true)]);
        assert!(matrix.contains("STA-01   403-as-401\n"), "{matrix}");
        assert!(matrix.contains("STA-05   -\n"), "{matrix}");
    }
}
