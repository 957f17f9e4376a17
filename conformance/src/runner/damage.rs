//! Runs batches of matrix cases and finds the cases after which the implementation no longer works.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Progress, RunError, Runner,
    batch::{self, Pacing},
    driver::{CollectedCase, PlannedCase},
    instance::{Failure, Instance, Restart},
    recorder::Recorder,
};
use crate::{
    cases::matrix_case::MatrixCase,
    judge::{
        case::{Judgement, findings_of_matrix_case, judge_matrix_case},
        run_file::{Damage, Evidence, JudgedMatrixCase, Note, NotedEvent},
        subject::Context,
    },
};

/// How long the process may take to end after the last case of a part, if that case makes it end.
const LAST_CASE_GRACE: Duration = Duration::from_millis(500);

impl Runner<'_> {
    /// Runs a batch, and then the positive control. Returns whether a case failed.
    ///
    /// If the control fails, both halves of the batch run again on restarted instances, until a
    /// batch of one case is left. That case is recorded as damage. When the search has used up its
    /// restarts, every remaining case of the batch runs alone.
    pub(super) async fn run_batch(
        &self,
        batch: Vec<PlannedCase>,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let mut failed = false;
        // The smallest batch so far after which the process had ended or could not be restarted,
        // until its case is found.
        let mut unexplained: Option<Damage> = None;
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            if instance.is_given_up() {
                instance.count_not_judged(batch.len());
                continue;
            }
            let pacing = instance.pacing.current;
            let driven = batch::drive(&instance.driver, &batch, self.options.jobs, pacing).await;
            let control = instance.control().await;
            let collected = batch::collect(&instance.driver, driven).await;
            instance.remember_last_cases(batch.iter().map(|planned| planned.case.to_string()));
            let Err(failure) = control else {
                if pacing == Pacing::HealthyCalls {
                    instance.remember_healthy_calls(&batch);
                }
                for case in collected {
                    instance.remember_session(&case);
                    failed |= self.judge_or_postpone(case, instance, recorder)?;
                }
                continue;
            };
            let case_ids: Vec<String> =
                batch.iter().map(|planned| planned.case.to_string()).collect();
            if self.has_recovered(&failure, case_ids.clone(), instance, recorder).await? {
                match batch[..] {
                    [_] => {
                        for case in collected {
                            failed |= self.judge_matrix_case(case, true, instance, recorder)?;
                        }
                    }
                    _ => waiting.extend(smaller_batches(batch, instance)),
                }
                continue;
            }
            let damage = failure.damage(instance.start, case_ids);
            if let [_] = batch[..] {
                failed = true;
                unexplained = None;
                instance.pacing.give_up_healthy_calls();
                recorder.damage(damage)?;
                for case in collected {
                    self.judge_matrix_case(case, false, instance, recorder)?;
                }
                self.restart_to_continue(instance, &failure).await?;
                continue;
            }
            waiting.extend(self.parts_to_repeat(batch, instance, &failure).await?);
            if damage.process_end.is_some() || instance.is_given_up() {
                unexplained = Some(damage);
            }
        }
        if let Some(damage) = unexplained {
            failed = true;
            recorder.damage(damage)?;
        }
        Ok(failed)
    }

    /// The batches in which the cases of a batch run again, the first one last, because they are
    /// taken from the end: two halves, or one for each case if the search has ended.
    async fn parts_to_repeat(
        &self,
        batch: Vec<PlannedCase>,
        instance: &mut Instance,
        failure: &Failure,
    ) -> Result<Vec<Vec<PlannedCase>>, RunError> {
        if self.restart_to_search(instance, failure).await? == Restart::Done {
            return Ok(if failure.process_has_ended() {
                halves(&batch)
            } else {
                smaller_batches(batch, instance)
            });
        }
        self.restart_to_continue(instance, failure).await?;
        Ok(batch.into_iter().rev().map(|planned| vec![planned]).collect())
    }

    /// Records a matrix case that needs a feature which the implementation does not declare.
    pub(super) fn skip_matrix_case(
        &self,
        case: MatrixCase,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        let collected = CollectedCase::not_sent(case, instance.driver.empty_trace());
        self.judge_matrix_case(collected, true, instance, recorder)?;
        Ok(())
    }

    /// Records a matrix case that does not run, because the time does not suffice.
    pub(super) fn leave_out_matrix_case(
        &self,
        case: MatrixCase,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        instance.time_limit.leave_out(case.to_string());
        let no_evidence = Some(instance.time_limit.reason());
        let collected = CollectedCase {
            no_evidence,
            ..CollectedCase::not_sent(case, instance.driver.empty_trace())
        };
        self.judge_matrix_case(collected, true, instance, recorder)?;
        Ok(())
    }

    /// Judges a matrix case and records it. Returns whether it failed.
    pub(super) fn judge_matrix_case(
        &self,
        collected: CollectedCase,
        control: bool,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let CollectedCase { case, trace, settled, no_evidence, .. } = collected;
        let context = Context {
            settled: Some(settled),
            no_evidence,
            ..self.context(instance, control)
        };
        let Judgement { observations, mut findings } = if self.options.records_observations {
            judge_matrix_case(&case, &context, &trace)
        } else {
            Judgement {
                observations: BTreeMap::new(),
                findings: findings_of_matrix_case(&case, &context, &trace),
            }
        };
        self.retain_selected(&case.to_string(), &mut findings);
        let failed = self.any_failure(&findings);
        self.upstreams.record().forget(&trace.case);
        let evidence = Evidence::of(&context);
        recorder.matrix_case(JudgedMatrixCase {
            matrix_case: case,
            gateway: context.base_url,
            trace,
            evidence,
            observations,
            findings,
        })?;
        (self.progress)(Progress::CaseJudged);
        Ok(failed)
    }
}

/// The batches in which the cases of a batch run again, the first one last. The whole batch runs
/// with healthy calls first, if that has not been tried.
fn smaller_batches(batch: Vec<PlannedCase>, instance: &mut Instance) -> Vec<Vec<PlannedCase>> {
    if instance.pacing.try_healthy_calls() {
        vec![batch]
    } else {
        halves(&batch)
    }
}

fn halves(batch: &[PlannedCase]) -> Vec<Vec<PlannedCase>> {
    let (first, second) = batch.split_at(batch.len() / 2);
    vec![second.to_vec(), first.to_vec()]
}

/// Records what is known only at the end of a part: that the process ended after the last case,
/// that cases were not judged, and the notes about several cases.
pub(super) async fn record_end_of_part(
    instance: &mut Instance,
    recorder: &mut Recorder,
) -> Result<(), RunError> {
    let limit_s = instance.time_limit.seconds();
    let time_limit = NotedEvent::TimeLimit { limit_s, planned: instance.time_limit.planned() };
    for (event, cases) in [
        (time_limit, instance.time_limit.take_not_run()),
        (NotedEvent::HealthyCalls, instance.take_with_healthy_calls()),
        (NotedEvent::SessionReopened, instance.take_reopened()),
    ] {
        if !cases.is_empty() {
            recorder.note(Note { start: instance.start, event, cases })?;
        }
    }
    if let Some(failure) = instance.given_up() {
        let damage = failure.damage(instance.start, Vec::new());
        recorder.damage(Damage { not_judged: instance.not_judged(), ..damage })?;
    } else if let Some(failure) = instance.end_of_process(LAST_CASE_GRACE).await {
        let last_cases = instance.last_cases().to_vec();
        recorder.damage(failure.damage(instance.start, last_cases))?;
    }
    Ok(())
}
