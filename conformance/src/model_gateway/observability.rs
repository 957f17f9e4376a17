//! Keeps the log and the metrics of a gateway.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The path of the metrics.
pub(super) const METRICS: &str = "/metrics";

/// The log and the metrics of a gateway. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Observability(Arc<Mutex<Records>>);

#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) log: String,
    /// How many requests have been logged.
    pub(super) requests: u64,
    /// The value of each series.
    pub(super) metrics: BTreeMap<String, f64>,
}

impl Observability {
    /// Everything that has been logged so far.
    pub(super) fn log(&self) -> String {
        self.with(|records| records.log.clone())
    }

    /// Adds to a series.
    pub(super) fn add(&self, metric: &str, labels: &str, value: f64) {
        let series = format!("{metric}{{{labels}}}");
        self.with(|records| *records.metrics.entry(series).or_default() += value);
    }

    /// Reads or changes the records.
    pub(super) fn with<T>(&self, access: impl FnOnce(&mut Records) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
