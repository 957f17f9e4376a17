//! Serves several servers as one: finds out who is asked for what, whether they take the caller's token, and has it done.
//!
//! Who gets a message and what their answers make together is decided in the core; how one server is spoken to, in [`link`].

mod errand;
mod events;
mod link;
mod reply;
mod translated;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{json, value::RawValue};

use self::{
    errand::{Errand, Several},
    link::Link,
};
use super::{
    Body, Gateway,
    answer::{Refusal, document},
    commit::commit,
    plan::Plan,
    preflight::preflight,
    request::{Asked, streamable},
    session,
};
use crate::core::{
    aggregate::{self, Scope, Undeliverable},
    envelope::{InvalidMessage, Message},
    preflight::Strategy,
    protocol_version::ProtocolVersion,
    status::Failure,
};

/// The sessions of a client, by server's name; an empty id is that of a server which keeps none.
type Sessions = std::collections::BTreeMap<String, String>;

/// Serves a request for several servers.
pub(super) async fn serve(
    gateway: &Arc<Gateway>,
    plan: Plan<'_>,
    asked: Asked<'_>,
) -> Result<Response<Body>, Refusal> {
    let (config, profile, caller, binding) = (
        &gateway.config,
        plan.profile(&gateway.config),
        plan.admitted.caller,
        plan.binding(),
    );
    let Asked { method, headers, message, line } = asked;
    let envelope = message.as_ref().map(|message| message.envelope.clone()).unwrap_or_default();
    let era = match era(&headers) {
        Ok(era) => era,
        Err(requested) => return Ok(unsupported(envelope.id.as_deref(), requested)),
    };
    let sessions = session::held_several(gateway, caller, &binding, &headers)?;
    let names = plan.names(config);
    let scope = plan.scope(config, &names);
    let body = message.as_ref().map(|message| &message.prefix[..]);
    let errand = match errand(&method, &headers, body, scope, &sessions) {
        Ok(errand) => errand,
        Err(answer) => return Ok(answer),
    };
    // Where no server is asked anything, a probe is the only way to learn what it makes of the token (A20, STR-07).
    let (servers, unasked) = match errand.asked(scope, &sessions) {
        servers if servers.is_empty() => {
            (scope.servers.iter().map(|(server, _)| *server).collect(), true)
        }
        servers => (servers, false),
    };
    line.subject.servers.clone_from(&servers);
    let parties = plan.parties(config, &gateway.external, &servers);
    let ask = unasked || config.strategy == Strategy::Probe;
    let refusals = preflight(gateway, profile, caller, &parties, ask, line).await?;

    let streamable = streamable(&envelope, &headers).filter(|_| method == Method::POST);
    let client = Arc::new(headers);
    let links = parties.iter().filter_map(|party| {
        let name = &config.server(party.server).name;
        let session = sessions.get(name);
        Some(Link {
            gateway: Arc::clone(gateway),
            caller,
            server: party.server,
            credential: party
                .credential
                .clone()
                .ok()
                .filter(|_| !refusals.contains_key(&party.server))?,
            profile,
            discovery: party.discovery.clone(),
            client: Arc::clone(&client),
            opened: session.is_some(),
            session: session
                .filter(|id| !id.is_empty())
                .and_then(|id| HeaderValue::try_from(id).ok()),
            own: false,
        })
    });
    let several = Several {
        gateway: Arc::clone(gateway),
        caller,
        profile,
        binding,
        links: links.collect(),
        parties: parties
            .iter()
            .map(|party| (party.server, party.discovery.resource_metadata.clone()))
            .collect(),
        refusals,
        tools: plan.tools.cloned(),
        era,
    };
    commit(several.run(errand), config.deadlines.commit, streamable).await
}

/// What is to be done for a request, or what is to be said to it at once, because it means nobody.
#[expect(
    clippy::result_large_err,
    reason = "a response is what the request ends in either way"
)]
fn errand(
    method: &Method,
    headers: &HeaderMap,
    body: Option<&[u8]>,
    scope: Scope<'_>,
    sessions: &Sessions,
) -> Result<Errand, Response<Body>> {
    match *method {
        Method::GET if scope.servers.len() == 1 => {
            return Ok(Errand::Listen(headers.get("last-event-id").cloned()));
        }
        Method::GET => return Ok(Errand::Nothing(Failure::NoAggregateStream)),
        Method::DELETE if sessions.is_empty() => {
            return Ok(Errand::Nothing(Failure::UnknownSession));
        }
        Method::DELETE => return Ok(Errand::End),
        _ => {}
    }
    let message =
        Message::parse(body.unwrap_or_default()).map_err(|unreadable| match unreadable {
            InvalidMessage::NotJson => {
                error(StatusCode::BAD_REQUEST, None, -32700, "the body is not JSON")
            }
            InvalidMessage::NotAMessage => error(
                StatusCode::BAD_REQUEST,
                None,
                -32600,
                "the body is not one JSON-RPC message; several servers take no batches together",
            ),
        })?;
    match aggregate::dispatch(&message, scope) {
        aggregate::Dispatch::Undeliverable(refused) => {
            Err(refuse(&message, refused, ProtocolVersion::V2026_07_28.is_declared_in(headers)))
        }
        plan => Ok(Errand::Message(message, plan)),
    }
}

/// The revision that a client speaks: the first, if it does not say.
fn era(headers: &HeaderMap) -> Result<ProtocolVersion, &HeaderValue> {
    headers
        .get("mcp-protocol-version")
        .map_or(Ok(ProtocolVersion::V2025_03_26), |named| {
            named.to_str().ok().and_then(ProtocolVersion::parse).ok_or(named)
        })
}

/// `UnsupportedProtocolVersion` of MCP 2026-07-28; before, any 400 said so.
fn unsupported(id: Option<&RawValue>, requested: &HeaderValue) -> Response<Body> {
    let data = json!({ "supported": ProtocolVersion::ALL.map(ProtocolVersion::as_str), "requested": String::from_utf8_lossy(requested.as_bytes()) });
    let error = json!({ "code": -32022, "message": "Unsupported protocol version", "data": data });
    document(StatusCode::BAD_REQUEST, framed(id, "error", &error.to_string()))
}

fn refuse(message: &Message, refused: Undeliverable, modern: bool) -> Response<Body> {
    let status = match (message.id().is_some() && message.method().is_some(), refused) {
        (false, _) => StatusCode::BAD_REQUEST,
        (true, Undeliverable::NoAggregateMeaning) if modern => StatusCode::NOT_FOUND,
        (true, _) => StatusCode::OK,
    };
    error(
        status,
        message.id().filter(|_| message.method().is_some()),
        refused.code(),
        refused.message(),
    )
}

fn result(message: &Message, result: &str) -> Response<Body> {
    document(StatusCode::OK, framed(message.id(), "result", result))
}

fn error(status: StatusCode, id: Option<&RawValue>, code: i32, message: &str) -> Response<Body> {
    document(
        status,
        framed(id, "error", &json!({ "code": code, "message": message }).to_string()),
    )
}

fn framed(id: Option<&RawValue>, member: &str, value: &str) -> String {
    let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0",{id}"{member}":{value}}}"#)
}
