//! The running implementation of a part, and how it is restarted.

use std::sync::Arc;

use super::{Progress, RunError, Runner, driver::Driver};
use crate::{
    cases::{axis::Start, deployment::Deployment},
    catalogue::Feature,
    client::{Client, ClientError, ResponseTimeouts},
    implementations::{ImplementationError, RunningImplementation},
};

/// How often an implementation is restarted within one part. After that, damage is recorded without
/// a search for its cause.
const RESTARTS: usize = 16;

/// The running implementation of a part.
pub(super) struct Instance {
    pub(super) start: Start,
    /// `None` only while it is being restarted.
    pub(super) running: Option<RunningImplementation>,
    pub(super) driver: Arc<Driver>,
    remaining_restarts: usize,
}

impl Instance {
    /// Everything that the implementation has written to its log; empty if the suite cannot read
    /// it.
    pub(super) fn output(&self) -> String {
        self.running
            .as_ref()
            .and_then(RunningImplementation::output)
            .unwrap_or_default()
    }

    /// The positive control after a start. Some implementations need one call before they work.
    pub(super) async fn first_positive_control(&self) -> Result<(), String> {
        let first = self.driver.positive_control().await;
        if first.is_err() && self.driver.positive_control().await.is_ok() {
            return Ok(());
        }
        first
    }
}

impl Runner<'_> {
    /// Starts the implementation for a part.
    pub(super) async fn start_instance(&self, start: Start) -> Result<Instance, RunError> {
        let running = self.start_implementation(self.upstreams.deployment(), start).await?;
        Ok(Instance {
            start,
            driver: self.driver(&running)?,
            running: Some(running),
            remaining_restarts: RESTARTS,
        })
    }

    /// Starts the implementation with this deployment and reports the progress.
    pub(super) async fn start_implementation(
        &self,
        deployment: &Deployment,
        start: Start,
    ) -> Result<RunningImplementation, ImplementationError> {
        let progress = |text: &str| (self.progress)(Progress::Message(text));
        self.implementation
            .start(deployment, start, &self.options.cache, progress)
            .await
    }

    /// Restarts the implementation. Returns false if that is impossible or was done too often.
    pub(super) async fn restart(
        &self,
        instance: &mut Instance,
        reason: &str,
    ) -> Result<bool, RunError> {
        if instance.remaining_restarts == 0 || !self.implementation.can_restart() {
            return Ok(false);
        }
        instance.remaining_restarts -= 1;
        let message = format!("restarting {}: {reason}", self.implementation.name);
        (self.progress)(Progress::Message(&message));
        if let Some(running) = instance.running.take() {
            running.stop().await;
        }
        let running = self
            .implementation
            .start(self.upstreams.deployment(), instance.start, &self.options.cache, |_| {})
            .await?;
        instance.driver = self.driver(&running)?;
        instance.running = Some(running);
        // Some implementations need one call before they work; the result is not needed here.
        let _ = instance.driver.positive_control().await;
        Ok(true)
    }

    /// A driver for a running implementation.
    pub(super) fn driver(
        &self,
        running: &RunningImplementation,
    ) -> Result<Arc<Driver>, ClientError> {
        let implementation = self.implementation;
        let timeouts = ResponseTimeouts::of(&implementation.deadlines);
        let has = |feature| implementation.features.contains(&feature);
        Ok(Arc::new(Driver {
            upstreams: Arc::clone(&self.upstreams),
            client: Client::new(running.base_url(), timeouts)?,
            credential_layout: implementation.credential_layout.clone(),
            case_numbers: self.case_numbers.clone(),
            route: implementation
                .routes
                .first()
                .cloned()
                .unwrap_or_else(|| "/mcp/{server}".to_owned()),
            clients_end_sessions: has(Feature::Sessions) && has(Feature::SessionEnd),
            message_bytes: implementation.surfaces.message_bytes,
            aggregate: implementation.aggregate.clone(),
        }))
    }
}
