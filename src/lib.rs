//! An MCP gateway that surfaces an upstream 401 as a 401 and a 403 as a 403.
//!
//! - [`core`]: the decisions, as pure functions over plain data
//! - [`config`]: the validated model of the configuration file
//! - [`gateway`]: the I/O
//! - [`mod@explain`]: what the gateway would do with a request
//! - [`log`]: the writer of the log
//!
//! `ARCHITECTURE.md` shows how a request passes through them.

pub mod config;
pub mod explain;
pub mod gateway;
pub mod log;

pub use mcp_preflight_core as core;
