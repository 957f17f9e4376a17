//! Runs scenarios and judges them.
//!
//! Most scenarios run on the instance of their part. A scenario that needs another configuration
//! runs on an instance of its own.

use std::{iter, sync::Arc, time::Duration};

use super::{
    Progress, RunError, Runner,
    instance::{Failure, Instance},
    metrics,
    recorder::Recorder,
    steps::DrivenScenario,
};
use crate::{
    cases::{deployment::Variant, scenario::Scenario},
    catalogue::Feature,
    judge::{
        case::{Judgement, judge_scenario},
        run_file::{Evidence, JudgedScenario, scenario_id},
        subject::{Context, Metrics},
    },
    trace::Trace,
};

/// A scenario that has been run, or skipped because the implementation lacks a feature.
struct FinishedScenario {
    context: Context,
    trace: Trace,
    /// What no longer worked after the scenario.
    failure: Option<Failure>,
    /// Whether the scenario ran on the instance of its part, which has to be restarted then.
    shares_instance: bool,
}

impl Runner<'_> {
    /// Runs a scenario, judges it and records it. Returns whether it failed.
    pub(super) async fn run_scenario(
        &self,
        scenario: &Scenario,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let features = self.context(instance, true).features;
        let is_skipped = scenario.missing_feature(&features).is_some();
        let finished = match scenario.configured {
            Some(variant) => self.run_with_variant(scenario, variant, instance).await?,
            None if instance.is_given_up() && !is_skipped => {
                instance.count_not_judged(1);
                return Ok(false);
            }
            None => self.run_on_instance(scenario, is_skipped, instance).await,
        };
        let failure = finished.failure.clone().filter(|_| finished.shares_instance);
        let failed = self.judge_scenario(scenario, finished, instance, recorder)?;
        if let Some(failure) = failure {
            self.restart_to_continue(instance, &failure).await?;
        }
        Ok(failed)
    }

    async fn run_on_instance(
        &self,
        scenario: &Scenario,
        is_skipped: bool,
        instance: &mut Instance,
    ) -> FinishedScenario {
        let driver = Arc::clone(&instance.driver);
        let output_start = instance.output().len();
        let reads_metrics = !is_skipped && scenario.features.contains(&Feature::Metrics);
        let metered = instance.running.as_ref().filter(|_| reads_metrics);
        let metrics_before = metrics::read(metered).await;
        let driven = if is_skipped {
            DrivenScenario {
                trace: driver.empty_trace(),
                settled: true,
                unopened_session: None,
            }
        } else {
            driver.run_scenario(scenario).await
        };
        let metrics_after = metrics::read(metered).await;
        // A scenario that is skipped sends nothing, so it does no damage.
        let control = if is_skipped { Ok(()) } else { instance.control().await };
        if !is_skipped {
            let id = scenario_id(&scenario.id, instance.start);
            instance.remember_last_cases(iter::once(id));
        }
        let context = Context {
            metrics: metrics_before
                .zip(metrics_after)
                .map(|(before, after)| Metrics { before, after }),
            settled: Some(driven.settled),
            unopened_session: driven.unopened_session,
            output: instance.output().get(output_start..).unwrap_or_default().to_owned(),
            ..self.context(instance, control.is_ok())
        };
        FinishedScenario {
            context,
            trace: driven.trace,
            failure: control.err(),
            shares_instance: true,
        }
    }

    /// Runs a scenario on an instance of its own, with a variant of the configuration.
    ///
    /// There is no positive control: the rules of such scenarios expect that something is present.
    async fn run_with_variant(
        &self,
        scenario: &Scenario,
        variant: Variant,
        instance: &Instance,
    ) -> Result<FinishedScenario, RunError> {
        let mut context = self.context(instance, true);
        let mut trace = instance.driver.empty_trace();
        let mut failure = None;
        if scenario.missing_feature(&context.features).is_none() {
            let deployment = self.upstreams.deployment().with_variant(variant);
            match self.start_implementation(&deployment, instance.start).await {
                Ok(mut running) => {
                    let driver = self.driver(&running)?;
                    let driven = driver.run_scenario(scenario).await;
                    trace = driven.trace;
                    context.unopened_session = driven.unopened_session;
                    context.base_url = driver.client.base_url().to_owned();
                    context.output = running.output().unwrap_or_default();
                    let process_end = running.process_end(Duration::ZERO).await;
                    failure = process_end.map(|end| Failure::of_process(end, &context.output));
                    running.stop().await;
                }
                Err(error) if error.is_start() => {
                    context.refused = true;
                    context.output = error.to_string();
                    let message = format!("scenario {}: {error}", scenario.id);
                    (self.progress)(Progress::Message(&message));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(FinishedScenario { context, trace, failure, shares_instance: false })
    }

    fn judge_scenario(
        &self,
        scenario: &Scenario,
        finished: FinishedScenario,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let FinishedScenario { context, trace, failure, .. } = finished;
        let Judgement { observations, mut findings } = judge_scenario(scenario, &context, &trace);
        if let Some(failure) = failure {
            let case_id = scenario_id(&scenario.id, instance.start);
            recorder.damage(failure.damage(instance.start, vec![case_id]))?;
        }
        self.retain_selected(&scenario.id, &mut findings);
        let failed = self.any_failure(&findings);
        self.upstreams.record().forget(&trace.case);
        let evidence = Evidence::of(&context);
        recorder.scenario(JudgedScenario {
            scenario: scenario.id.clone(),
            start: instance.start,
            gateway: context.base_url,
            trace,
            evidence,
            observations,
            findings,
        })?;
        Ok(failed)
    }
}
