//! Runs the selected cases against one implementation and has every trace judged.
//!
//! A run consists of one part for each start of the implementation (profile and strategy). The
//! matrix cases of a part run concurrently, in batches. After each batch, a positive control checks
//! that the implementation still works. If it fails, the implementation is restarted and the batch
//! is bisected, until the case that does the damage is found. The runner does not decide what is
//! correct, and prints nothing.
//!
//! | module | contents |
//! | --- | --- |
//! | `plan` | [`plan`]: the cases of each start |
//! | `instance` | the running implementation of a part, and how it is restarted |
//! | `driver` | sends the request of a matrix case and collects its trace |
//! | `case_session` | the sessions of a case, without the requests that open them |
//! | `sessions` | opens the session of a case before its request, and ends it afterwards |
//! | `scenario_sessions` | the sessions that the steps of a scenario need |
//! | `positive_control` | a call that must succeed |
//! | `readiness` | whether an implementation that the suite did not start can be judged |
//! | `batch` | runs the matrix cases of a batch concurrently |
//! | `attribution` | whether the upstream requests in a trace belong to the case |
//! | `undecided` | what is kept until all cases of a part have run, because that is uncertain |
//! | `alone` | runs such cases again alone |
//! | `damage` | finds the cases after which the implementation no longer works |
//! | `recovery` | waits for an implementation that works again by itself |
//! | `scenarios` | runs scenarios and judges them |
//! | `steps`, `aggregate`, `placeholders` | the steps of a scenario, and the placeholders in them |
//! | `time_limit` | bounds the time of a run with a slow implementation |
//! | `whole_part` | checks of a part as a whole: log, metrics, late upstream requests |
//! | `metrics` | reads the metrics of the implementation |
//! | `recorder` | [`Recorder`]: keeps the run and writes the run file |
//! | [`smoke`] | healthy calls, hints for each one that fails, and a proposed description |
//! | [`self_test`] | runs the model gateways, with which the suite tests itself |

mod aggregate;
mod alone;
mod attribution;
mod batch;
mod case_session;
mod damage;
mod driver;
mod instance;
mod metrics;
mod placeholders;
mod plan;
mod positive_control;
mod readiness;
mod recorder;
mod recovery;
mod scenario_sessions;
mod scenarios;
pub mod self_test;
mod sessions;
pub mod smoke;
mod steps;
mod time_limit;
mod undecided;
mod whole_part;

use std::{collections::BTreeSet, io, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::Instant;

use self::{
    damage::record_end_of_part,
    driver::{CaseNumbers, PlannedCase},
    instance::Instance,
    plan::PlannedCases,
    time_limit::{Scope, TimeLimit},
};
pub use self::{
    plan::{Part, left_out, plan},
    recorder::Recorder,
};
use crate::{
    cases::{
        axis::Start,
        scenario::{SECOND_START, Scenario},
        selection::Selection,
    },
    client::ClientError,
    implementations::{Implementation, ImplementationError, RunningImplementation},
    judge::{
        Finding,
        run_file::{Evidence, Setup},
        subject::{Context, Deadlines},
    },
    upstreams::MockUpstreams,
};

/// How many matrix cases are sent between two positive controls.
const BATCH: usize = 256;

/// How much later than a deadline an event may occur, in milliseconds, because the machine is
/// shared.
///
/// It is less than the probe deadline of the model gateway (one second), so that two probes one
/// after another are still recognised as too slow (PRB-02).
const SLACK_MS: u64 = 750;

/// How long an implementation may take to work again by itself, unless a test says otherwise.
pub const RECOVERY: Duration = Duration::from_secs(10);

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many matrix cases run concurrently.
    pub jobs: usize,
    /// Whether the run ends at the first failure.
    pub fail_fast: bool,
    /// Whether the observations of matrix cases are recorded. Verdicts do not need them.
    pub records_observations: bool,
    /// How long the implementation may take to work again by itself before it is restarted.
    pub recovery: Duration,
    /// The time limit of the run. `None` for a limit that follows from the number of cases and the
    /// speed of a healthy call.
    pub time_limit: Option<Duration>,
    /// The folder below which implementations are installed and run.
    pub cache: PathBuf,
    /// The selected requirements and cases. Other findings are dropped.
    pub selection: Selection,
}

/// The progress of a run.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A message for the user.
    Message(&'a str),
    /// A part begins: its start, and the number of its matrix cases and scenarios.
    PartBegins(Start, usize),
    /// One matrix case or scenario has been judged.
    CaseJudged,
}

/// Receives the progress of a run.
pub type ProgressListener<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// Why a run was aborted.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The implementation did not start.
    #[error(transparent)]
    Implementation(#[from] ImplementationError),
    /// The base URL of the implementation is invalid.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The run file could not be written.
    #[error("the run file could not be written: {0}")]
    File(#[from] io::Error),
}

/// Whether a part ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartEnd {
    /// Every case was run.
    Complete,
    /// The positive control failed at the beginning, or `fail_fast` ended the run.
    Early,
}

/// Runs cases against one implementation.
pub struct Runner<'a> {
    implementation: &'a Implementation,
    upstreams: Arc<MockUpstreams>,
    setup: Setup,
    options: &'a Options,
    case_numbers: CaseNumbers,
    progress: ProgressListener<'a>,
    is_failure: &'a dyn Fn(&Finding) -> bool,
}

impl<'a> Runner<'a> {
    /// A run of the implementation with these mock upstreams.
    ///
    /// The random seed determines the secrets of the cases. `is_failure` decides which findings
    /// count as failures for `fail_fast`.
    #[must_use]
    pub fn new(
        implementation: &'a Implementation,
        upstreams: Arc<MockUpstreams>,
        random_seed: u64,
        options: &'a Options,
        progress: ProgressListener<'a>,
        is_failure: &'a dyn Fn(&Finding) -> bool,
    ) -> Self {
        Self {
            implementation,
            setup: setup_of(implementation, &upstreams),
            upstreams,
            options,
            case_numbers: CaseNumbers::new(random_seed),
            progress,
            is_failure,
        }
    }

    /// Runs every part and returns the implementations, which are still running.
    ///
    /// # Errors
    ///
    /// The implementation did not start, its base URL is invalid, or the run file could not be
    /// written.
    pub async fn run(
        &self,
        parts: &[Part],
        recorder: &mut Recorder,
    ) -> Result<Vec<RunningImplementation>, RunError> {
        let mut running = Vec::new();
        recorder.setup(self.setup.clone())?;
        let cases_of_run: usize = parts.iter().map(Part::cases).sum();
        for part in parts {
            let mut instance = self.start_instance(part.start).await?;
            (self.progress)(Progress::PartBegins(part.start, part.cases()));
            let end = self.run_part(part, cases_of_run, &mut instance, recorder).await;
            running.extend(instance.running);
            if end? == PartEnd::Early {
                break;
            }
        }
        Ok(running)
    }

    async fn run_part(
        &self,
        part: &Part,
        cases_of_run: usize,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<PartEnd, RunError> {
        let begin = Instant::now();
        if let Err(reason) = instance.first_positive_control(&self.implementation.features).await {
            let failure = instance.failure(format!("nothing can be judged: {reason}")).await;
            recorder.damage(failure.damage(part.start, Vec::new()))?;
            return Ok(PartEnd::Early);
        }
        instance.cases_since_ms = self.upstreams.elapsed_ms();
        let PlannedCases { skipped, concurrent, exclusive } =
            part.planned_cases(&self.setup.features);
        let scope = Scope {
            cases: part.cases(),
            cases_of_run,
            jobs: self.options.jobs,
            healthy_call: begin.elapsed(),
        };
        let planned = concurrent.len() + exclusive.len() + part.scenarios.len();
        instance.time_limit = TimeLimit::new(scope, planned, self.options.time_limit);
        for case in skipped {
            self.skip_matrix_case(case, instance, recorder)?;
        }
        for group in [concurrent, exclusive] {
            let failed = self.run_matrix_cases(group, instance, recorder).await?;
            if self.options.fail_fast && failed {
                return Ok(PartEnd::Early);
            }
        }
        let failed = self.decide_postponed(instance, recorder).await?;
        if self.options.fail_fast && failed {
            return Ok(PartEnd::Early);
        }
        let failed = self.run_scenarios(&part.scenarios, instance, recorder).await?;
        if self.options.fail_fast && failed {
            return Ok(PartEnd::Early);
        }
        self.check_stray_requests(instance, recorder)?;
        self.check_whole_output(instance, recorder).await?;
        if !instance.is_given_up() {
            self.check_late_requests(instance, recorder).await?;
        }
        record_end_of_part(instance, recorder).await?;
        Ok(PartEnd::Complete)
    }

    /// Runs matrix cases in batches, as long as the time suffices. Returns whether a case failed.
    async fn run_matrix_cases(
        &self,
        mut waiting: Vec<PlannedCase>,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let mut group = instance.time_limit.begin_group(waiting.len());
        let mut failed = false;
        while !(waiting.is_empty() || self.options.fail_fast && failed) {
            let (mut batch, left_out) = group.split(waiting);
            for planned in left_out {
                self.leave_out_matrix_case(planned.case, instance, recorder)?;
            }
            waiting = batch.split_off(group.batch(BATCH).min(batch.len()));
            group.has_run(batch.len());
            failed |= self.run_batch(batch, instance, recorder).await?;
        }
        Ok(failed)
    }

    /// Runs scenarios, as long as the time suffices. Returns whether one failed.
    async fn run_scenarios(
        &self,
        scenarios: &[&'static Scenario],
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let mut group = instance.time_limit.begin_group(scenarios.len());
        let mut waiting = scenarios.to_vec();
        let mut failed = false;
        while !(waiting.is_empty() || self.options.fail_fast && failed) {
            let (mut kept, left_out) = group.split(waiting);
            for scenario in left_out {
                self.leave_out_scenario(scenario, instance, recorder)?;
                (self.progress)(Progress::CaseJudged);
            }
            waiting = kept.split_off(kept.len().min(1));
            for scenario in kept {
                failed |= self.run_scenario(scenario, instance, recorder).await?;
                group.has_run(1);
                (self.progress)(Progress::CaseJudged);
            }
        }
        Ok(failed)
    }

    /// Removes the findings about requirements that are not selected.
    fn retain_selected(&self, case: &str, findings: &mut Vec<Finding>) {
        findings
            .retain(|finding| self.options.selection.includes_finding(case, &finding.requirement));
    }

    fn any_failure(&self, findings: &[Finding]) -> bool {
        findings.iter().any(self.is_failure)
    }

    /// The context in which a case is judged, with the result of its positive control.
    fn context(&self, instance: &Instance, control: bool) -> Context {
        let evidence = Evidence {
            profile: instance.start.profile,
            control,
            settled: None,
            output: String::new(),
            refused: false,
            metrics: None,
            no_evidence: None,
        };
        self.setup.context(instance.driver.client.base_url(), &evidence)
    }
}

/// The facts that are the same for every case of a run.
fn setup_of(implementation: &Implementation, upstreams: &MockUpstreams) -> Setup {
    let mut features: BTreeSet<String> =
        implementation.features.iter().map(ToString::to_string).collect();
    if implementation.can_restart() {
        features.insert(SECOND_START.to_owned());
    }
    Setup {
        deployment: upstreams.deployment().clone(),
        key_header: implementation.credential_layout.key_header.clone(),
        token_header: implementation.credential_layout.token_header.clone(),
        name_separator: implementation
            .aggregate
            .as_ref()
            .map_or_else(String::new, |aggregate| aggregate.name_separator.clone()),
        deadlines: Deadlines {
            probe: implementation.deadlines.probe_ms,
            commit: implementation.deadlines.probe_ms,
            slack: SLACK_MS,
        },
        features,
        gateway_kind: implementation.gateway_kind,
        surfaces: implementation.surfaces.clone(),
    }
}
