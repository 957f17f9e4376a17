//! Runs matrix cases without a positive control and without judging them.
//!
//! The smoke test uses this to find out whether the implementation is described correctly.

use std::io;

use super::{RunError, Runner, batch, driver::PlannedCase};
use crate::{
    cases::{axis::Start, matrix_case::MatrixCase},
    implementations::RunningImplementation,
    trace::Trace,
};

impl Runner<'_> {
    /// Starts the implementation and runs these matrix cases one after another.
    ///
    /// Returns their traces, and the implementation, which is still running.
    ///
    /// # Errors
    ///
    /// The implementation did not start, or its base URL is invalid.
    pub async fn drive_without_judging(
        &self,
        start: Start,
        cases: &[MatrixCase],
    ) -> Result<(Vec<(MatrixCase, Trace)>, RunningImplementation), RunError> {
        let instance = self.start_instance(start).await?;
        let planned: Vec<PlannedCase> = cases.iter().cloned().map(PlannedCase::new).collect();
        let driven = batch::drive(&instance.driver, &planned, 1).await;
        let traces = batch::collect(&instance.driver, driven)
            .await
            .into_iter()
            .map(|collected| (collected.case, collected.trace))
            .collect();
        let running = instance
            .running
            .ok_or_else(|| RunError::File(io::Error::other("the implementation is not running")))?;
        Ok((traces, running))
    }
}
