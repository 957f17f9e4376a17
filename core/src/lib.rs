//! Every decision of the gateway, as pure functions over plain data.
//!
//! The crate does no I/O, reads no clock and runs no tasks. Of HTTP it knows only the `http` types.
//! Three mechanisms enforce that: the crate is `no_std`, so it cannot name `std::net`, `std::fs`,
//! `std::env`, `std::thread` or a clock; none of its dependencies is a runtime or an HTTP library;
//! and `clippy.toml` rejects the random number generator of `ring`.
//!
//! The modules in the order in which they decide about a request:
//!
//! | module | decision |
//! | --- | --- |
//! | [`framing`] | can the bytes of the request be read in more than one way? |
//! | [`route`] | which endpoint does the path name? |
//! | [`origin`] | may the web page that sends the request use the gateway? |
//! | [`admission`] | who is the caller, and which credentials are the key and the tokens? |
//! | [`mirror`] | do header fields and body agree? |
//! | [`access`] | which servers may the caller use? |
//! | [`session`] | which upstream sessions does the session id stand for? |
//! | [`exchange`] | how much of the body is read, and which kind of response may it have? |
//! | [`aggregate`], [`naming`] | which server gets the message, and how are its tools named? |
//! | [`credential`] | which credential is each server sent? |
//! | [`preflight`] | which servers are probed before the request is forwarded? |
//! | [`outcome`] | what does an upstream's status say about the token? |
//! | [`verdict`] | do all outcomes together let the request proceed? |
//! | [`combine`] | what do the answers of several servers amount to? |
//! | [`fields`] | which header fields are forwarded? |
//! | [`translate`] | what does a message look like in another [`protocol_version`]? |
//! | [`relay`] | is an upstream's response relayed or replaced by a failure? |
//! | [`status`], [`challenge`] | which status, error code, message and challenge has an answer? |
//! | [`refusal`] | which header fields and body does a refused request get? |
//! | [`discovery`] | where does a challenge lead, and what does the document there contain? |
//!
//! [`envelope`] reads JSON-RPC messages for all of them.

// Tests use `std`: property tests and snapshots need it.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod access;
pub mod admission;
pub mod aggregate;
pub mod challenge;
pub mod combine;
pub mod credential;
pub mod discovery;
pub mod envelope;
pub mod exchange;
pub mod fields;
pub mod framing;
pub mod mirror;
pub mod naming;
pub mod origin;
pub mod outcome;
pub mod preflight;
pub mod protocol_version;
pub mod refusal;
pub mod relay;
pub mod route;
pub mod session;
pub mod status;
pub mod translate;
pub mod verdict;
