//! Waits for a gateway that works again by itself.
//!
//! A gateway may stop forwarding requests to a server after several failures in a row, and start
//! again after some seconds. That is no lasting damage.

use super::{
    RunError, Runner,
    instance::{Failure, Instance},
    recorder::Recorder,
};
use crate::judge::run_file::{Note, NotedEvent};

impl Runner<'_> {
    /// Waits until the positive control passes again, and records a note if it does. Returns
    /// whether it does.
    ///
    /// If the process has ended, or if the gateway has not recovered earlier, this does not wait.
    pub(super) async fn has_recovered(
        &self,
        failure: &Failure,
        cases: Vec<String>,
        instance: &mut Instance,
        recorder: &mut Recorder,
    ) -> Result<bool, RunError> {
        if failure.process_has_ended() || instance.pacing.never_recovers {
            return Ok(false);
        }
        let Some(after) = instance.driver.recovers_within(self.options.recovery).await else {
            instance.pacing.never_recovers = true;
            return Ok(false);
        };
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let event = NotedEvent::Recovered { failure: failure.description().to_owned(), after_ms };
        recorder.note(Note { start: instance.start, event, cases })?;
        Ok(true)
    }
}
