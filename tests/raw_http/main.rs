//! Requests written byte by byte to a socket: header fields and framing that an HTTP client library
//! would not send.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod credentials;
mod framing;
mod harness;
mod mirrored_fields;
mod origins;
#[path = "../secrets/mod.rs"]
mod secrets;
mod sessions;
