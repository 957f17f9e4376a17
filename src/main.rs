//! The `mcp-preflight` command: serves or checks a configuration, or explains what the gateway
//! would do with a request.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use mcp_preflight::{
    config::{Config, ConfigError},
    explain::explain,
    gateway,
    log::LogWriter,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An MCP gateway that surfaces an upstream 401 as a 401 and a 403 as a 403.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 success, 1 the gateway could not start, \
        2 an error in the command line or the configuration."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until SIGTERM or SIGINT. SIGHUP reads the file again.
    Serve {
        /// The configuration file; preflight.example.toml shows every key.
        #[arg(long, value_name = "FILE", default_value = "preflight.toml")]
        config: PathBuf,
        /// The format of the log on standard error; RUST_LOG selects its lines.
        #[arg(long, value_enum, default_value_t)]
        log_format: LogFormat,
    },
    /// Validate a configuration and the secrets that it names.
    Check {
        /// The configuration file; preflight.example.toml shows every key.
        #[arg(long, value_name = "FILE", default_value = "preflight.toml")]
        config: PathBuf,
    },
    /// Explain what the gateway would do with a request: its caller, the credential for each
    /// server, and the probes. Nothing is sent.
    Explain {
        /// The configuration file; preflight.example.toml shows every key.
        #[arg(long, value_name = "FILE", default_value = "preflight.toml")]
        config: PathBuf,
        /// The HTTP method of the request.
        #[arg(long, default_value = "POST")]
        method: Method,
        /// The path of the request, for example /mcp/alpha.
        #[arg(long)]
        path: Uri,
        /// A header field of the request, for example "x-litellm-api-key: $KEY". May be repeated.
        #[arg(long = "header", value_name = "NAME: VALUE")]
        headers: Vec<String>,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text.
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
        Command::Check { .. } => print(&format!(
            "{}: valid (servers: {}, keys: {})",
            path.display(),
            config.servers.len(),
            config.callers.len()
        )),
        Command::Explain { method, path, headers, .. } => {
            match headers.iter().map(|text| parse_field(text)).collect::<Option<HeaderMap>>() {
                Some(headers) => print(explain(&config, &method, path.path(), &headers).trim_end()),
                // The argument may contain a secret, so it is not shown.
                None => fail(
                    2,
                    &"a --header is not a header field\n\
                    expected a name and a value, \
                    for example  --header \"x-litellm-api-key: $KEY\"",
                ),
            }
        }
        Command::Serve { log_format, .. } => {
            let log = match start_log(log_format) {
                Ok(log) => log,
                Err(error) => return fail(1, &format!("cannot write a log: {error}")),
            };
            let code = serve(path, config).await;
            log.flush();
            code
        }
    }
}

/// Parses `name: value`.
fn parse_field(text: &str) -> Option<(HeaderName, HeaderValue)> {
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

/// Reads the configuration again. After an error the current one stays.
fn reload(running: &gateway::Running, path: &Path) {
    let reloaded = load(path).map_err(|error| error.to_string());
    match reloaded.and_then(|config| running.reload(config).map_err(|error| error.to_string())) {
        Ok(()) => tracing::info!("reloaded"),
        Err(error) => {
            tracing::error!(%error, "not reloaded; the current configuration stays");
        }
    }
}

fn load(path: &Path) -> Result<Config, ConfigError> {
    Config::load(path, &|name| std::env::var(name).ok())
}

fn start_log(format: LogFormat) -> std::io::Result<LogWriter> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = LogWriter::start(stderr())?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer.clone());
    match format {
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init(),
        LogFormat::Text => log.with_ansi(stderr().is_terminal()).init(),
    }
    Ok(writer)
}

/// Writes a result to standard output. The code of the process says whether that succeeded.
fn print(text: &str) -> ExitCode {
    match writeln!(stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &format!("cannot write to standard output: {error}")),
    }
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    // If standard error is not writable either, only the code remains.
    let _unreported = writeln!(stderr(), "{error}");
    ExitCode::from(code)
}
