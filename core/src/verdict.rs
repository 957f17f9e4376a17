//! Combines the outcomes of all probes into one verdict for the request.
//!
//! It does not know how outcomes were obtained, in which order they arrived, or how a refusal is
//! rendered.

use super::{access::ServerId, challenge::Profile, outcome::Outcome};

/// What the gateway does with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward the request. The upstream's real response then decides.
    Proceed,
    /// Answer 401 with a challenge that names this server's protected resource metadata.
    Challenge(ServerId),
    /// Answer 403 because this server refuses.
    Forbid(ServerId),
}

/// Combines the outcomes of all probes, independent of their order (AGG-01, AGG-06, AGG-07).
///
/// 401 outranks 403: after re-authorization the 403, if it persists, is reported. An inconclusive
/// outcome never rejects the request (fail open, OPN-01 to OPN-12). If several servers refuse with
/// the same status, the first in the configuration is named.
///
/// ```
/// use mcp_preflight_core::{access::ServerId, outcome::Outcome, verdict::{Verdict, verdict}};
///
/// let outcomes = [(ServerId(1), Outcome::Unauthorized), (ServerId(0), Outcome::Forbidden)];
/// assert_eq!(verdict(outcomes), Verdict::Challenge(ServerId(1)));
/// ```
#[must_use]
pub fn verdict(outcomes: impl IntoIterator<Item = (ServerId, Outcome)>) -> Verdict {
    let mut unauthorized = None;
    let mut forbidden = None;
    for (server, outcome) in outcomes {
        match outcome {
            Outcome::Unauthorized => unauthorized = first(unauthorized, server),
            Outcome::Forbidden => forbidden = first(forbidden, server),
            Outcome::Accepted | Outcome::Inconclusive(_) => {}
        }
    }
    match (unauthorized, forbidden) {
        (Some(server), _) => Verdict::Challenge(server),
        (None, Some(server)) => Verdict::Forbid(server),
        (None, None) => Verdict::Proceed,
    }
}

/// Combines the outcomes of the servers of an aggregate endpoint (AGG-01 to AGG-03).
///
/// In profile `seed` any refusal rejects the request. In the other profiles refusals reject the
/// request only if every server refuses; an empty success would hide them.
#[must_use]
pub fn aggregate_verdict(profile: Profile, outcomes: &[(ServerId, Outcome)]) -> Verdict {
    let refuses = |outcome: Outcome| matches!(outcome, Outcome::Unauthorized | Outcome::Forbidden);
    let some_server_is_left = outcomes.iter().any(|(_, outcome)| !refuses(*outcome));
    match profile {
        Profile::Mcp | Profile::Transparent if some_server_is_left => Verdict::Proceed,
        Profile::Mcp | Profile::Transparent | Profile::Seed => verdict(outcomes.iter().copied()),
    }
}

fn first(named: Option<ServerId>, server: ServerId) -> Option<ServerId> {
    Some(named.map_or(server, |named| named.min(server)))
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::Cause, *};
    use Outcome::{Accepted, Forbidden, Inconclusive, Unauthorized};
    use proptest::prelude::*;

    #[test]
    fn a_401_outranks_an_earlier_403() {
        assert_eq!(
            verdict([(ServerId(0), Forbidden), (ServerId(1), Unauthorized)]),
            Verdict::Challenge(ServerId(1))
        );
    }

    fn outcomes() -> impl Strategy<Value = Vec<(ServerId, Outcome)>> {
        let outcome = prop_oneof![
            Just(Accepted),
            Just(Unauthorized),
            Just(Forbidden),
            Just(Inconclusive(Cause::TimedOut))
        ];
        prop::collection::vec(outcome, 0..8).prop_map(|all| (0..).map(ServerId).zip(all).collect())
    }

    fn is_refusal(outcome: Outcome) -> bool {
        matches!(outcome, Unauthorized | Forbidden)
    }

    proptest! {
        #[test]
        fn arrival_order_never_matters(
            (set, shuffled) in outcomes().prop_flat_map(|set| {
                (Just(set.clone()), Just(set).prop_shuffle())
            }),
        ) {
            prop_assert_eq!(verdict(set), verdict(shuffled));
        }

        #[test]
        fn an_aggregate_proceeds_if_a_server_is_left(set in outcomes()) {
            let refusals = set.iter().filter(|(_, outcome)| is_refusal(*outcome)).count();
            let proceeds = aggregate_verdict(Profile::Mcp, &set) == Verdict::Proceed;
            prop_assert_eq!(proceeds, refusals == 0 || refusals < set.len());
            prop_assert_eq!(aggregate_verdict(Profile::Seed, &set), verdict(set));
        }

        #[test]
        fn a_verdict_names_a_server_that_refused(set in outcomes()) {
            match verdict(set.clone()) {
                Verdict::Proceed => {
                    prop_assert!(!set.iter().any(|(_, outcome)| is_refusal(*outcome)));
                }
                Verdict::Challenge(named) => prop_assert!(set.contains(&(named, Unauthorized))),
                Verdict::Forbid(named) => {
                    prop_assert!(set.contains(&(named, Forbidden)));
                    prop_assert!(!set.iter().any(|(_, outcome)| *outcome == Unauthorized));
                }
            }
        }
    }
}
