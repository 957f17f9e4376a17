//! The smoke test: shows whether an implementation is described correctly, and proposes a
//! description that is.
//!
//! It judges no requirement. The verdicts of a run are meaningful only if the smoke test passes.
//!
//! | module | contents |
//! | --- | --- |
//! | `way` | [`Way`]: credential layout, route and use of sessions; the ways that are tried |
//! | `explorer` | sends healthy calls in these ways |
//! | `survey` | [`Survey`]: which way works, and what the gateway can do |
//! | `features` | the features that are tried |
//! | `calls` | [`calls`]: the healthy calls of a description, and what is expected of each |
//! | `diagnosis` | [`diagnose`]: what happened instead, and what to change in the description |
//! | `proposal` | [`Proposal`]: the lines of `implementation.toml` to add or remove |

mod calls;
mod diagnosis;
mod explorer;
mod features;
mod proposal;
mod survey;
#[cfg(test)]
mod tests;
mod way;

pub use self::{
    calls::{calls, expectation},
    diagnosis::{Cause, Diagnosis, diagnose},
    features::FoundFeature,
    proposal::{Difference, Proposal},
    survey::{FoundAggregate, Survey},
    way::Way,
};
use super::{
    RunError, Runner,
    batch::{self, Pacing},
    driver::PlannedCase,
    instance::Instance,
};
use crate::{
    cases::{axis::Start, matrix_case::MatrixCase},
    implementations::RunningImplementation,
};

/// The result of the smoke test for one start of an implementation.
#[derive(Debug)]
pub struct SmokeTest {
    /// What was found out by trying; `None` if nothing was tried.
    pub survey: Option<Survey>,
    /// The calls, each with the diagnosis if it did not have the expected result.
    ///
    /// If no call can succeed, because the description states no way that works, only the first
    /// one is made.
    pub calls: Vec<(MatrixCase, Option<Diagnosis>)>,
}

impl Runner<'_> {
    /// Starts the implementation, finds out what it is like, and makes the calls of its
    /// description.
    ///
    /// # Errors
    ///
    /// The implementation did not start, or its base URL is invalid.
    pub async fn smoke_with_survey(
        &self,
        start: Start,
    ) -> Result<(SmokeTest, RunningImplementation), RunError> {
        let instance = self.start_instance(start).await?;
        let survey = Survey::of(&instance.driver, self.implementation, start).await;
        let mut calls = calls(self.implementation, start);
        if !survey.declared_way_works {
            calls.truncate(1);
        }
        let calls = self.checked_calls(&instance, calls).await;
        Ok((SmokeTest { survey: Some(survey), calls }, running(instance)?))
    }

    /// Starts the implementation and makes the calls of its description.
    ///
    /// # Errors
    ///
    /// The implementation did not start, or its base URL is invalid.
    pub async fn smoke(
        &self,
        start: Start,
    ) -> Result<(SmokeTest, RunningImplementation), RunError> {
        let instance = self.start_instance(start).await?;
        let calls = self.checked_calls(&instance, calls(self.implementation, start)).await;
        Ok((SmokeTest { survey: None, calls }, running(instance)?))
    }

    /// Makes these calls one after another and compares each with its expected result.
    async fn checked_calls(
        &self,
        instance: &Instance,
        calls: Vec<MatrixCase>,
    ) -> Vec<(MatrixCase, Option<Diagnosis>)> {
        // An exclusive server also shows requests that arrive without the caller's token.
        let planned: Vec<PlannedCase> = calls
            .into_iter()
            .map(|call| PlannedCase { exclusive: true, ..PlannedCase::new(call) })
            .collect();
        let driven = batch::drive(&instance.driver, &planned, 1, Pacing::Concurrent).await;
        let deployment = self.upstreams.deployment();
        let layout = &self.implementation.credential_layout;
        batch::collect(&instance.driver, driven)
            .await
            .into_iter()
            .map(|collected| {
                let diagnosis = diagnose(&collected.case, &collected.trace, deployment, layout);
                (collected.case, diagnosis)
            })
            .collect()
    }
}

fn running(instance: Instance) -> Result<RunningImplementation, RunError> {
    instance
        .running
        .ok_or_else(|| RunError::File(std::io::Error::other("the implementation is not running")))
}
