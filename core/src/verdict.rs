//! Decides what a set of probe outcomes means for the request.
//!
//! Knows nothing of how the outcomes were obtained, in which order they came, or how a refusal is worded.

use super::{access::ServerId, challenge::Profile, outcome::Outcome};

/// What happens to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it through; the upstream itself will tell the truth.
    Proceed,
    /// Answer 401 and lead the client to this server's discovery document.
    Challenge(ServerId),
    /// Answer 403 without a word about new tokens.
    Forbid(ServerId),
}

/// Judges a whole set of outcomes, whatever its order (AGG-01, AGG-06, AGG-07).
///
/// 401 outranks 403, because it can be cured and the cure then reveals the 403; an inconclusive outcome never refuses (fail open,
/// OPN-01 to 12). Of several refusals of one rank, the server first in the configuration is named.
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

/// Judges the outcomes of several servers for a request that they answer together (AGG-01 to AGG-03).
///
/// In profile `seed` any refusal refuses the request. In the others a refusal counts only where no server is left that may answer:
/// then the request would end as an empty success, and is refused instead.
#[must_use]
pub fn together(profile: Profile, outcomes: &[(ServerId, Outcome)]) -> Verdict {
    let refuses = |outcome: Outcome| matches!(outcome, Outcome::Unauthorized | Outcome::Forbidden);
    let some_left = outcomes.iter().any(|(_, outcome)| !refuses(*outcome));
    match profile {
        Profile::Mcp | Profile::Transparent if some_left => Verdict::Proceed,
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

    proptest! {
        #[test]
        fn arrival_order_never_matters((set, shuffled) in outcomes().prop_flat_map(|set| (Just(set.clone()), Just(set).prop_shuffle()))) {
            prop_assert_eq!(verdict(set), verdict(shuffled));
        }

        #[test]
        fn a_partial_answer_needs_somebody_to_give_it(set in outcomes()) {
            let refused = set.iter().filter(|(_, o)| matches!(o, Unauthorized | Forbidden)).count();
            prop_assert_eq!(together(Profile::Seed, &set), verdict(set.clone()));
            prop_assert_eq!(together(Profile::Mcp, &set) == Verdict::Proceed, refused == 0 || refused < set.len());
        }

        #[test]
        fn only_a_refusal_refuses_and_the_named_server_is_one_that_did(set in outcomes()) {
            match verdict(set.clone()) {
                Verdict::Proceed => prop_assert!(set.iter().all(|(_, o)| matches!(o, Accepted | Inconclusive(_)))),
                Verdict::Challenge(named) => prop_assert!(set.contains(&(named, Unauthorized))),
                Verdict::Forbid(named) => prop_assert!(set.contains(&(named, Forbidden)) && !set.iter().any(|(_, o)| *o == Unauthorized)),
            }
        }
    }
}
