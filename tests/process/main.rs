//! The binary as a child process: its commands and exit codes, shutdown, reload, log and sessions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../child/mod.rs"]
mod child;
mod commands;
mod connection;
mod disclosure;
mod explain;
mod log;
mod manual_upstream;
mod reload;
mod sessions;
mod shutdown;
mod unwritable_log;

/// The response body of the upstreams.
const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
/// An upstream URL for tests in which no request reaches the upstream.
const UNUSED_URL: &str = "http://127.0.0.1:9/mcp";
