//! The `mcp-preflight` command: serves a configuration, or checks one.

use std::{
    io::{IsTerminal, stderr},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use mcp_preflight::{config::Config, gateway};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// An MCP gateway that surfaces an upstream 401 as a 401 and a 403 as a 403.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 the gateway could not be served, 2 the command line or the configuration is wrong.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until SIGTERM or SIGINT.
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
    let (Command::Serve { config: path, .. } | Command::Check { config: path }) = &command;
    let config = match Config::load(path, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return fail(2, &error),
    };
    match command {
        Command::Check { .. } => {
            say(&format!("{}: valid (servers: {}, keys: {})", path.display(), config.servers.len(), config.callers.len()));
            ExitCode::SUCCESS
        }
        Command::Serve { log_format, .. } => {
            log(log_format);
            serve(config).await
        }
    }
}

async fn serve(config: Config) -> ExitCode {
    let signals = signal(SignalKind::terminate()).and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    let (mut terminate, mut interrupt) = match signals {
        Ok(signals) => signals,
        Err(error) => return fail(1, &error),
    };
    let running = match gateway::start(config).await {
        Ok(running) => running,
        Err(error) => return fail(1, &error),
    };
    if let Some(address) = running.metrics_address() {
        tracing::info!(%address, "serving metrics");
    }
    tracing::info!(address = %running.address(), "serving");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    ExitCode::SUCCESS
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Json => logs.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        LogFormat::Text => logs.with_ansi(stderr().is_terminal()).init(),
    }
}

#[expect(clippy::print_stdout, reason = "what `check` says is its output")]
fn say(text: &str) {
    println!("{text}");
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(code)
}
