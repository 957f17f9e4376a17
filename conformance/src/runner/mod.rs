//! Drives what is selected through one implementation, start by start, and has every trace judged.
//!
//! Matrix cases run in parallel, in batches; behind each batch stands a fence, a call that must succeed. Where it does not, the
//! implementation is started afresh and the batch is run again in halves, until it is known which matrix case does the damage. What is
//! right is not decided here, and nothing is printed.

mod batch;
mod look;
mod metrics;
mod parts;
mod places;
mod recorder;
pub mod self_test;
mod several;
pub mod smoke;
mod stage;
mod steps;

use std::{collections::BTreeSet, io, path::PathBuf, sync::Arc};

use self::stage::{Collected, Planned, Stage};
pub use self::{parts::parts, recorder::Recorder, stage::CaseNumbers};
use crate::{
    cases::{
        axis::Start,
        deployment::Variant,
        matrix_case::MatrixCase,
        scenario::{SECOND_START, Scenario},
        selection::Selection,
    },
    catalogue::Feature,
    client::{Client, ClientError, ResponseTimeouts},
    implementations::resolve::{Implementation, ImplementationError, Running},
    judge::{
        Finding,
        case::{Judgement, judge_matrix_case, judge_scenario},
        disclosure::Secrets,
        idle_gap,
        observables::{self, Context},
        run_file::{Damage, Evidence, JudgedMatrixCase, JudgedScenario, Setup},
        whole_output,
    },
    trace::Trace,
    upstreams::MockUpstreams,
};

/// How many matrix cases stand between two fences.
const BATCH: usize = 256;
/// How much later than a deadline allows something may come, for the machine is shared. Less than the model's probe deadline of a second
/// by enough that two of them, one after the other, are still seen to be too long (PRB-02).
const SLACK_MS: u64 = 750;
/// How often an implementation is started afresh within one start before its damage is taken as a fact.
const RESTARTS: usize = 16;

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many matrix cases at once.
    pub jobs: usize,
    /// Whether the first failure ends it.
    pub fail_fast: bool,
    /// Where implementations are installed and started.
    pub cache: PathBuf,
    /// What was asked for: findings about anything else are left out.
    pub selection: Selection,
}

/// What is run with one start.
#[derive(Clone, Debug)]
pub struct Part {
    /// How the implementation is started.
    pub start: Start,
    /// The matrix cases, in the order of the matrix.
    pub matrix_cases: Vec<MatrixCase>,
    /// The scenarios.
    pub scenarios: Vec<&'static Scenario>,
}

/// What there is to say while a run goes on.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A sentence.
    Say(&'a str),
    /// So many matrix cases and scenarios are ahead, with this start.
    Begin(Start, usize),
    /// One of them is through.
    Step,
}

/// Hears of progress.
pub type Listener<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The implementation did not start.
    #[error(transparent)]
    Implementation(#[from] ImplementationError),
    /// Its base URL is not one.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The run file could not be written.
    #[error("the run file could not be written: {0}")]
    File(#[from] io::Error),
}

/// One run in progress.
pub struct Runner<'a> {
    target: &'a Implementation,
    upstreams: Arc<MockUpstreams>,
    options: &'a Options,
    numbers: CaseNumbers,
    say: Listener<'a>,
    counts: &'a dyn Fn(&Finding) -> bool,
}

/// The implementation as it runs now, and how often it may still be started afresh.
struct Floor {
    start: Start,
    running: Option<Running>,
    stage: Arc<Stage>,
    restarts: usize,
}

impl<'a> Runner<'a> {
    /// A run of the target between this mock upstreams and its own client. `counts` says which findings are failures.
    #[must_use]
    pub fn new(
        target: &'a Implementation,
        upstreams: Arc<MockUpstreams>,
        seed: u64,
        options: &'a Options,
        say: Listener<'a>,
        counts: &'a dyn Fn(&Finding) -> bool,
    ) -> Self {
        Self {
            target,
            upstreams,
            options,
            numbers: CaseNumbers::new(seed),
            say,
            counts,
        }
    }

    /// Drives everything, and leaves the implementations running that the caller wants to look at.
    pub async fn run(
        &self,
        parts: &[Part],
        recorder: &mut Recorder,
    ) -> Result<Vec<Running>, RunError> {
        let mut held = Vec::new();
        recorder.setup(self.setup())?;
        for part in parts {
            let mut floor = self.floor(part.start).await?;
            (self.say)(Progress::Begin(part.start, part.matrix_cases.len() + part.scenarios.len()));
            let ended = self.part(part, &mut floor, recorder).await;
            held.extend(floor.running);
            if ended? == Ended::Early {
                break;
            }
        }
        Ok(held)
    }

    async fn part(
        &self,
        part: &Part,
        floor: &mut Floor,
        recorder: &mut Recorder,
    ) -> Result<Ended, RunError> {
        if let Err(why) = floor.stage.fence().await {
            // Some implementations need one call to wake up.
            if floor.stage.fence().await.is_err() {
                let description = format!("nothing can be judged: {why}");
                recorder.damage(Damage {
                    start: part.start,
                    matrix_cases: Vec::new(),
                    description,
                })?;
                return Ok(Ended::Early);
            }
        }
        let planned: Vec<Planned> = part.matrix_cases.iter().cloned().map(Planned::new).collect();
        let (alone, scripted): (Vec<Planned>, Vec<Planned>) =
            planned.into_iter().partition(|planned| planned.alone);
        for batch in scripted.chunks(BATCH).chain(alone.chunks(BATCH)) {
            let found = self.narrowed(batch.to_vec(), floor, recorder).await?;
            if self.options.fail_fast && found {
                return Ok(Ended::Early);
            }
        }
        for scenario in &part.scenarios {
            let found = self.scenario(scenario, floor, recorder).await?;
            (self.say)(Progress::Step);
            if self.options.fail_fast && found {
                return Ok(Ended::Early);
            }
        }
        self.whole_output(floor, recorder).await?;
        self.idle_gap(floor, recorder).await?;
        Ok(Ended::Regularly)
    }

    /// Looks for every secret of the run so far in everything that the running instance wrote, and in its metrics.
    async fn whole_output(&self, floor: &Floor, recorder: &mut Recorder) -> Result<(), RunError> {
        let Some(written) = floor.running.as_ref().and_then(Running::output) else {
            return Ok(());
        };
        if !self.takes(whole_output::ID, whole_output::REQUIREMENT) {
            return Ok(());
        }
        let counted = metrics::of(floor.running.as_ref()).await.unwrap_or_default();
        let traces = recorder
            .run()
            .matrix_cases
            .iter()
            .map(|judged| &judged.trace)
            .chain(recorder.run().scenarios.iter().map(|judged| &judged.trace));
        let secrets = Secrets::of(self.upstreams.deployment(), traces);
        self.of_the_whole(
            whole_output::ID,
            whole_output::judge(&written, &counted, &secrets),
            floor,
            recorder,
        )
    }

    /// Looks for what upstreams were asked on behalf of callers who had long been answered. What is on its way arrives before a call that
    /// is sent after it has come back.
    async fn idle_gap(&self, floor: &Floor, recorder: &mut Recorder) -> Result<(), RunError> {
        if !self.takes(idle_gap::ID, idle_gap::REQUIREMENT) {
            return Ok(());
        }
        let control = floor.stage.fence().await;
        self.of_the_whole(
            idle_gap::ID,
            idle_gap::judge(&self.upstreams.record().take_late(), control.is_ok()),
            floor,
            recorder,
        )
    }

    fn takes(&self, id: &str, requirement: &str) -> bool {
        self.options
            .selection
            .takes_scenario(id, || BTreeSet::from([requirement.to_owned()]))
    }

    /// Notes what was found about a part as a whole, as if it were a scenario.
    fn of_the_whole(
        &self,
        id: &str,
        finding: Option<Finding>,
        floor: &Floor,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        let findings: Vec<Finding> = finding.into_iter().collect();
        recorder.scenario(JudgedScenario {
            scenario: id.to_owned(),
            start: floor.start,
            gateway: floor.stage.client.base_url().to_owned(),
            trace: floor.stage.empty_trace(),
            evidence: Evidence::default(),
            observations: findings
                .iter()
                .map(|finding| (finding.observable.clone(), finding.actual.clone()))
                .collect(),
            findings,
        })?;
        Ok(())
    }

    /// Runs a batch and its fence. Where the fence fails, runs the halves on fresh instances, down to the matrix case that does it.
    async fn narrowed(
        &self,
        batch: Vec<Planned>,
        floor: &mut Floor,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let mut found = false;
        let mut waiting = vec![batch];
        while let Some(part) = waiting.pop() {
            let driven = batch::drive(&floor.stage, &part, self.options.jobs).await;
            let Err(why) = floor.stage.fence().await else {
                for collected in batch::collect(&floor.stage, driven).await {
                    found |= self.judge(collected, true, floor, recorder)?;
                }
                continue;
            };
            let traces = batch::collect(&floor.stage, driven).await;
            let fresh = self.afresh(floor, &why).await?;
            if fresh && part.len() > 1 {
                let (first, second) = part.split_at(part.len() / 2);
                waiting.extend([second.to_vec(), first.to_vec()]);
                continue;
            }
            let matrix_cases = part.iter().map(|planned| planned.matrix_case.to_string()).collect();
            recorder.damage(Damage { start: floor.start, matrix_cases, description: why })?;
            found = true;
            for collected in traces {
                self.judge(collected, false, floor, recorder)?;
            }
        }
        Ok(found)
    }

    fn judge(
        &self,
        collected: Collected,
        control: bool,
        floor: &Floor,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let Collected { matrix_case, trace, settled } = collected;
        let context = Context {
            settled: Some(settled),
            ..self.context(floor, control, String::new())
        };
        let Judgement { observations, mut findings } =
            judge_matrix_case(&matrix_case, &context, &trace);
        self.keep_selected(&matrix_case.to_string(), &mut findings);
        let found = findings.iter().any(self.counts);
        self.upstreams.record().forget(&trace.case);
        let evidence = Evidence::of(&context);
        recorder.matrix_case(JudgedMatrixCase {
            matrix_case,
            gateway: context.base_url,
            trace,
            evidence,
            observations,
            findings,
        })?;
        (self.say)(Progress::Step);
        Ok(found)
    }

    /// Plays a scenario against a start of its own. There is no fence behind it: what it is judged by has to be there, not to be missing.
    async fn apart(
        &self,
        scenario: &Scenario,
        variant: Variant,
        floor: &Floor,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let mut context = self.context(floor, true, String::new());
        let missing = scenario.missing(&context.features);
        let mut trace = floor.stage.empty_trace();
        if missing.is_none() {
            let deployment = self.upstreams.deployment().varied(variant);
            match self
                .target
                .start(&deployment, floor.start, &self.options.cache, |text| {
                    (self.say)(Progress::Say(text))
                })
                .await
            {
                Ok(running) => {
                    let stage = self.stage(&running)?;
                    (trace, _) = stage.play(scenario).await;
                    context.base_url = stage.client.base_url().to_owned();
                    context.output = running.output().unwrap_or_default();
                    running.stop().await;
                }
                Err(error) if error.is_start() => {
                    context.refused = true;
                    context.output = error.to_string();
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.conclude(scenario, &context, trace, Ok(()), floor, recorder)
    }

    async fn scenario(
        &self,
        scenario: &Scenario,
        floor: &mut Floor,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        if let Some(variant) = scenario.configured {
            return self.apart(scenario, variant, floor, recorder).await;
        }
        let output =
            |floor: &Floor| floor.running.as_ref().and_then(Running::output).unwrap_or_default();
        let before = output(floor).len();
        let missing = scenario.missing(&self.context(floor, true, String::new()).features);
        let metered = missing.is_none() && scenario.features.contains(&Feature::Metrics);
        let running = || floor.running.as_ref().filter(|_| metered);
        let before_metrics = metrics::of(running()).await;
        let (trace, settled) = match &missing {
            Some(_) => (floor.stage.empty_trace(), true),
            None => floor.stage.play(scenario).await,
        };
        let after_metrics = metrics::of(running()).await;
        let control = floor.stage.fence().await;
        let written = output(floor).get(before..).unwrap_or_default().to_owned();
        let metrics = before_metrics
            .zip(after_metrics)
            .map(|(before, after)| observables::operators::Metrics { before, after });
        let context = Context {
            metrics,
            settled: Some(settled),
            ..self.context(floor, control.is_ok(), written)
        };
        let found = self.conclude(scenario, &context, trace, control.clone(), floor, recorder)?;
        if let Err(why) = control {
            self.afresh(floor, &why).await?;
        }
        Ok(found)
    }

    /// Judges a scenario that has been played, or says why it was not, and notes it.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call behind each of two ways to play a scenario"
    )]
    fn conclude(
        &self,
        scenario: &Scenario,
        context: &Context,
        trace: Trace,
        control: Result<(), String>,
        floor: &Floor,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let Judgement { observations, mut findings } = judge_scenario(scenario, context, &trace);
        if let Err(why) = control {
            recorder.damage(Damage {
                start: floor.start,
                matrix_cases: vec![format!("scenario {}", scenario.id)],
                description: why,
            })?;
        }
        self.keep_selected(&scenario.id, &mut findings);
        let found = findings.iter().any(self.counts);
        self.upstreams.record().forget(&trace.case);
        let evidence = Evidence::of(context);
        let (scenario, start, gateway) =
            (scenario.id.clone(), floor.start, context.base_url.clone());
        recorder.scenario(JudgedScenario {
            scenario,
            start,
            gateway,
            trace,
            evidence,
            observations,
            findings,
        })?;
        Ok(found)
    }

    fn keep_selected(&self, about: &str, findings: &mut Vec<Finding>) {
        findings
            .retain(|finding| self.options.selection.takes_finding(about, &finding.requirement));
    }

    /// Starts the implementation and puts it between client and mock upstreams.
    async fn floor(&self, start: Start) -> Result<Floor, RunError> {
        let running = self
            .target
            .start(self.upstreams.deployment(), start, &self.options.cache, |text| {
                (self.say)(Progress::Say(text))
            })
            .await?;
        let stage = self.stage(&running)?;
        Ok(Floor { start, running: Some(running), stage, restarts: RESTARTS })
    }

    fn stage(&self, running: &Running) -> Result<Arc<Stage>, ClientError> {
        let route = self
            .target
            .routes
            .first()
            .cloned()
            .unwrap_or_else(|| "/mcp/{server}".to_owned());
        let client = Client::new(running.base_url(), ResponseTimeouts::of(&self.target.deadlines))?;
        let (upstreams, credential_layout, numbers) = (
            Arc::clone(&self.upstreams),
            self.target.credential_layout.clone(),
            self.numbers.clone(),
        );
        let message_bytes = self.target.surfaces.message_bytes;
        let has = |feature| self.target.features.contains(&feature);
        let has_sessions = has(Feature::Sessions) && has(Feature::SessionEnd);
        Ok(Arc::new(Stage {
            upstreams,
            client,
            credential_layout,
            numbers,
            route,
            has_sessions,
            message_bytes,
            several: self.target.several.clone(),
        }))
    }

    /// Starts the implementation afresh, if that is possible and has not been done too often.
    async fn afresh(&self, floor: &mut Floor, why: &str) -> Result<bool, RunError> {
        if floor.restarts == 0 || !self.target.can_restart() {
            return Ok(false);
        }
        floor.restarts -= 1;
        (self.say)(Progress::Say(&format!("starting {} afresh: {why}", self.target.name)));
        if let Some(running) = floor.running.take() {
            running.stop().await;
        }
        let running = self
            .target
            .start(self.upstreams.deployment(), floor.start, &self.options.cache, |_| {})
            .await?;
        floor.stage = self.stage(&running)?;
        floor.running = Some(running);
        // The first call may only wake it up.
        let _ = floor.stage.fence().await;
        Ok(true)
    }

    fn context(&self, floor: &Floor, control: bool, output: String) -> Context {
        let evidence = Evidence {
            profile: floor.start.profile,
            control,
            settled: None,
            output,
            refused: false,
            metrics: None,
        };
        self.setup().context(floor.stage.client.base_url(), &evidence)
    }

    /// What every case of this run is judged in the light of.
    fn setup(&self) -> Setup {
        let deadlines = &self.target.deadlines;
        let again = self.target.can_restart().then(|| SECOND_START.to_owned());
        Setup {
            deployment: self.upstreams.deployment().clone(),
            key_header: self.target.credential_layout.key_header.clone(),
            token_header: self.target.credential_layout.token_header.clone(),
            name_separator: self
                .target
                .several
                .as_ref()
                .map_or_else(String::new, |several| several.name_separator.clone()),
            deadlines: observables::Deadlines {
                probe: deadlines.probe_ms,
                commit: deadlines.probe_ms,
                slack: SLACK_MS,
            },
            features: self
                .target
                .features
                .iter()
                .map(ToString::to_string)
                .chain(again)
                .collect::<BTreeSet<String>>(),
            surfaces: self.target.surfaces.clone(),
        }
    }
}

/// Where the positive control failed, nothing that was found says anything about the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Regularly,
    Early,
}
