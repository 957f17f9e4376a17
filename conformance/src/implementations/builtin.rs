//! Starts the project's own gateway in this process, configured from a plan as any stranger would be.
//!
//! The one file that links the gateway crate. It uses its configuration, its start and its stop, and nothing that decides anything.

use std::{
    fmt::Write as _,
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use mcp_preflight::{config::Config, gateway};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    cases::{
        axis::{ServerKind, Start},
        deployment::Deployment,
    },
    catalogue::ProtocolVersion,
};

/// The header that it is configured to take the gateway key from.
pub const KEY_HEADER: &str = "x-litellm-api-key";
/// Its single-server routes.
pub const ROUTES: &[&str] = &["/mcp/{server}", "/mcp/{server}/", "/{server}/mcp", "/{server}/mcp/"];
/// Its routes of several servers.
pub const ROUTES_OF_SEVERAL: &[&str] = &["/mcp", "/mcp/{servers}", "/toolset/{toolset}/mcp"];
/// The header that narrows them.
pub const NARROWING_HEADER: &str = "x-mcp-servers";
/// How long it waits for a probe. No deadline here is near what a mock upstream takes, so that a busy machine changes no verdict.
pub const PROBE_DEADLINE_MS: u64 = 1_000;
/// How long it waits for an upstream's head.
const REQUEST_DEADLINE_MS: u64 = 1_000;
/// How long it holds a head back: longer than everything that can come before it.
const COMMIT_DEADLINE_MS: u64 = 4_000;
/// How long the suite waits for its answers.
pub const ANSWER_WITHIN_MS: u64 = 6_000;

/// The gateway, running.
#[derive(Debug)]
pub struct Reference {
    running: gateway::Running,
    base_url: String,
    metrics: String,
    output: Output,
    /// Where this instance's part of the output begins.
    since: usize,
}

/// Starts it on a free port of loopback.
///
/// # Errors
///
/// Says why the configuration was refused, or why it cannot be served.
pub async fn start(deployment: &Deployment, start: Start) -> Result<Reference, String> {
    let (text, secrets) = configuration(deployment, start);
    let environment = |name: &str| {
        secrets.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let config = Config::parse("builtin:reference", &text, &environment)
        .map_err(|error| error.to_string())?;
    let output = Output::shared();
    let since = output.len();
    let running = gateway::start(config).await.map_err(|error| error.to_string())?;
    let base_url = format!("http://{}", running.address());
    let metrics = running
        .metrics_address()
        .map_or_else(String::new, |address| format!("http://{address}/metrics"));
    Ok(Reference { running, base_url, metrics, output, since })
}

impl Reference {
    /// Scheme, host and port.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where its metrics are.
    #[must_use]
    pub fn metrics(&self) -> &str {
        &self.metrics
    }

    /// Everything that it has logged since it started, at every level.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.since(self.since)
    }

    /// Stops it: it takes no new connections and finishes what runs.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// Its configuration for a plan, and the environment that the configuration names.
fn configuration(deployment: &Deployment, start: Start) -> (String, Vec<(String, String)>) {
    let Start { profile, strategy } = start;
    let commit_deadline_ms = if deployment.commits_at_once { 0 } else { COMMIT_DEADLINE_MS };
    let mut text = format!(
        "listen = \"127.0.0.1:0\"\nprofile = \"{profile}\"\nstrategy = \"{strategy}\"\nkey_header = \"{KEY_HEADER}\"\n\
         probe_deadline_ms = {PROBE_DEADLINE_MS}\nrequest_deadline_ms = {REQUEST_DEADLINE_MS}\ncommit_deadline_ms = {commit_deadline_ms}\n\
         shutdown_deadline_ms = 500\nallowed_origins = [\"{}\"]\nmetrics_listen = \"127.0.0.1:0\"\n",
        deployment.page
    );
    let mut environment = Vec::new();
    let mut secret = |name: &str, value: &str| {
        environment.push((name.to_owned(), value.to_owned()));
        format!("{{ env = \"{name}\" }}")
    };
    let quoted = |names: &mut dyn Iterator<Item = &String>| {
        names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    };
    let granted = quoted(
        &mut deployment
            .servers
            .iter()
            .filter(|server| server.granted)
            .map(|server| &server.name),
    );
    let toolsets = quoted(&mut deployment.toolsets.iter().map(|toolset| &toolset.name));
    let keys = [
        ("full", &deployment.full_key, "\"all\"".to_owned()),
        ("limited", &deployment.limited_key, format!("[{granted}]")),
        ("bearer", &deployment.admission_bearer, format!("[{granted}]")),
    ];
    for (name, key, servers) in keys {
        let value = secret(&format!("KEY_{name}"), key);
        let _ = write!(
            text,
            "\n[[key]]\nname = \"{name}\"\nvalue = {value}\nservers = {servers}\ntoolsets = [{toolsets}]\n"
        );
    }
    for toolset in &deployment.toolsets {
        let _ = write!(
            text,
            "\n[[toolset]]\nname = \"{}\"\nservers = [{}]\n",
            toolset.name,
            quoted(&mut toolset.servers.iter())
        );
    }
    for server in &deployment.servers {
        let _ =
            write!(text, "\n[[server]]\nname = \"{}\"\nurl = \"{}\"\n", server.name, server.url);
        if server.disabled {
            text.push_str("disabled = true\n");
        }
        if server.protocol_version != ProtocolVersion::default() {
            let _ = writeln!(text, "protocol_version = \"{}\"", server.protocol_version);
        }
        match server.kind {
            ServerKind::Forwarding | ServerKind::NotPermitted => {
                text.push_str("forward = [\"authorization\"]\n");
                if let Some(space) = &server.space {
                    let _ = writeln!(text, "protection_space = \"{space}\"");
                }
            }
            ServerKind::Static => {
                let _ =
                    writeln!(text, "bearer = {}", secret("STATIC_TOKEN", &deployment.static_token));
            }
            ServerKind::ClientCredentials => {
                let client_secret = secret("CLIENT_SECRET", &deployment.client_secret);
                let (token_url, client_id) =
                    (server.token_url.as_deref().unwrap_or_default(), &deployment.client_id);
                let _ = writeln!(
                    text,
                    "client_credentials = {{ token_url = \"{token_url}\", client_id = \"{client_id}\", client_secret = {client_secret} }}"
                );
            }
            ServerKind::Open | ServerKind::Unknown | ServerKind::Aggregate => {}
        }
    }
    (text, environment)
}

/// What everything in this process logs. There is one, because there can be only one subscriber.
#[derive(Clone, Debug, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// The process's output, which listens from the first call on.
    fn shared() -> Self {
        static SHARED: OnceLock<Output> = OnceLock::new();
        SHARED
            .get_or_init(|| {
                let output = Self::default();
                // Somebody who has installed a subscriber of their own reads it themselves; then there is nothing to scan here.
                let _ = tracing_subscriber::fmt()
                    .with_env_filter(EnvFilter::new("mcp_preflight=trace"))
                    .with_ansi(false)
                    .with_writer(output.clone())
                    .try_init();
                output
            })
            .clone()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn since(&self, start: usize) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
