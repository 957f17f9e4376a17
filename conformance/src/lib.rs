//! A conformance suite for MCP gateways: a client before the gateway, mock upstream servers behind
//! it, and a judge.
//!
//! The modules are listed in the order of a run:
//!
//! | module | contents |
//! | --- | --- |
//! | [`catalogue`] | requirements, levels, profiles and protocol versions |
//! | [`cases`] | what is sent and expected: matrix, scenarios, mock behaviours, rules |
//! | [`trace`] | the record of one case: what the client and the mock upstreams saw |
//! | [`model_gateway`] | a second gateway with defects and variants, which tests the suite |
//! | [`implementations`] | what is judged: described, built-in, or at a URL |
//! | [`upstreams`] | mock MCP servers, the mock authorization server, recording |
//! | [`client`] | the client side, through a library and over raw sockets |
//! | [`judge`] | observables, findings, verdicts; secret disclosure; baselines; run files |
//! | [`runner`] | drives cases through an implementation and has them judged |
//! | [`report`] | terminal, HTML, JUnit, JSON, Markdown and badge reports of a run |
//! | [`cli`] | the command line |

pub mod cases;
pub mod catalogue;
pub mod cli;
pub mod client;
pub mod implementations;
pub mod judge;
pub mod model_gateway;
pub mod report;
pub mod runner;
pub mod trace;
pub mod upstreams;
