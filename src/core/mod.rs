//! Every decision of the gateway, as pure functions over plain data.
//!
//! **Invariant:** no I/O, no clock, no runtime: of HTTP only the `http` types. `tests/purity.rs` holds it, so that the property tests
//! and the fuzz targets can hold the rest.
//!
//! In the order of a request: [`framing`] follows the bytes, [`route`] reads the path, [`origin`] judges the page that it comes from,
//! [`admission`] the caller and its credentials, [`mirror`] whether fields and body agree, [`access`] the servers it may use,
//! [`session`] what it comes back to, [`credential`] what each server is sent, [`preflight`] which servers are asked first, [`outcome`]
//! what an answer says about the token, [`verdict`] what all answers mean, [`relay`] what the real answer becomes, [`challenge`] and
//! [`status`] how a refusal is worded, [`fields`] which header fields cross, [`discovery`] where a challenge leads, [`envelope`] what of
//! a message is read. Of several servers, [`aggregate`] decides who gets a message, [`naming`] what theirs is called, and [`translate`]
//! how a message of one era is said in the other.

pub mod access;
pub mod admission;
pub mod aggregate;
pub mod challenge;
pub mod credential;
pub mod discovery;
pub mod envelope;
pub mod fields;
pub mod framing;
pub mod mirror;
pub mod naming;
pub mod origin;
pub mod outcome;
pub mod preflight;
pub mod protocol_version;
pub mod relay;
pub mod route;
pub mod session;
pub mod status;
pub mod translate;
pub mod verdict;
