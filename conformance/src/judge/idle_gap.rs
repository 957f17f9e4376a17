//! Judges requests that upstreams received with a caller's token after the last case of that caller
//! had ended (GATE-12).
//!
//! A gateway that monitors its upstreams must do so without the callers' credentials.

use super::{Finding, Verdict};
use crate::trace::Arrival;

/// The id of the finding; it is listed with the scenarios.
pub const ID: &str = "the-idle-gap";
/// The requirement that is judged.
pub const REQUIREMENT: &str = "GATE-12";

/// The finding about GATE-12. A request that ends a session may be late, because it belongs to the
/// caller's session.
#[must_use]
pub fn judge(late: &[Arrival], control: bool) -> Option<Finding> {
    let late_request = late.iter().find(|arrival| arrival.method != "DELETE");
    let (verdict, actual) = match late_request {
        Some(arrival) => (Verdict::Warn, description(arrival)),
        None if !control => {
            (Verdict::Untestable, "none, and the positive control failed".to_owned())
        }
        None => (Verdict::Pass, "none".to_owned()),
    };
    Finding::expecting_none(REQUIREMENT, ID, verdict, "background-requests", actual)
}

fn description(arrival: &Arrival) -> String {
    let Arrival { method, server, rpc_method, .. } = arrival;
    let message = rpc_method.as_deref().unwrap_or_default();
    format!("{method} {message} to {server} with the token of a caller, after the response to it")
}
