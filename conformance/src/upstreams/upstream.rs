//! Decides the response of a mock MCP server: the response of the request's behaviour, or else a
//! healthy one.
//!
//! An upstream also serves the URLs that its own responses name, independent of the behaviour.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{sync::Semaphore, time::sleep};

use super::{
    attribution::Attribution,
    mcp_server,
    record::Ticket,
    request::{Request, rpc_method},
    response::Response,
    state::State,
    stated_response::{Placeholders, stated},
    synchronisation::Turn,
};
use crate::cases::behaviour::{Behaviour, Behaviours, BodyText, Fault, Flavour, Source};

/// The upstream that responds.
#[derive(Clone, Copy)]
pub(super) struct Upstream<'a> {
    pub(super) name: &'a str,
    pub(super) origin: &'a str,
    pub(super) state: &'a State,
}

/// The response to a request, and how it is delivered.
pub(super) struct Decision {
    pub(super) response: Response,
    pub(super) fault: Option<Fault>,
    /// A permit for each event of a stream that may be sent; `None` if events need no permit.
    pub(super) released_events: Option<Arc<Semaphore>>,
    /// The recorded description of the response; `None` if its status is enough.
    pub(super) recorded_as: Option<String>,
    /// The turn of the server, which ends when the response has been sent.
    pub(super) turn: Option<Turn>,
}

impl From<Response> for Decision {
    fn from(response: Response) -> Self {
        Self {
            response,
            fault: None,
            released_events: None,
            recorded_as: None,
            turn: None,
        }
    }
}

impl Decision {
    /// A response that is delivered with the fault of its behaviour.
    fn with_fault(response: Response, fault: Option<Fault>) -> Self {
        Self {
            recorded_as: fault.and_then(|fault| recorded_fault(fault, response.status)),
            fault,
            ..response.into()
        }
    }
}

/// Decides the response, after the delay and the synchronisation of the behaviour.
pub(super) async fn decide(
    upstream: Upstream<'_>,
    request: &Request,
    attribution: &Attribution,
    ticket: &Ticket,
) -> Decision {
    let Upstream { name, state, .. } = upstream;
    if let Some(decision) = special_metadata(upstream, request, ticket) {
        return decision;
    }
    if let Some(response) = outside_the_endpoint(upstream, request, ticket) {
        return response.into();
    }
    let Some(spelling) = &attribution.behaviour else {
        return mcp_server::respond(state, name, Flavour::Json, request, ticket).into();
    };
    let Some((behaviour, body)) = choose(upstream, spelling, request, ticket) else {
        return unknown_behaviour(spelling);
    };
    if behaviour.after_ms > 0 {
        sleep(Duration::from_millis(behaviour.after_ms)).await;
    }
    let turn = match ticket.case() {
        Some(case) => state.synchronisation.turn(case, name).await,
        None => None,
    };
    if behaviour.fault == Some(Fault::Barrier)
        && let Some(case) = ticket.case()
        && !state.synchronisation.meet(case, behaviour.barrier_size).await
    {
        return Response::empty(500).into();
    }
    let response = match &behaviour.source {
        Source::Healthy(flavour) => mcp_server::respond(state, name, *flavour, request, ticket),
        Source::Stated { status, headers, .. } => {
            stated(*status, headers, body, request, &placeholders(upstream, ticket))
        }
        // The fault of the behaviour sends no part of this response.
        Source::Nothing => Response::empty(200),
        // The gateway should not have reached this server. Its request is served and recorded.
        Source::Server(server) if *server == name => {
            mcp_server::respond(state, name, Flavour::Json, request, ticket)
        }
        Source::Server(_) => return unknown_behaviour(spelling),
    };
    if behaviour.fault == Some(Fault::Progress) {
        return with_released_events(upstream, response, request, ticket);
    }
    Decision { turn, ..Decision::with_fault(response, behaviour.fault) }
}

fn placeholders<'a>(upstream: Upstream<'a>, ticket: &'a Ticket) -> Placeholders<'a> {
    Placeholders {
        origin: upstream.origin,
        elsewhere: &upstream.state.elsewhere,
        case: ticket.case(),
    }
}

/// The protected resource metadata of a server for which `upstreams.toml` states it.
fn special_metadata(
    upstream: Upstream<'_>,
    request: &Request,
    ticket: &Ticket,
) -> Option<Decision> {
    if !request.path().starts_with("/.well-known/oauth-protected-resource") {
        return None;
    }
    let (behaviour, body) = Behaviours::embedded().metadata_of(upstream.name)?;
    let Source::Stated { status, headers, .. } = &behaviour.source else {
        return None;
    };
    let response = stated(*status, headers, body, request, &placeholders(upstream, ticket));
    Some(Decision::with_fault(response, behaviour.fault))
}

/// A behaviour that an upstream cannot have. This is an error of the suite, not of the
/// implementation.
fn unknown_behaviour(spelling: &str) -> Decision {
    Decision {
        recorded_as: Some(format!("unknown behaviour: {spelling}")),
        ..Response::text(500, "text/plain", "the suite requested an unknown behaviour\n").into()
    }
}

/// The behaviour for this request: exceptions by method and later responses of the case included.
fn choose(
    upstream: Upstream<'_>,
    spelling: &str,
    request: &Request,
    ticket: &Ticket,
) -> Option<(&'static Behaviour, Option<&'static BodyText>)> {
    let behaviours = Behaviours::embedded();
    let (behaviour, body) = behaviours.resolve(spelling)?;
    let message = request.json();
    let exception = behaviour.except.get(&request.method).or_else(|| {
        let method = message.and_then(rpc_method)?;
        behaviour.except.get(method)
    });
    if let Some(exception) = exception {
        return behaviours.resolve(exception);
    }
    if let Some(then) = &behaviour.then {
        // The DELETE of a session of this case is not another request for the same resource.
        let ends_session = request.method == "DELETE"
            && request.session().and_then(|session| upstream.state.record.is_live(session))
                == Some(true);
        let refuses = !matches!(behaviour.source, Source::Healthy(_));
        let is_later = if ends_session {
            refuses
        } else {
            ticket.count_request(upstream.name) > 1
        };
        if is_later {
            return behaviours.resolve(then);
        }
    }
    Some((behaviour, body))
}

/// A response to `tools/call` with progress events, each of which waits for its release.
fn with_released_events(
    upstream: Upstream<'_>,
    response: Response,
    request: &Request,
    ticket: &Ticket,
) -> Decision {
    let is_call = request.json().and_then(rpc_method) == Some("tools/call");
    match ticket.case() {
        Some(case) if is_call => Decision {
            released_events: Some(upstream.state.synchronisation.released_events(case)),
            ..mcp_server::with_progress(response, request).into()
        },
        _ => response.into(),
    }
}

/// The recorded description of a response with a fault. It starts with the status if a complete
/// head is sent; `None` if the status alone describes the response.
fn recorded_fault(fault: Fault, status: u16) -> Option<String> {
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

/// The response to a request outside the MCP endpoint; `None` for the endpoint.
fn outside_the_endpoint(
    upstream: Upstream<'_>,
    request: &Request,
    ticket: &Ticket,
) -> Option<Response> {
    let Upstream { name, origin, state } = upstream;
    match request.path() {
        "/mcp" | "/mcp/" => None,
        "/moved" => Some(mcp_server::respond(state, name, Flavour::Json, request, ticket)),
        "/login" => Some(Response::text(
            200,
            "text/html; charset=utf-8",
            "<!doctype html><title>Sign in</title>\n",
        )),
        "/.well-known/oauth-protected-resource" | "/.well-known/oauth-protected-resource/mcp" => {
            let metadata = json!({
                "resource": format!("{origin}/mcp"),
                "authorization_servers": [state.deployment.issuer],
                "scopes_supported": ["mcp:read", "mcp:write", "offline_access"],
                "bearer_methods_supported": ["header"],
            });
            Some(Response::json(200, &metadata).with("Cache-Control", "max-age=60"))
        }
        _ => Some(Response::empty(404)),
    }
}
