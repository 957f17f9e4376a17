//! A running implementation, of any kind.

use std::time::Duration;

use super::{builtin::Reference, launch::RunningProcess, process_end};
use crate::model_gateway::RunningModelGateway;

/// An implementation that has been started and is ready.
///
/// Dropping it ends it at once. An implementation at a URL is not controlled by the suite.
#[derive(Debug)]
pub enum RunningImplementation {
    /// The reference gateway, in this process.
    Reference(Reference),
    /// The model gateway, in this process.
    Model(RunningModelGateway),
    /// The process of a described implementation.
    Described(Box<RunningProcess>),
    /// An implementation that the suite did not start.
    Url(String),
}

impl RunningImplementation {
    /// Scheme, host and port.
    #[must_use]
    pub fn base_url(&self) -> &str {
        match self {
            Self::Reference(running) => running.base_url(),
            Self::Model(running) => running.base_url(),
            Self::Described(running) => &running.base_url,
            Self::Url(url) => url,
        }
    }

    /// The URL of its metrics, if it serves any.
    #[must_use]
    pub fn metrics_url(&self) -> Option<&str> {
        match self {
            Self::Reference(running) => Some(running.metrics_url()),
            Self::Described(running) => running.metrics_url.as_deref(),
            Self::Model(running) => Some(running.metrics()),
            Self::Url(_) => None,
        }
    }

    /// Everything that it has written to its log so far; `None` if the suite cannot read the log.
    #[must_use]
    pub fn output(&self) -> Option<String> {
        match self {
            Self::Reference(running) => Some(running.output()),
            Self::Described(running) => std::fs::read(&running.log)
                .ok()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            Self::Model(running) => Some(running.output()),
            Self::Url(_) => None,
        }
    }

    /// How its process ended, if it has ended or ends within this time: `exit status 7`, `signal
    /// SIGSEGV`. `None` if it still runs or if the suite did not start a process.
    pub async fn process_end(&mut self, within: Duration) -> Option<String> {
        match self {
            Self::Described(running) => {
                let status = tokio::time::timeout(within, running.ended()).await;
                status.ok().and_then(Result::ok).map(process_end::in_words)
            }
            Self::Reference(_) | Self::Model(_) | Self::Url(_) => None,
        }
    }

    /// Stops it gracefully.
    pub async fn stop(self) {
        match self {
            Self::Reference(running) => running.stop().await,
            Self::Model(running) => running.stop().await,
            Self::Described(running) => running.stop().await,
            Self::Url(_) => {}
        }
    }
}
