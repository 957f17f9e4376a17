//! The gateway between official MCP implementations: the Rust and Python SDKs, and the reference
//! server from npm.
//!
//! These tests show that valid traffic passes unchanged, and that a client recovers from a refused
//! token. The conformance suite covers the ways in which an upstream can refuse a token.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authorization_server;
#[path = "../child/mod.rs"]
mod child;
mod conversations;
mod credential_proxy;
mod everything_server;
mod install;
mod oauth_client;
mod official_scenarios;
mod protected_upstream;
mod protocol_versions;
mod python_client;
mod recovery;
mod rust_client;
mod sdk_server;
