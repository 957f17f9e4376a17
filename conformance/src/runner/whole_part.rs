//! Checks of a part as a whole: its log and metrics, and upstream requests that arrived late.
//!
//! Their findings are recorded like those of scenarios.

use std::collections::{BTreeMap, BTreeSet};

use super::{RunError, Runner, instance::Instance, metrics, recorder::Recorder};
use crate::{
    cases::{axis::Start, matrix_case::MatrixCase},
    implementations::RunningImplementation,
    judge::{
        Finding, Verdict,
        case::judge_stray_requests,
        disclosure::Secrets,
        idle_gap,
        run_file::{Evidence, JudgedScenario, scenario_id},
        skip_unbound, whole_output,
    },
};

/// The id of the check of requests that belong to no case.
const STRAY_REQUESTS: &str = "requests-of-no-case";

impl Runner<'_> {
    /// Searches the whole log and the metrics of the instance for every secret that it was sent.
    pub(super) async fn check_whole_output(
        &self,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        let running = instance.running.as_ref();
        let Some(output) = running.and_then(RunningImplementation::output) else {
            return Ok(());
        };
        if !self.is_selected(whole_output::ID, whole_output::REQUIREMENT, instance) {
            return Ok(());
        }
        let metrics = metrics::read(running).await.unwrap_or_default();
        let run = recorder.run();
        let start = instance.start;
        let matrix_cases = run.matrix_cases.iter().filter(|judged| {
            let MatrixCase { profile, strategy, .. } = judged.matrix_case;
            Start { profile, strategy } == start
        });
        let matrix_traces = matrix_cases.map(|judged| &judged.trace);
        let scenarios = run.scenarios.iter().filter(|judged| judged.start == start);
        let scenario_traces = scenarios.map(|judged| &judged.trace);
        let secrets =
            Secrets::collect(self.upstreams.deployment(), matrix_traces.chain(scenario_traces));
        let finding = whole_output::judge(&output, &metrics, &secrets);
        self.record_check(whole_output::ID, finding, instance, recorder)
    }

    /// Searches for upstream requests that were sent for a caller after its case was judged.
    ///
    /// The positive control comes first: a request that was sent before it has arrived when it
    /// returns.
    pub(super) async fn check_late_requests(
        &self,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        if !self.is_selected(idle_gap::ID, idle_gap::REQUIREMENT, instance) {
            return Ok(());
        }
        let control = instance.driver.positive_control().await;
        let late = self.upstreams.record().take_late_arrivals();
        let finding = idle_gap::judge(&late, control.is_ok());
        self.record_check(idle_gap::ID, finding, instance, recorder)
    }

    /// Searches the upstream requests that belong to no case for secrets.
    ///
    /// A requirement that a case of the run violates is not reported again.
    pub(super) fn check_stray_requests(
        &self,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        let mut trace = instance.driver.empty_trace();
        trace.arrivals = std::mem::take(&mut instance.strays);
        let record = self.upstreams.record();
        trace.arrivals.extend(record.unattributed_since(instance.cases_since_ms));
        let context = self.context(instance, true);
        let mut findings = judge_stray_requests(&context, &trace);
        let violated: BTreeSet<String> = recorder
            .run()
            .findings()
            .filter(|(_, finding)| finding.verdict >= Verdict::Warn)
            .map(|(_, finding)| finding.requirement.clone())
            .collect();
        findings.retain(|finding| {
            finding.verdict >= Verdict::Warn && !violated.contains(&finding.requirement)
        });
        self.retain_selected(STRAY_REQUESTS, &mut findings);
        if findings.is_empty() {
            return Ok(());
        }
        recorder.scenario(JudgedScenario {
            scenario: STRAY_REQUESTS.to_owned(),
            start: instance.start,
            gateway: context.base_url,
            trace,
            evidence: Evidence::default(),
            observations: BTreeMap::new(),
            findings,
        })?;
        Ok(())
    }

    fn is_selected(&self, id: &str, requirement: &str, instance: &Instance) -> bool {
        let selection = &self.options.selection;
        selection.failed_before(&scenario_id(id, instance.start))
            && selection.includes_scenario(id, || BTreeSet::from([requirement.to_owned()]))
    }

    fn record_check(
        &self,
        id: &str,
        finding: Option<Finding>,
        instance: &Instance,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        let mut findings: Vec<Finding> = finding.into_iter().collect();
        skip_unbound(&mut findings, &self.setup.gateway_traits());
        recorder.scenario(JudgedScenario {
            scenario: id.to_owned(),
            start: instance.start,
            gateway: instance.driver.client.base_url().to_owned(),
            trace: instance.driver.empty_trace(),
            evidence: Evidence::default(),
            observations: findings
                .iter()
                .map(|finding| (finding.observable.clone(), finding.actual.clone()))
                .collect(),
            findings,
        })?;
        Ok(())
    }
}
