//! Single-server endpoints, metrics and reload, tested in process with mock upstreams.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken_responses;
mod client_credentials;
mod forwarding;
mod harness;
mod metadata;
mod metrics;
mod reload;
#[path = "../secrets/mod.rs"]
mod secrets;
mod shutdown;
mod tls_upstream;
mod transport;
