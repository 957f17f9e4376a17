//! The `mcp-preflight` command: serves a configuration, checks one, or explains what it does with a request.

use std::{
    io::{IsTerminal, stderr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use mcp_preflight::{
    config::{Config, ConfigError},
    explain::explain,
    gateway,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An MCP gateway that surfaces an upstream 401 as a 401 and a 403 as a 403.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 the gateway could not be served, 2 the command line or the configuration is wrong."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until SIGTERM or SIGINT; on SIGHUP, take it anew.
    Serve {
        /// The configuration; preflight.example.toml shows every key.
        #[arg(long, value_name = "FILE", default_value = "preflight.toml")]
        config: PathBuf,
        /// How each line of the log is written, on standard error; RUST_LOG says which lines.
        #[arg(long, value_enum, default_value_t)]
        log_format: LogFormat,
    },
    /// Validate a configuration and the secrets that it names.
    Check {
        /// The configuration; preflight.example.toml shows every key.
        #[arg(long, value_name = "FILE", default_value = "preflight.toml")]
        config: PathBuf,
    },
    /// Say what would be done with a request: whose it is, which server gets which credential, whether it is probed. Nobody is asked.
    Explain {
        /// The configuration; preflight.example.toml shows every key.
        #[arg(long, value_name = "FILE", default_value = "preflight.toml")]
        config: PathBuf,
        /// The method of the request.
        #[arg(long, default_value = "POST")]
        method: Method,
        /// The path of the request, for example /mcp/alpha.
        #[arg(long)]
        path: Uri,
        /// A header field of the request, for example "x-litellm-api-key: $KEY"; it can be given several times.
        #[arg(long = "header", value_name = "NAME: VALUE")]
        headers: Vec<String>,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    /// One JSON object.
    Json,
    /// Words, for people.
    #[default]
    Text,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    let (Command::Serve { config: path, .. }
    | Command::Check { config: path }
    | Command::Explain { config: path, .. }) = &command;
    let config = match load(path) {
        Ok(config) => config,
        Err(error) => return fail(2, &error),
    };
    match command {
        Command::Check { .. } => {
            say(&format!(
                "{}: valid (servers: {}, keys: {})",
                path.display(),
                config.servers.len(),
                config.callers.len()
            ));
            ExitCode::SUCCESS
        }
        Command::Explain { method, path, headers, .. } => {
            match headers.iter().map(|text| field(text)).collect::<Option<HeaderMap>>() {
                Some(headers) => {
                    say(explain(&config, &method, path.path(), &headers).trim_end());
                    ExitCode::SUCCESS
                }
                // What it holds may be a secret, and is not shown.
                None => fail(
                    2,
                    &"a --header is no header field\nexpected a name and a value, for example  --header \"x-litellm-api-key: $KEY\"",
                ),
            }
        }
        Command::Serve { log_format, .. } => {
            log(log_format);
            serve(path, config).await
        }
    }
}

/// Reads `name: value`.
fn field(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((name.parse().ok()?, value.trim().parse().ok()?))
}

async fn serve(path: &Path, config: Config) -> ExitCode {
    let signals =
        [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = signals else {
        return fail(1, &"cannot wait for signals");
    };
    let running = match gateway::start(config).await {
        Ok(running) => running,
        Err(error) => return fail(1, &error),
    };
    if let Some(address) = running.metrics_address() {
        tracing::info!(%address, "serving metrics");
    }
    tracing::info!(address = %running.address(), "serving");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&running, path),
        }
    }
    tracing::info!("stopping");
    running.stop().await;
    ExitCode::SUCCESS
}

/// Takes the configuration anew, or keeps the one that there is.
fn reload(running: &gateway::Running, path: &Path) {
    let reloaded = load(path).map_err(|error| error.to_string());
    match reloaded.and_then(|config| running.reload(config).map_err(|error| error.to_string())) {
        Ok(()) => tracing::info!("reloaded"),
        Err(error) => {
            tracing::error!(%error, "not reloaded; the configuration before stays in force")
        }
    }
}

fn load(path: &Path) -> Result<Config, ConfigError> {
    Config::load(path, &|name| std::env::var(name).ok())
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init(),
        LogFormat::Text => logs.with_ansi(stderr().is_terminal()).init(),
    }
}

#[expect(clippy::print_stdout, reason = "what `check` and `explain` say is their output")]
fn say(text: &str) {
    println!("{text}");
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(code)
}
