//! Drives a few matrix cases and looks at what both faces saw, without a fence and without a judge: for those who must first find out whether
//! there is anything to judge.

use super::{RunError, Runner, batch, stage::Planned};
use crate::{
    cases::{axis::Start, matrix_case::MatrixCase},
    implementations::resolve::Running,
    trace::Trace,
};

impl Runner<'_> {
    /// Starts the implementation and drives these matrix cases one after another. Hands back what was seen, and the implementation.
    pub async fn look(
        &self,
        start: Start,
        matrix_cases: &[MatrixCase],
    ) -> Result<(Vec<(MatrixCase, Trace)>, Running), RunError> {
        let floor = self.floor(start).await?;
        let planned: Vec<Planned> = matrix_cases.iter().cloned().map(Planned::new).collect();
        let driven = batch::drive(&floor.stage, &planned, 1).await;
        let seen = batch::collect(&floor.stage, driven).await;
        let running = floor
            .running
            .ok_or_else(|| RunError::File(std::io::Error::other("it was started and is gone")))?;
        Ok((
            seen.into_iter()
                .map(|collected| (collected.matrix_case, collected.trace))
                .collect(),
            running,
        ))
    }
}
