//! Asks the servers of a request what they make of its token, and ends the request where that is a refusal.
//!
//! Whom to ask was decided in the core, and what their answers mean together is decided there.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use super::{
    Gateway,
    answer::Refusal,
    audit::Line,
    plan::{Party, targets},
    probe,
};
use crate::core::{
    access::{CallerId, ServerId},
    challenge::Profile,
    outcome::Outcome,
    status::Failure,
    verdict::{Verdict, together, verdict},
};

/// Servers that give no part of an answer, and why.
pub(super) type Refusals = BTreeMap<ServerId, Refusal>;

/// Asks, where `ask` says so, and gives the refusals with which the request can go on: by the seed's rules none, otherwise those of
/// some.
pub(super) async fn preflight(
    gateway: &Arc<Gateway>,
    profile: Profile,
    caller: CallerId,
    parties: &[Party],
    ask: bool,
    line: &mut Line,
) -> Result<Refusals, Refusal> {
    let targets = if ask { targets(parties) } else { Vec::new() };
    let began = Instant::now();
    let answers = if targets.is_empty() {
        Vec::new()
    } else {
        probe::ask(gateway, caller, targets).await?
    };
    line.probing = if answers.is_empty() { line.probing } else { began.elapsed() };

    let (mut outcomes, mut refusals) = (Vec::new(), Refusals::new());
    for party in parties {
        let answered = answers.iter().find(|answered| answered.server == party.server);
        let failure = match answered.map(|answered| answered.outcome) {
            // It cannot be asked with what the caller brought for it.
            _ if party.credential.is_err() => Some(Failure::UnusableAuthorization),
            Some(Outcome::Unauthorized) => Some(Failure::Unauthorized),
            Some(Outcome::Forbidden) => Some(Failure::Forbidden),
            Some(Outcome::Accepted | Outcome::Inconclusive(_)) | None => None,
        };
        let outcome = answered.map_or(Outcome::Accepted, |answered| answered.outcome);
        outcomes.push((party.server, failure.map_or(outcome, Failure::outcome)));
        if let Some(failure) = failure {
            let challenges = answered.map_or(&[][..], |answered| &answered.challenges);
            let refusal = Refusal::challenging(failure, profile, &party.discovery, challenges);
            refusals.insert(party.server, refusal.about(&gateway.config.server(party.server).name));
        }
    }
    let verdict = together(profile, &outcomes);
    for answered in &answers {
        let name = &gateway.config.server(answered.server).name;
        if let Some(took) = answered.took {
            gateway.metrics.probe(name, answered.outcome, took, verdict == Verdict::Proceed);
        }
    }
    line.outcome = line.outcome.take().or_else(|| told(gateway, &answers));
    ended(verdict, refusals)
}

/// What came of asking, for the audit line: one outcome, or one by server.
fn told(gateway: &Gateway, answers: &[probe::Answered]) -> Option<String> {
    match answers {
        [] => None,
        [answered] => Some(answered.outcome.to_string()),
        several => {
            let of = |answered: &probe::Answered| {
                format!("{}={}", gateway.config.server(answered.server).name, answered.outcome)
            };
            Some(several.iter().map(of).collect::<Vec<_>>().join(","))
        }
    }
}

/// Judges what servers have answered to the request itself: what was said, and the refusals beside which it can be said (AGG-01 to
/// AGG-03). Nobody's words are no success: then the gravest refusal is the answer.
pub(super) fn settle<T>(
    profile: Profile,
    mut refusals: Refusals,
    answers: Vec<(ServerId, Result<T, Refusal>)>,
) -> Result<(Vec<(ServerId, T)>, Refusals), Refusal> {
    let mut said = Vec::new();
    for (server, answer) in answers {
        match answer {
            Ok(answer) => said.push((server, answer)),
            Err(refusal) => drop(refusals.insert(server, refusal)),
        }
    }
    // A session that one server has lost is lost: the client begins anew with all of them (STA-14).
    if let Some(refusal) =
        refusals.values().find(|refusal| refusal.failure == Failure::UnknownSession)
    {
        return Err(refusal.clone());
    }
    let accepted = said.iter().map(|(server, _)| (*server, Outcome::Accepted));
    let outcomes: Vec<_> = accepted
        .chain(refusals.iter().map(|(server, refusal)| (*server, refusal.failure.outcome())))
        .collect();
    let refusals = ended(
        if said.is_empty() {
            verdict(outcomes)
        } else {
            together(profile, &outcomes)
        },
        refusals,
    )?;
    match refusals.values().next() {
        Some(refusal) if said.is_empty() => Err(refusal.clone()),
        _ => Ok((said, refusals)),
    }
}

/// Either all refusals, or the one that ends the request.
fn ended(verdict: Verdict, mut refusals: Refusals) -> Result<Refusals, Refusal> {
    match verdict {
        Verdict::Proceed => Ok(refusals),
        // A server that is named has refused, so it is among them.
        Verdict::Challenge(server) | Verdict::Forbid(server) => {
            Err(refusals.remove(&server).unwrap_or_else(|| Failure::Internal.into()))
        }
    }
}
