//! The reference gateway of this project, started in this process and configured like any other
//! implementation.
//!
//! This is the only module that uses the gateway crate: its configuration, its start and its stop.
//! It uses no code of the gateway that decides about requests.
//!
//! | module | contents |
//! | --- | --- |
//! | `configuration` | the configuration file of the gateway for a deployment |
//! | `output` | the log of this process |

mod configuration;
mod output;

use mcp_preflight::{config::Config, gateway};

use self::output::Output;
use crate::cases::{axis::Start, deployment::Deployment};

/// The header field of the gateway key.
pub const KEY_HEADER: &str = "x-litellm-api-key";
/// The paths of the single-server endpoints.
pub const ROUTES: &[&str] = &["/mcp/{server}", "/mcp/{server}/", "/{server}/mcp", "/{server}/mcp/"];
/// The paths of the aggregate endpoints.
pub const AGGREGATE_ROUTES: &[&str] = &["/mcp", "/mcp/{servers}", "/toolset/{toolset}/mcp"];
/// The header field that selects servers on an aggregate endpoint.
pub const NARROWING_HEADER: &str = "x-mcp-servers";
/// How long the gateway waits for a probe, in milliseconds.
///
/// No deadline here is close to the time that a mock upstream takes, so a busy machine changes no
/// verdict.
pub const PROBE_DEADLINE_MS: u64 = 1_000;
/// How long the gateway waits for the response head of an upstream, in milliseconds.
const REQUEST_DEADLINE_MS: u64 = 1_000;
/// How long the gateway holds a response head back, in milliseconds: longer than all earlier steps.
const COMMIT_DEADLINE_MS: u64 = 4_000;
/// How long the suite waits for a response of the gateway, in milliseconds.
pub const ANSWER_DEADLINE_MS: u64 = 6_000;

/// The running reference gateway.
#[derive(Debug)]
pub struct Reference {
    running: gateway::Running,
    base_url: String,
    metrics_url: String,
    output: Output,
    /// The position in the output of this process at which this gateway was started.
    output_start: usize,
}

/// Starts the reference gateway on a free port of the loopback interface.
///
/// # Errors
///
/// The configuration was rejected, or a port could not be bound.
pub async fn start(deployment: &Deployment, start: Start) -> Result<Reference, String> {
    let configuration = configuration::write(deployment, start);
    let environment = |name: &str| configuration.variable(name);
    let config = Config::parse("builtin:reference", &configuration.text, &environment)
        .map_err(|error| error.to_string())?;
    let output = Output::of_this_process();
    let output_start = output.len();
    let running = gateway::start(config).await.map_err(|error| error.to_string())?;
    let base_url = format!("http://{}", running.address());
    let metrics_url = running
        .metrics_address()
        .map_or_else(String::new, |address| format!("http://{address}/metrics"));
    Ok(Reference { running, base_url, metrics_url, output, output_start })
}

impl Reference {
    /// Scheme, host and port.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The URL of the metrics.
    #[must_use]
    pub fn metrics_url(&self) -> &str {
        &self.metrics_url
    }

    /// Everything that this process has logged since the gateway was started, at every level.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.since(self.output_start)
    }

    /// Stops the gateway: it accepts no new connections and completes the running requests.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
