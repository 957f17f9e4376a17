//! Runs scenarios and judges them.
//!
//! Most scenarios run on the instance of their part. A scenario that needs another configuration
//! runs on an instance of its own.

use std::{collections::BTreeSet, iter, sync::Arc, time::Duration};

use super::{
    Progress, RunError, Runner,
    attribution::Attribution,
    batch::Pacing,
    case_session::Company,
    instance::{Failure, Instance},
    metrics,
    recorder::Recorder,
};
use crate::{
    cases::{deployment::Variant, scenario::Scenario},
    catalogue::Feature,
    judge::{
        case::{Judgement, judge_scenario},
        run_file::{Evidence, JudgedScenario, Note, NotedEvent, scenario_id},
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
            None if is_skipped => self.skip_scenario(instance),
            None => self.run_on_instance(scenario, instance, recorder).await?,
        };
        let failure = finished.failure.clone().filter(|_| finished.shares_instance);
        let failed = self.judge_scenario(scenario, finished, instance, recorder)?;
        if let Some(failure) = failure {
            self.restart_to_continue(instance, &failure).await?;
        }
        Ok(failed)
    }

    /// Records a scenario that does not run, because the time does not suffice.
    pub(super) fn leave_out_scenario(
        &self,
        scenario: &Scenario,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        let mut skipped = self.skip_scenario(instance);
        if scenario.missing_feature(&skipped.context.features).is_none() {
            instance.time_limit.leave_out(scenario_id(&scenario.id, instance.start));
            skipped.context.no_evidence = Some(instance.time_limit.reason());
        }
        self.judge_scenario(scenario, skipped, instance, recorder)?;
        Ok(())
    }

    /// A scenario that sends nothing, because the implementation lacks a feature.
    fn skip_scenario(&self, instance: &Instance) -> FinishedScenario {
        FinishedScenario {
            context: Context { settled: Some(true), ..self.context(instance, true) },
            trace: instance.driver.empty_trace(),
            failure: None,
            shares_instance: true,
        }
    }

    /// Runs a scenario on the instance of its part. If it is uncertain that its upstream requests
    /// belong to it, it runs again after a quiet period, and only that run counts.
    async fn run_on_instance(
        &self,
        scenario: &Scenario,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<FinishedScenario, RunError> {
        let record = self.upstreams.record();
        let (finished, attribution) =
            self.run_in_company(scenario, Company::Others, instance, recorder).await?;
        let others = record.servers_of_unattributed(instance.cases_since_ms);
        let Some(doubt) = attribution.doubt(&others).filter(|_| finished.failure.is_none()) else {
            return Ok(finished);
        };
        self.set_aside(&finished.trace, instance);
        let event = NotedEvent::RanAlone { reason: doubt.reason().to_owned() };
        let cases = vec![scenario_id(&scenario.id, instance.start)];
        recorder.note(Note { start: instance.start, event, cases })?;
        let (finished, _) =
            self.run_in_company(scenario, Company::Alone, instance, recorder).await?;
        Ok(finished)
    }

    async fn run_in_company(
        &self,
        scenario: &Scenario,
        company: Company,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<(FinishedScenario, Attribution), RunError> {
        let driver = Arc::clone(&instance.driver);
        let output_start = instance.output().len();
        let reads_metrics = scenario.features.contains(&Feature::Metrics);
        let metered = instance.running.as_ref().filter(|_| reads_metrics);
        let metrics_before = metrics::read(metered).await;
        let driven = driver.run_scenario(scenario, company).await;
        let metrics_after = metrics::read(metered).await;
        let id = scenario_id(&scenario.id, instance.start);
        if instance.pacing.current == Pacing::HealthyCalls {
            let servers: BTreeSet<&str> =
                driven.trace.arrivals.iter().map(|arrival| arrival.server.as_str()).collect();
            let deployment = self.upstreams.deployment();
            let configured = servers.into_iter().filter(|name| deployment.server(name).is_some());
            driver.call_healthy_servers(configured).await;
        }
        let mut control = instance.control().await;
        if let Err(failure) = &control
            && self.has_recovered(failure, vec![id.clone()], instance, recorder).await?
        {
            instance.pacing.try_healthy_calls();
            control = Ok(());
        }
        if driven.reopened_session {
            instance.remember_reopened(id.clone());
        }
        instance.remember_last_cases(iter::once(id));
        let context = Context {
            metrics: metrics_before
                .zip(metrics_after)
                .map(|(before, after)| Metrics { before, after }),
            settled: Some(driven.settled),
            no_evidence: driven.no_evidence,
            output: instance.output().get(output_start..).unwrap_or_default().to_owned(),
            ..self.context(instance, control.is_ok())
        };
        let finished = FinishedScenario {
            context,
            trace: driven.trace,
            failure: control.err(),
            shares_instance: true,
        };
        Ok((finished, driven.attribution))
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
                    let driven = driver.run_scenario(scenario, Company::Others).await;
                    trace = driven.trace;
                    context.no_evidence = driven.no_evidence;
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
