//! Judges what upstreams were asked with a caller's token when no case of that caller's was running any more (GATE-12).
//!
//! An implementation that looks after its upstreams by itself has to do so without what callers gave it.

use crate::{
    catalogue::Catalogue,
    judge::{Finding, Verdict},
    trace::Arrival,
};

/// The id of what is found, beside the scenarios.
pub const ID: &str = "the-idle-gap";
/// What it judges.
pub const REQUIREMENT: &str = "GATE-12";

/// What late arrivals say about GATE-12. The end of a session may come late: it is the caller's own business.
pub fn judge(late: &[Arrival], control: bool) -> Option<Finding> {
    Catalogue::embedded().get(REQUIREMENT)?;
    let asked = late.iter().find(|arrival| arrival.method != "DELETE");
    let (verdict, actual) = match asked {
        Some(arrival) => {
            let message = arrival.rpc_method.as_deref().unwrap_or_default();
            (
                Verdict::Warn,
                format!(
                    "{} {message} to {}, with the token of a caller who had been answered",
                    arrival.method, arrival.server
                ),
            )
        }
        None if !control => (Verdict::Untestable, "none, and the call behind it failed".to_owned()),
        None => (Verdict::Pass, "none".to_owned()),
    };
    Some(Finding {
        requirement: REQUIREMENT.to_owned(),
        rule: ID.to_owned(),
        verdict,
        observable: "asked-in-the-background".to_owned(),
        expected: "none".to_owned(),
        actual,
    })
}
