//! Decides what one mock MCP server answers to one request: what it was told to, or else what a healthy server would.
//!
//! Besides its endpoint it has the few places that its own answers point at. Those are the same whatever the script says.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{sync::Semaphore, time::sleep};

use super::{
    answer::{Answer, Places, stated},
    assigned_behaviour::Claim,
    host::Host,
    mcp_server as healthy,
    record::Ticket,
    request::{Request, rpc_method},
    state::Site,
    synchronisation::Turn,
};
use crate::cases::behaviour::{Behaviour, Behaviours, BodyText, Fault, Flavour, Source};

/// What a request gets, before its delivery.
pub(super) struct Decision {
    pub(super) answer: Answer,
    pub(super) fault: Option<Fault>,
    /// The permits that the events of a stream wait for.
    pub(super) pace: Option<Arc<Semaphore>>,
    /// What the record says was answered, where that is more than the status.
    pub(super) word: Option<String>,
    /// The server's turn, which ends with the answer.
    pub(super) turn: Option<Turn>,
}

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Self {
        Self { answer, fault: None, pace: None, word: None, turn: None }
    }
}

/// What the upstream answers, after whatever waiting is part of it.
pub(super) async fn decide(
    site: &Site,
    host: &Host,
    request: &Request,
    claim: &Claim,
    ticket: &Ticket,
) -> Decision {
    if request.path().starts_with("/.well-known/oauth-protected-resource")
        && let Some((behaviour, body)) = Behaviours::embedded().metadata_of(&host.name)
        && let Source::Stated { status, headers, .. } = &behaviour.source
    {
        let answer = stated(*status, headers, body, request, &Places::of(site, host, ticket));
        let word = behaviour.fault.and_then(|fault| word(fault, answer.status));
        return Decision { answer, fault: behaviour.fault, pace: None, word, turn: None };
    }
    if let Some(answer) = beside_the_endpoint(site, host, request, ticket) {
        return answer.into();
    }
    let Some(spelling) = &claim.behaviour else {
        return healthy::answer(site, &host.name, Flavour::Json, request, ticket).into();
    };
    let Some((behaviour, body)) = choose(site, spelling, &host.name, request, ticket) else {
        return misordered(spelling);
    };
    if behaviour.after_ms > 0 {
        sleep(Duration::from_millis(behaviour.after_ms)).await;
    }
    let turn = match ticket.case() {
        Some(case) => site.gates.turn(case, &host.name).await,
        None => None,
    };
    if behaviour.fault == Some(Fault::Barrier)
        && let Some(case) = ticket.case()
        && !site.gates.meet(case, behaviour.n).await
    {
        return Answer::empty(500).into();
    }
    let answer = match &behaviour.source {
        Source::Healthy(flavour) => healthy::answer(site, &host.name, *flavour, request, ticket),
        Source::Stated { status, headers, .. } => {
            stated(*status, headers, body, request, &Places::of(site, host, ticket))
        }
        // Never delivered: the fault sends nothing of it.
        Source::Nothing => Answer::empty(200),
        // Whoever gets as far as this server has overlooked what is wrong with it, and is served.
        Source::Planned(server) if *server == host.name => {
            healthy::answer(site, &host.name, Flavour::Json, request, ticket)
        }
        Source::Planned(_) => return misordered(spelling),
    };
    if behaviour.fault == Some(Fault::Progress) {
        return in_steps(site, answer, request, ticket);
    }
    let word = behaviour.fault.and_then(|fault| word(fault, answer.status));
    Decision { answer, fault: behaviour.fault, pace: None, word, turn }
}

/// The order is not one that an upstream can follow: a mistake of the suite's, not of the implementation's.
fn misordered(spelling: &str) -> Decision {
    let word = Some(format!("no such behaviour: {spelling}"));
    Decision {
        word,
        ..Answer::text(500, "text/plain", "the suite ordered what nobody knows\n").into()
    }
}

fn choose(
    site: &Site,
    spelling: &str,
    server: &str,
    request: &Request,
    ticket: &Ticket,
) -> Option<(&'static Behaviour, Option<&'static BodyText>)> {
    let known = Behaviours::embedded();
    let (ordered, body) = known.resolve(spelling)?;
    let message = request.json();
    let by_message = || {
        message
            .as_ref()
            .and_then(rpc_method)
            .and_then(|method| ordered.except.get(method))
    };
    if let Some(exception) = ordered.except.get(&request.method).or_else(by_message) {
        return known.resolve(exception);
    }
    if let Some(then) = &ordered.then {
        // Whoever cleans up a session that this case was given is not asking again.
        let cleans_up = request.method == "DELETE"
            && request.session().and_then(|session| site.record.lives(session)) == Some(true);
        let refuses = !matches!(ordered.source, Source::Healthy(_));
        if (cleans_up && refuses) || (!cleans_up && ticket.turn(server) > 1) {
            return known.resolve(then);
        }
    }
    Some((ordered, body))
}

fn in_steps(site: &Site, answer: Answer, request: &Request, ticket: &Ticket) -> Decision {
    let called = request.json().as_ref().and_then(rpc_method) == Some("tools/call");
    match ticket.case().filter(|_| called) {
        Some(case) => Decision {
            pace: Some(site.gates.pace(case)),
            ..healthy::with_progress(answer, request).into()
        },
        None => answer.into(),
    }
}

/// What the record calls an answer with a fault: the fault's name, behind the status where a whole head is sent.
fn word(fault: Fault, status: u16) -> Option<String> {
    match fault {
        Fault::Never
        | Fault::StallHead
        | Fault::ResetBeforeHead
        | Fault::CloseBeforeHead
        | Fault::Garbage => Some(fault.as_str().to_owned()),
        Fault::StallBody
        | Fault::ResetAfterHead
        | Fault::ResetMidBody
        | Fault::Truncated
        | Fault::BadChunk
        | Fault::EndlessBody => Some(format!("{status} {}", fault.as_str())),
        Fault::HeldOpen
        | Fault::EarlyHints
        | Fault::Http10
        | Fault::LowerCase
        | Fault::NoReason
        | Fault::Barrier
        | Fault::Progress => None,
    }
}

/// The answer of every place of an upstream but its endpoint.
fn beside_the_endpoint(
    site: &Site,
    host: &Host,
    request: &Request,
    ticket: &Ticket,
) -> Option<Answer> {
    match request.path() {
        "/mcp" | "/mcp/" => None,
        "/moved" => Some(healthy::answer(site, &host.name, Flavour::Json, request, ticket)),
        "/login" => Some(Answer::text(
            200,
            "text/html; charset=utf-8",
            "<!doctype html><title>Sign in</title>\n",
        )),
        "/.well-known/oauth-protected-resource" | "/.well-known/oauth-protected-resource/mcp" => {
            let resource = json!({
                "resource": format!("{}/mcp", host.origin),
                "authorization_servers": [site.deployment.issuer],
                "scopes_supported": ["mcp:read", "mcp:write", "offline_access"],
                "bearer_methods_supported": ["header"],
            });
            Some(Answer::json(200, &resource).with("Cache-Control", "max-age=60"))
        }
        _ => Some(Answer::empty(404)),
    }
}
