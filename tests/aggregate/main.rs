//! Aggregate endpoints, tested in process with strict mock upstreams.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod metadata;
mod mock_upstream;
mod refusals;
#[path = "../secrets/mod.rs"]
mod secrets;
mod selection;
mod sessions;
mod tokens;
mod unsupported;
