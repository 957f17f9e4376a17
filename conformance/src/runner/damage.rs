//! Runs batches of matrix cases and finds the cases after which the implementation no longer works.

use super::{
    Progress, RunError, Runner, batch,
    driver::{CollectedCase, PlannedCase},
    instance::Instance,
    recorder::Recorder,
};
use crate::judge::{
    case::{Judgement, judge_matrix_case},
    run_file::{Damage, Evidence, JudgedMatrixCase},
    subject::Context,
};

impl Runner<'_> {
    /// Runs a batch, and then the positive control. Returns whether a case failed.
    ///
    /// If the control fails, both halves of the batch run again on restarted instances, until a
    /// batch of one case is left. That case is recorded as damage.
    pub(super) async fn run_batch(
        &self,
        batch: Vec<PlannedCase>,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let mut failed = false;
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let driven = batch::drive(&instance.driver, &batch, self.options.jobs).await;
            let control = instance.driver.positive_control().await;
            let collected = batch::collect(&instance.driver, driven).await;
            let Err(reason) = control else {
                for case in collected {
                    failed |= self.judge_matrix_case(case, true, instance, recorder)?;
                }
                continue;
            };
            if self.restart(instance, &reason).await? && batch.len() > 1 {
                let (first, second) = batch.split_at(batch.len() / 2);
                waiting.extend([second.to_vec(), first.to_vec()]);
                continue;
            }
            failed = true;
            recorder.damage(Damage {
                start: instance.start,
                matrix_cases: batch.iter().map(|planned| planned.case.to_string()).collect(),
                description: reason,
            })?;
            for case in collected {
                self.judge_matrix_case(case, false, instance, recorder)?;
            }
        }
        Ok(failed)
    }

    /// Judges a matrix case and records it. Returns whether it failed.
    fn judge_matrix_case(
        &self,
        collected: CollectedCase,
        control: bool,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let CollectedCase { case, trace, settled } = collected;
        let context = Context { settled: Some(settled), ..self.context(instance, control) };
        let Judgement { observations, mut findings } = judge_matrix_case(&case, &context, &trace);
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
