//! Finds the request of a case that deviated from what was expected.

use crate::{
    judge::Finding,
    trace::{Exchange, Trace},
};

/// The index of the exchange that a finding is about; `None` without an exchange.
///
/// Most observables are about the last exchange. Some compare several.
pub(super) fn deviating_exchange(trace: &Trace, finding: &Finding) -> Option<usize> {
    let last = trace.exchanges.len().checked_sub(1)?;
    let deviating = match finding.observable.as_str() {
        "all-statuses" => with_unexpected_status(trace, &finding.expected),
        "all-responses-complete" => incomplete(&finding.actual),
        "first-two-responses" | "first-two-challenges" => Some(1),
        "all-responses" => unlike_the_first(&trace.exchanges),
        _ => None,
    };
    Some(deviating.map_or(last, |index| index.min(last)))
}

/// The first exchange whose status is not the expected one. Several alternatives are separated by
/// ` or `, and the statuses of several exchanges by commas.
fn with_unexpected_status(trace: &Trace, expected: &str) -> Option<usize> {
    let alternatives: Vec<Vec<&str>> =
        expected.split(" or ").map(|statuses| statuses.split(',').collect()).collect();
    let is_expected = |index: usize, exchange: &Exchange| {
        let status = exchange.status.map_or("none".to_owned(), |status| status.to_string());
        alternatives.iter().any(|statuses| match statuses[..] {
            [one] => one == status,
            _ => statuses.get(index).is_some_and(|expected| *expected == status),
        })
    };
    let mut exchanges = trace.exchanges.iter().enumerate();
    exchanges
        .find(|(index, exchange)| !is_expected(*index, exchange))
        .map(|(index, _)| index)
}

/// The index in `incomplete: request 3`.
fn incomplete(actual: &str) -> Option<usize> {
    actual
        .strip_prefix("incomplete: request ")?
        .parse::<usize>()
        .ok()?
        .checked_sub(1)
}

/// The first exchange whose response has another status or body than that of the first one.
fn unlike_the_first(exchanges: &[Exchange]) -> Option<usize> {
    let (first, others) = exchanges.split_first()?;
    let differs =
        |exchange: &Exchange| exchange.status != first.status || exchange.body != first.body;
    others.iter().position(differs).map(|index| index + 1)
}
