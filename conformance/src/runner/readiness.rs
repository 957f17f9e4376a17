//! Finds out whether an implementation that the suite did not start can be judged.

use super::{RunError, Runner};
use crate::cases::axis::Start;

impl Runner<'_> {
    /// Sends one positive control and nothing else.
    ///
    /// The inner result is that of the control; its error is a sentence that says what happened
    /// instead.
    ///
    /// # Errors
    ///
    /// The base URL is invalid, or the implementation did not start.
    pub async fn try_positive_control(&self, start: Start) -> Result<Result<(), String>, RunError> {
        let instance = self.start_instance(start).await?;
        Ok(instance.driver.positive_control().await)
    }
}
