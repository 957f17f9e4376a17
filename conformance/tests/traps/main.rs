//! Traps that real gateways set for a conformance suite: each is reproduced by a small gateway, and
//! the suite must judge it correctly.
//!
//! | module | traps |
//! | --- | --- |
//! | `masks` | a refused token is hidden behind a status 200 |
//! | `sessions` | a gateway that answers 400 to a request without a session |
//! | `attribution` | whose answer it is, and what requests a call causes |
//! | `circuit_breaker` | a gateway that stops forwarding requests after several failures |
//! | `own_requests` | requests that a gateway sends by itself or late |
//! | `streams` | spellings of event streams, and streams in which no event arrives |
//! | `texts` | addresses and stack traces in texts for clients |
//! | `layouts` | credential layouts, routes and names of tools |
//! | `processes` | programs that crash, need another program, or end with their parent |
//! | `slow` | a gateway that answers late |
//! | `smoke` | each diagnosis of the smoke test, with a gateway that has exactly that problem |
//! | `smoke_aggregate` | the same for aggregate endpoints |
//! | `fixed_sets` | gateways whose configuration fixes the servers of an endpoint |
//! | `gateway`, `judged` | the small gateway, and how it is judged |

mod attribution;

#[path = "../binary/mod.rs"]
#[expect(dead_code, reason = "other test programs use the rest")]
mod binary;
mod circuit_breaker;
mod fixed_sets;
mod gateway;
mod judged;
mod layouts;
mod masks;
mod own_requests;
mod processes;
mod sessions;
mod slow;
mod smoke;
mod smoke_aggregate;
mod streams;
mod texts;
