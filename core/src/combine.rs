//! Combines what several servers answered into one result for the request.
//!
//! Which refusal ends the request is decided by [`verdict`](super::verdict). How the answers were
//! obtained is not known here.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    access::ServerId,
    challenge::Profile,
    outcome::Outcome,
    refusal::Refusal,
    status::Failure,
    verdict::{Verdict, aggregate_verdict, verdict},
};

/// The servers that contribute nothing to an answer, with the refusal of each.
pub type Refusals = BTreeMap<ServerId, Refusal>;

/// Combines the refusals before the request is sent. `remaining` are the servers that have not
/// refused.
///
/// # Errors
/// The refusal that ends the request: in profile `seed` the most severe one, in the others the most
/// severe one if no server remains (AGG-01 to AGG-03).
pub fn combine_refusals(
    profile: Profile,
    remaining: &[ServerId],
    refusals: Refusals,
) -> Result<Refusals, Refusal> {
    let verdict = aggregate_verdict(profile, &outcomes(remaining, &refusals));
    apply(verdict, refusals)
}

/// Combines the answers to the request itself: the successful answers, and the refusals that are
/// reported beside them.
///
/// # Errors
/// The refusal that ends the request (AGG-01 to AGG-03). If no server succeeds, it is the most
/// severe one. If one server has lost its part of the client's session, the whole session is lost,
/// so that the client opens a new one with all servers (STA-14).
pub fn combine_answers<T>(
    profile: Profile,
    mut refusals: Refusals,
    answers: Vec<(ServerId, Result<T, Refusal>)>,
) -> Result<(Vec<(ServerId, T)>, Refusals), Refusal> {
    let mut successes = Vec::new();
    for (server, answer) in answers {
        match answer {
            Ok(answer) => successes.push((server, answer)),
            Err(refusal) => drop(refusals.insert(server, refusal)),
        }
    }
    let lost_session = refusals.values().find(|refusal| refusal.failure == Failure::UnknownSession);
    if let Some(refusal) = lost_session {
        return Err(refusal.clone());
    }
    let succeeded: Vec<ServerId> = successes.iter().map(|(server, _)| *server).collect();
    if !succeeded.is_empty() {
        let refusals = combine_refusals(profile, &succeeded, refusals)?;
        return Ok((successes, refusals));
    }
    let refusals = apply(verdict(outcomes(&[], &refusals)), refusals)?;
    match refusals.values().next() {
        Some(refusal) => Err(refusal.clone()),
        None => Ok((successes, refusals)),
    }
}

fn outcomes(accepted: &[ServerId], refusals: &Refusals) -> Vec<(ServerId, Outcome)> {
    let accepted = accepted.iter().map(|server| (*server, Outcome::Accepted));
    let refused = refusals.iter().map(|(server, refusal)| (*server, refusal.failure.outcome()));
    accepted.chain(refused).collect()
}

/// Takes out the refusal that the verdict names; without one the request proceeds.
fn apply(verdict: Verdict, mut refusals: Refusals) -> Result<Refusals, Refusal> {
    let named = match verdict {
        Verdict::Proceed => None,
        Verdict::Challenge(server) | Verdict::Forbid(server) => refusals.remove(&server),
    };
    named.map_or(Ok(refusals), Err)
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::Cause, *};

    const ALPHA: ServerId = ServerId(0);
    const BETA: ServerId = ServerId(1);

    fn refusals<const N: usize>(failures: [(ServerId, Failure); N]) -> Refusals {
        failures.into_iter().map(|(server, failure)| (server, failure.into())).collect()
    }

    fn answered<const N: usize>(
        profile: Profile,
        answers: [(ServerId, Result<&'static str, Failure>); N],
    ) -> Result<(usize, usize), Failure> {
        let answers = answers
            .into_iter()
            .map(|(server, answer)| (server, answer.map_err(Refusal::from)))
            .collect();
        combine_answers(profile, Refusals::new(), answers)
            .map(|(successes, refusals)| (successes.len(), refusals.len()))
            .map_err(|refusal| refusal.failure)
    }

    #[test]
    fn one_refusal_ends_the_request_only_in_profile_seed() {
        let refused = || refusals([(BETA, Failure::Forbidden)]);
        let seed = combine_refusals(Profile::Seed, &[ALPHA], refused());
        assert_eq!(seed.unwrap_err().failure, Failure::Forbidden);
        let mcp = combine_refusals(Profile::Mcp, &[ALPHA], refused());
        assert_eq!(mcp.unwrap().len(), 1);
        let alone = combine_refusals(Profile::Mcp, &[], refused());
        assert_eq!(alone.unwrap_err().failure, Failure::Forbidden);
    }

    #[test]
    fn without_a_success_the_most_severe_refusal_is_the_answer() {
        let timed_out = Failure::NoResponse(Cause::TimedOut);
        assert_eq!(
            answered(Profile::Mcp, [(ALPHA, Err(timed_out)), (BETA, Err(Failure::Forbidden))]),
            Err(Failure::Forbidden)
        );
        assert_eq!(answered(Profile::Mcp, [(ALPHA, Err(timed_out))]), Err(timed_out));
    }

    #[test]
    fn a_failure_that_is_not_about_the_token_leaves_the_other_answers() {
        let timed_out = Failure::NoResponse(Cause::TimedOut);
        for profile in [Profile::Seed, Profile::Mcp] {
            let combined = answered(profile, [(ALPHA, Ok("a")), (BETA, Err(timed_out))]);
            assert_eq!(combined, Ok((1, 1)));
        }
    }

    #[test]
    fn a_lost_session_is_lost_for_all_servers() {
        let combined =
            answered(Profile::Mcp, [(ALPHA, Ok("a")), (BETA, Err(Failure::UnknownSession))]);
        assert_eq!(combined, Err(Failure::UnknownSession));
    }
}
