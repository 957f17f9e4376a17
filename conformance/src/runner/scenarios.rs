//! Runs scenarios and judges them.
//!
//! Most scenarios run on the instance of their part. A scenario that needs another configuration
//! runs on an instance of its own.

use super::{RunError, Runner, instance::Instance, metrics, recorder::Recorder};
use crate::{
    cases::{deployment::Variant, scenario::Scenario},
    catalogue::Feature,
    judge::{
        case::{Judgement, judge_scenario},
        run_file::{Damage, Evidence, JudgedScenario},
        subject::{Context, Metrics},
    },
    trace::Trace,
};

/// A scenario that has been run, or skipped because the implementation lacks a feature.
struct FinishedScenario {
    context: Context,
    trace: Trace,
    /// Why the positive control failed after the scenario.
    damage: Option<String>,
}

impl Runner<'_> {
    /// Runs a scenario, judges it and records it. Returns whether it failed.
    pub(super) async fn run_scenario(
        &self,
        scenario: &Scenario,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let finished = match scenario.configured {
            Some(variant) => self.run_with_variant(scenario, variant, instance).await?,
            None => self.run_on_instance(scenario, instance).await,
        };
        let damage = finished.damage.clone();
        let failed = self.judge_scenario(scenario, finished, instance, recorder)?;
        if let Some(reason) = damage {
            self.restart(instance, &reason).await?;
        }
        Ok(failed)
    }

    async fn run_on_instance(&self, scenario: &Scenario, instance: &Instance) -> FinishedScenario {
        let driver = &instance.driver;
        let output_start = instance.output().len();
        let is_skipped = scenario.missing_feature(&self.context(instance, true).features).is_some();
        let reads_metrics = !is_skipped && scenario.features.contains(&Feature::Metrics);
        let metered = instance.running.as_ref().filter(|_| reads_metrics);
        let metrics_before = metrics::read(metered).await;
        let (trace, settled) = if is_skipped {
            (driver.empty_trace(), true)
        } else {
            driver.run_scenario(scenario).await
        };
        let metrics_after = metrics::read(metered).await;
        let control = driver.positive_control().await;
        let context = Context {
            metrics: metrics_before
                .zip(metrics_after)
                .map(|(before, after)| Metrics { before, after }),
            settled: Some(settled),
            output: instance.output().get(output_start..).unwrap_or_default().to_owned(),
            ..self.context(instance, control.is_ok())
        };
        FinishedScenario { context, trace, damage: control.err() }
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
        if scenario.missing_feature(&context.features).is_none() {
            let deployment = self.upstreams.deployment().with_variant(variant);
            match self.start_implementation(&deployment, instance.start).await {
                Ok(running) => {
                    let driver = self.driver(&running)?;
                    (trace, _) = driver.run_scenario(scenario).await;
                    context.base_url = driver.client.base_url().to_owned();
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
        Ok(FinishedScenario { context, trace, damage: None })
    }

    fn judge_scenario(
        &self,
        scenario: &Scenario,
        finished: FinishedScenario,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let FinishedScenario { context, trace, damage } = finished;
        let Judgement { observations, mut findings } = judge_scenario(scenario, &context, &trace);
        if let Some(description) = damage {
            recorder.damage(Damage {
                start: instance.start,
                matrix_cases: vec![format!("scenario {}", scenario.id)],
                description,
            })?;
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
