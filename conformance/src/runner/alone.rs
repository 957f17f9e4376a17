//! Runs matrix cases again, alone, if it is uncertain that their upstream requests belong to them.

use std::collections::BTreeMap;

use super::{
    RunError, Runner,
    attribution::{Attribution, Doubt, requests_of_unknown_origin},
    case_session::Company,
    driver::{CollectedCase, PlannedCase},
    instance::Instance,
    recorder::Recorder,
    undecided::UndecidedCases,
};
use crate::{
    judge::run_file::{Note, NotedEvent},
    trace::Trace,
};

impl Runner<'_> {
    /// Judges a matrix case if its upstream requests certainly belong to it. Otherwise it is
    /// decided later. Returns whether the case failed.
    pub(super) fn judge_or_postpone(
        &self,
        collected: CollectedCase,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        match collected.attribution {
            Attribution::Certain => {
                return self.judge_matrix_case(collected, true, instance, recorder);
            }
            Attribution::Assumed(_) => instance.undecided.assumed.push(collected),
            Attribution::Uncertain(doubt) => {
                self.set_aside(&collected.trace, instance);
                instance.undecided.uncertain.push((collected.case, doubt));
            }
        }
        Ok(false)
    }

    /// Removes a trace that does not count from the record, and keeps its requests of unknown
    /// origin. They may disclose a secret that no later run of the case shows.
    pub(super) fn set_aside(&self, trace: &Trace, instance: &mut Instance) {
        let record = self.upstreams.record();
        let own_sessions = record.sessions(&trace.case);
        instance.strays.extend(requests_of_unknown_origin(trace, &own_sessions));
        record.forget(&trace.case);
    }

    /// Decides the cases that were postponed: judges them, or runs them again alone. Returns
    /// whether a case failed.
    pub(super) async fn decide_postponed(
        &self,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        let UndecidedCases { assumed, mut uncertain } = std::mem::take(&mut instance.undecided);
        let others = self.upstreams.record().servers_of_unattributed(instance.cases_since_ms);
        let mut failed = false;
        for collected in assumed {
            match collected.attribution.doubt(&others) {
                Some(doubt) => {
                    self.set_aside(&collected.trace, instance);
                    uncertain.push((collected.case, doubt));
                }
                None => failed |= self.judge_matrix_case(collected, true, instance, recorder)?,
            }
        }
        let mut by_doubt: BTreeMap<Doubt, Vec<String>> = BTreeMap::new();
        for (case, doubt) in &uncertain {
            by_doubt.entry(*doubt).or_default().push(case.to_string());
        }
        for (doubt, cases) in by_doubt {
            let event = NotedEvent::RanAlone { reason: doubt.reason().to_owned() };
            recorder.note(Note { start: instance.start, event, cases })?;
        }
        for (case, _) in uncertain {
            if self.options.fail_fast && failed {
                break;
            }
            if instance.time_limit.is_reached() {
                self.leave_out_matrix_case(case, instance, recorder)?;
                continue;
            }
            let alone = PlannedCase { company: Company::Alone, ..PlannedCase::new(case) };
            failed |= self.run_batch(vec![alone], instance, recorder).await?;
        }
        Ok(failed)
    }
}
