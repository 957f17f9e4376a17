//! A conformance suite that stands on both sides of an MCP gateway: a client in front, recording mock upstreams behind.
//!
//! Read [`cell`] for what is varied, [`plan`] for what an implementation is configured with, [`script`] for how a token tells
//! the upstreams what to answer, and [`trace`] for what is recorded and judged.

pub mod again;
pub mod baseline;
pub mod behaviour;
pub mod builtin;
pub mod catalogue;
pub mod cell;
pub mod challenge;
pub mod cli;
pub mod client;
pub mod compare;
pub mod defect;
pub mod fleet;
pub mod implementation;
pub mod judge;
pub mod matrix;
pub mod observe;
pub mod pattern;
pub mod plan;
pub mod report;
pub mod request;
pub mod rule;
pub mod run_file;
pub mod runner;
pub mod scaffold;
pub mod scenario;
pub mod schema;
pub mod script;
pub mod selector;
pub mod self_test;
pub mod smoke;
pub mod taint;
pub mod target;
pub mod trace;
