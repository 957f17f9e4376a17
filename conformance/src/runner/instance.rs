//! The running implementation of a part, and how it is restarted.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Progress, RunError, Runner,
    batch::PartPacing,
    case_session::RemainingSessions,
    driver::{CollectedCase, Driver, PlannedCase},
    time_limit::TimeLimit,
    undecided::{StrayRequests, UndecidedCases},
};
use crate::{
    cases::{
        axis::Start,
        deployment::{Deployment, names},
    },
    catalogue::Feature,
    client::{Client, ClientError, ResponseTimeouts},
    implementations::{ImplementationError, RunningImplementation},
    judge::run_file::Damage,
};

/// How often an implementation is restarted within one part in order to find the case that does the
/// damage.
const RESTARTS_TO_SEARCH: usize = 16;
/// How often it is restarted within one part in order to judge the remaining cases.
const RESTARTS_TO_CONTINUE: usize = 100;
/// How long a part may go on after its first restart that only continues it.
const CONTINUE_FOR: Duration = Duration::from_secs(600);
/// How long an implementation that the suite cannot restart may take to work again.
const RECOVERY: Duration = Duration::from_secs(5);
/// How many positive controls are sent after a start before the implementation counts as broken.
const FIRST_CONTROLS: usize = 2;
/// The same for an implementation that the suite did not start. It may have pooled connections of
/// mock upstreams that an earlier process has closed; each failed control removes one of them.
const FIRST_CONTROLS_AT_URL: usize = 3;
/// How long a process may take to end after its last connection was closed.
const END_GRACE: Duration = Duration::from_millis(300);

/// The number of lines of a log that a damage quotes, and of characters of each line.
const LOG_LINES: usize = 20;
const LOG_CHARACTERS: usize = 400;

/// The running implementation of a part.
pub(super) struct Instance {
    pub(super) start: Start,
    /// `None` while it is being restarted, and if it could not be started again.
    pub(super) running: Option<RunningImplementation>,
    pub(super) driver: Arc<Driver>,
    restarts: Restarts,
    /// Why it is not restarted any more, with the last failure.
    given_up: Option<Failure>,
    not_judged: usize,
    last_cases: Vec<String>,
    /// When the first case began, in milliseconds since the start of the mock upstreams.
    pub(super) cases_since_ms: f64,
    /// The matrix cases whose attribution is not certain.
    pub(super) undecided: UndecidedCases,
    /// The time limit of the part.
    pub(super) time_limit: TimeLimit,
    /// How the cases follow one another.
    pub(super) pacing: PartPacing,
    /// Upstream requests that belong to no case of the run.
    pub(super) strays: StrayRequests,
    /// The cases whose session was opened at the second attempt.
    reopened: Vec<String>,
    /// The cases that ran with healthy calls.
    with_healthy_calls: Vec<String>,
}

/// The restarts that are left.
struct Restarts {
    to_search: usize,
    to_continue: usize,
    /// When the first restart that only continued the part was made.
    continued_since: Option<Instant>,
}

/// Whether an implementation was restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    /// It was, and it is ready.
    Done,
    /// There is no restart left for this purpose.
    NotAllowed,
}

/// What no longer works, and what is known about the process.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    description: String,
    process_end: Option<String>,
    log: Vec<String>,
}

impl Failure {
    /// The failure that the process has ended in this way, with its log.
    pub(super) fn of_process(process_end: String, output: &str) -> Self {
        Self {
            description: "no request can be answered any more".to_owned(),
            process_end: Some(process_end),
            log: last_lines(output),
        }
    }

    /// What no longer works.
    pub(super) fn description(&self) -> &str {
        &self.description
    }

    /// Whether the process has ended.
    pub(super) const fn process_has_ended(&self) -> bool {
        self.process_end.is_some()
    }

    /// The damage that these cases did.
    pub(super) fn damage(&self, start: Start, case_ids: Vec<String>) -> Damage {
        Damage {
            process_end: self.process_end.clone(),
            log: self.log.clone(),
            ..Damage::new(start, case_ids, self.description.clone())
        }
    }
}

impl Instance {
    /// Everything that the implementation has written to its log; empty if the suite cannot read
    /// it.
    pub(super) fn output(&self) -> String {
        self.running
            .as_ref()
            .and_then(RunningImplementation::output)
            .unwrap_or_default()
    }

    /// The positive control after a start. Some implementations need one call before they work.
    pub(super) async fn first_positive_control(&self, features: &[Feature]) -> Result<(), String> {
        let is_at_url = matches!(self.running, Some(RunningImplementation::Url(_)));
        let attempts = if is_at_url { FIRST_CONTROLS_AT_URL } else { FIRST_CONTROLS };
        let first = self.driver.positive_control().await;
        let mut passed = first.is_ok();
        for _ in 1..attempts {
            passed = passed || self.driver.positive_control().await.is_ok();
        }
        if passed && is_at_url {
            self.driver.replace_pooled_connections(features).await;
        }
        if passed { Ok(()) } else { first }
    }

    /// The positive control, and whether the process still runs.
    pub(super) async fn control(&mut self) -> Result<(), Failure> {
        match self.driver.positive_control().await {
            Err(reason) => Err(self.failure(reason).await),
            Ok(()) => self.end_of_process(Duration::ZERO).await.map_or(Ok(()), Err),
        }
    }

    /// A failure with this description, and what is known about the process.
    pub(super) async fn failure(&mut self, description: String) -> Failure {
        Failure {
            process_end: self.process_end(END_GRACE).await,
            log: last_lines(&self.output()),
            description,
        }
    }

    /// The failure that the process has ended, if it has or does so within this time.
    pub(super) async fn end_of_process(&mut self, within: Duration) -> Option<Failure> {
        let process_end = self.process_end(within).await?;
        Some(Failure::of_process(process_end, &self.output()))
    }

    async fn process_end(&mut self, within: Duration) -> Option<String> {
        self.running.as_mut()?.process_end(within).await
    }

    /// Why restarting was given up, with what is known about the last failure.
    pub(super) fn given_up(&self) -> Option<&Failure> {
        self.given_up.as_ref()
    }

    /// Whether restarting was given up. Nothing can be judged any more then.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// The number of cases that were not judged because restarting was given up.
    pub(super) fn not_judged(&self) -> usize {
        self.not_judged
    }

    /// Counts cases that are not judged.
    pub(super) fn count_not_judged(&mut self, cases: usize) {
        self.not_judged += cases;
    }

    /// The ids of the cases that ran last.
    pub(super) fn last_cases(&self) -> &[String] {
        &self.last_cases
    }

    /// Remembers the cases that ran last.
    pub(super) fn remember_last_cases(&mut self, ids: impl Iterator<Item = String>) {
        self.last_cases = ids.collect();
    }

    /// Remembers whether the session of a matrix case was opened at the second attempt.
    pub(super) fn remember_session(&mut self, collected: &CollectedCase) {
        if collected.session_attempts > 1 {
            self.reopened.push(collected.case.to_string());
        }
    }

    /// Remembers that a session of a scenario was opened at the second attempt.
    pub(super) fn remember_reopened(&mut self, scenario: String) {
        self.reopened.push(scenario);
    }

    /// The cases whose session was opened at the second attempt.
    pub(super) fn take_reopened(&mut self) -> Vec<String> {
        std::mem::take(&mut self.reopened)
    }

    /// Remembers cases that ran with healthy calls.
    pub(super) fn remember_healthy_calls(&mut self, batch: &[PlannedCase]) {
        let ids = batch.iter().map(|planned| planned.case.to_string());
        self.with_healthy_calls.extend(ids);
    }

    /// The cases that ran with healthy calls.
    pub(super) fn take_with_healthy_calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.with_healthy_calls)
    }

    fn give_up(&mut self, why: &str, failure: &Failure) {
        let description = format!("restarting was given up: {why}; {}", failure.description);
        self.given_up = Some(Failure { description, ..failure.clone() });
    }
}

/// The last lines of a log, without control characters.
fn last_lines(output: &str) -> Vec<String> {
    let lines: Vec<&str> = output.lines().collect();
    let printable = |line: &str| -> String {
        let printable = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        printable.take(LOG_CHARACTERS).collect()
    };
    lines[lines.len().saturating_sub(LOG_LINES)..]
        .iter()
        .map(|line| printable(line))
        .collect()
}

impl Runner<'_> {
    /// Starts the implementation for a part.
    pub(super) async fn start_instance(&self, start: Start) -> Result<Instance, RunError> {
        let running = self.start_implementation(self.upstreams.deployment(), start).await?;
        Ok(Instance {
            start,
            driver: self.driver(&running)?,
            running: Some(running),
            restarts: Restarts {
                to_search: RESTARTS_TO_SEARCH,
                to_continue: RESTARTS_TO_CONTINUE,
                continued_since: None,
            },
            given_up: None,
            not_judged: 0,
            last_cases: Vec::new(),
            cases_since_ms: self.upstreams.elapsed_ms(),
            undecided: UndecidedCases::default(),
            time_limit: TimeLimit::unused(),
            pacing: PartPacing::new(),
            strays: StrayRequests::new(),
            reopened: Vec::new(),
            with_healthy_calls: Vec::new(),
        })
    }

    /// Starts the implementation with this deployment and reports the progress.
    pub(super) async fn start_implementation(
        &self,
        deployment: &Deployment,
        start: Start,
    ) -> Result<RunningImplementation, ImplementationError> {
        let progress = |text: &str| (self.progress)(Progress::Message(text));
        self.implementation
            .start(deployment, start, &self.options.cache, progress)
            .await
    }

    /// Restarts the implementation in order to find the case that does the damage.
    pub(super) async fn restart_to_search(
        &self,
        instance: &mut Instance,
        failure: &Failure,
    ) -> Result<Restart, RunError> {
        let left = instance.restarts.to_search;
        instance.restarts.to_search = left.saturating_sub(1);
        if left == 0 {
            return Ok(Restart::NotAllowed);
        }
        self.restart(instance, failure).await
    }

    /// Restarts the implementation in order to judge the remaining cases. If no restart or no time
    /// is left, restarting is given up.
    pub(super) async fn restart_to_continue(
        &self,
        instance: &mut Instance,
        failure: &Failure,
    ) -> Result<(), RunError> {
        let restarts = &mut instance.restarts;
        let since = *restarts.continued_since.get_or_insert_with(Instant::now);
        let left = restarts.to_continue;
        restarts.to_continue = left.saturating_sub(1);
        if left == 0 {
            let why = format!("it was restarted {RESTARTS_TO_CONTINUE} times after damage");
            instance.give_up(&why, failure);
        } else if since.elapsed() > CONTINUE_FOR {
            let why = format!("the limit of {} s is reached", CONTINUE_FOR.as_secs());
            instance.give_up(&why, failure);
        } else {
            self.restart(instance, failure).await?;
        }
        Ok(())
    }

    /// Restarts the implementation. If that fails, restarting is given up.
    async fn restart(
        &self,
        instance: &mut Instance,
        failure: &Failure,
    ) -> Result<Restart, RunError> {
        if instance.is_given_up() {
            return Ok(Restart::NotAllowed);
        }
        if !self.implementation.can_restart() {
            return Ok(recovered(instance, failure).await);
        }
        let name = &self.implementation.name;
        let message =
            format!("restarting {name}: {}", failure.damage(instance.start, Vec::new()).in_words());
        (self.progress)(Progress::Message(&message));
        if let Some(running) = instance.running.take() {
            running.stop().await;
        }
        let started = self
            .implementation
            .start(self.upstreams.deployment(), instance.start, &self.options.cache, |_| {})
            .await;
        let running = match started {
            Ok(running) => running,
            Err(error) if error.is_start() => {
                instance.give_up(&format!("it did not start again: {error}"), failure);
                return Ok(Restart::NotAllowed);
            }
            Err(error) => return Err(error.into()),
        };
        instance.driver = self.driver(&running)?;
        instance.running = Some(running);
        // Some implementations need one call before they work; the result is not needed here.
        let _ = instance.driver.positive_control().await;
        Ok(Restart::Done)
    }

    /// A driver for a running implementation.
    pub(super) fn driver(
        &self,
        running: &RunningImplementation,
    ) -> Result<Arc<Driver>, ClientError> {
        let implementation = self.implementation;
        let timeouts = ResponseTimeouts::of(&implementation.deadlines);
        let has = |feature| implementation.features.contains(&feature);
        Ok(Arc::new(Driver {
            upstreams: Arc::clone(&self.upstreams),
            client: Client::new(running.base_url(), timeouts)?,
            credential_layout: implementation.credential_layout.clone(),
            case_numbers: self.case_numbers.clone(),
            route: implementation
                .routes
                .first()
                .cloned()
                .unwrap_or_else(|| "/mcp/{server}".to_owned()),
            clients_end_sessions: has(Feature::Sessions) && has(Feature::SessionEnd),
            requires_sessions: !has(Feature::SessionlessRequests),
            remaining_sessions: RemainingSessions::default(),
            control_server: names::main_server(has),
            message_bytes: implementation.surfaces.message_bytes,
            aggregate: implementation.aggregate.clone(),
        }))
    }
}

/// Waits until an implementation that the suite cannot restart works again. If it does not,
/// restarting is given up.
async fn recovered(instance: &mut Instance, failure: &Failure) -> Restart {
    if instance.driver.recovers_within(RECOVERY).await.is_some() {
        return Restart::Done;
    }
    let why = "the suite did not start the implementation, and it does not work again by itself";
    instance.give_up(why, failure);
    Restart::NotAllowed
}
