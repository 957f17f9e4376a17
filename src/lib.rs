//! A minimal MCP gateway core that surfaces an upstream 401 as a 401 and a 403 as a 403.
//!
//! [`core`] decides, with pure functions over plain data; [`gateway`] does the I/O and decides nothing; [`config`] turns TOML into
//! a model of which every value is valid; [`mod@explain`] tells what would be done with a request. `ARCHITECTURE.md` draws the way of
//! a request through them.

pub mod config;
pub mod explain;
pub mod gateway;

pub use mcp_preflight_core as core;
