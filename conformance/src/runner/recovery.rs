//! Waits for a gateway that works again by itself, and changes the pacing of the cases.
//!
//! A gateway may stop forwarding requests to a server after several failures in a row, and start
//! again after some seconds. That is no lasting damage.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    RunError, Runner,
    batch::Pacing,
    instance::{Failure, Instance},
    recorder::Recorder,
};
use crate::judge::run_file::{Note, NotedEvent};

/// The pause between two positive controls.
const PAUSE: Duration = Duration::from_millis(500);

/// How the cases of a part follow one another, and whether that may change.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartPacing {
    pub(super) current: Pacing,
    /// Whether healthy calls have been tried.
    tried: bool,
    /// Whether the gateway did not work again by itself when the suite waited for it.
    never_recovers: bool,
}

impl PartPacing {
    /// The pacing at the beginning of a part.
    pub(super) const fn new() -> Self {
        Self {
            current: Pacing::Concurrent,
            tried: false,
            never_recovers: false,
        }
    }

    /// Changes to healthy calls if they have not been tried. Returns whether it changed.
    pub(super) const fn try_healthy_calls(&mut self) -> bool {
        let is_new = !self.tried;
        if is_new {
            self.tried = true;
            self.current = Pacing::HealthyCalls;
        }
        is_new
    }

    /// Changes back, because healthy calls did not prevent damage.
    pub(super) const fn give_up_healthy_calls(&mut self) {
        self.current = Pacing::Concurrent;
    }
}

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
        let begin = Instant::now();
        while begin.elapsed() < self.options.recovery {
            sleep(PAUSE).await;
            if instance.driver.positive_control().await.is_ok() {
                let after_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
                let failure = failure.description().to_owned();
                let event = NotedEvent::Recovered { failure, after_ms };
                recorder.note(Note { start: instance.start, event, cases })?;
                return Ok(true);
            }
        }
        instance.pacing.never_recovers = true;
        Ok(false)
    }
}
