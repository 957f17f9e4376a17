//! Decides what an aggregate endpoint does for a request, and which servers take part.
//!
//! It does not know which servers refuse the caller's token, or how one server is sent a message.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use http::{HeaderMap, HeaderValue};

use super::{Dispatch, ListKind, Scope, answer, dispatch};
use crate::{
    access::ServerId,
    envelope::Message,
    exchange::McpMethod,
    preflight::Strategy,
    protocol_version::{PROTOCOL_VERSION_FIELD, ProtocolVersion},
    status::{Failure, JsonAnswer},
};

/// The sessions of a client by server name. An empty id stands for a server that keeps no session.
pub type ClientSessions = BTreeMap<String, String>;

/// What is done for a request.
#[derive(Debug)]
pub enum Operation {
    /// One server answers.
    SingleServer(ServerId, SingleServerOperation),
    /// Several servers take part, and the gateway writes the answer.
    FanOut(FanOut),
}

/// An operation whose response is the response of one server.
#[derive(Debug)]
pub enum SingleServerOperation {
    /// Send this message.
    Send(Message),
    /// Open the event stream of the server, after this event if the client names one.
    Listen(Option<HeaderValue>),
}

/// An operation on several servers.
#[derive(Debug)]
pub struct FanOut {
    /// What is done.
    pub operation: FanOutOperation,
    /// The servers that take part, in configuration order.
    pub servers: Vec<ServerId>,
    /// Whether the operation itself shows how the servers respond to the caller's token.
    pub token_check: TokenCheck,
}

/// Where the gateway learns how the servers respond to the caller's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// From the responses to the operation, or from a probe if the strategy says so.
    ByStrategy,
    /// From a probe in every strategy, because the operation names no server (STR-07).
    ByProbe,
}

impl TokenCheck {
    /// Whether the servers are probed before the operation.
    #[must_use]
    pub fn needs_probe(self, strategy: Strategy) -> bool {
        self == Self::ByProbe || strategy == Strategy::Probe
    }
}

/// What is done with several servers.
#[derive(Debug)]
pub enum FanOutOperation {
    /// Open every server, and answer `initialize` or `server/discover` for all.
    Open(Message),
    /// Send each server its own list request, and merge the lists.
    List(ListKind, Message, Vec<(ServerId, Message)>),
    /// Check that every server answers.
    Ping(Message),
    /// Send every server this notification.
    Notify(Message),
    /// End the client's sessions.
    EndSessions,
    /// Answer with this failure; no server is sent anything.
    Refuse(Failure),
}

/// The protocol version that a client of an aggregate endpoint declares. A client that declares
/// none uses the first version.
///
/// # Errors
/// The value of the field, if the gateway does not know it.
pub fn declared_version(headers: &HeaderMap) -> Result<ProtocolVersion, &HeaderValue> {
    let Some(declared) = headers.get(PROTOCOL_VERSION_FIELD) else {
        return Ok(ProtocolVersion::V2025_03_26);
    };
    declared.to_str().ok().and_then(ProtocolVersion::parse).ok_or(declared)
}

/// Decides what is done for a request. `body` is the whole body of a POST request.
///
/// # Errors
/// The answer to a message that cannot be read or that no server can be sent.
pub fn operation(
    method: McpMethod,
    headers: &HeaderMap,
    body: &[u8],
    scope: Scope<'_>,
    sessions: &ClientSessions,
) -> Result<Operation, JsonAnswer> {
    match method {
        McpMethod::Get => Ok(listen(headers, scope)),
        McpMethod::Delete if sessions.is_empty() => Ok(refuse(scope, Failure::UnknownSession)),
        McpMethod::Delete => Ok(in_sessions(FanOutOperation::EndSessions, scope, sessions)),
        McpMethod::Post => {
            let message = Message::parse(body).map_err(answer::invalid_message)?;
            message_operation(message, headers, scope, sessions)
        }
    }
}

fn message_operation(
    message: Message,
    headers: &HeaderMap,
    scope: Scope<'_>,
    sessions: &ClientSessions,
) -> Result<Operation, JsonAnswer> {
    let dispatched = dispatch(&message, scope);
    let servers = dispatched.servers(scope);
    let operation = match dispatched {
        Dispatch::OpenSessions | Dispatch::Discover => FanOutOperation::Open(message),
        Dispatch::Ping => FanOutOperation::Ping(message),
        Dispatch::List(kind, messages) => FanOutOperation::List(kind, message, messages),
        // A notification belongs to a session.
        Dispatch::AllServers => {
            return Ok(in_sessions(FanOutOperation::Notify(message), scope, sessions));
        }
        Dispatch::SingleServer(server, message) => {
            return Ok(Operation::SingleServer(server, SingleServerOperation::Send(message)));
        }
        Dispatch::Undeliverable(reason) => {
            let is_stateless = ProtocolVersion::V2026_07_28.is_declared_in(headers);
            return Err(answer::undeliverable(&message, reason, is_stateless));
        }
    };
    Ok(fan_out(operation, servers, scope))
}

/// The event streams of several servers have no common order, so only an endpoint with one server
/// has a stream.
fn listen(headers: &HeaderMap, scope: Scope<'_>) -> Operation {
    match scope.servers {
        [(server, _)] => {
            let last_event = headers.get("last-event-id").cloned();
            Operation::SingleServer(*server, SingleServerOperation::Listen(last_event))
        }
        _ => refuse(scope, Failure::NoAggregateStream),
    }
}

fn refuse(scope: Scope<'_>, failure: Failure) -> Operation {
    fan_out(FanOutOperation::Refuse(failure), Vec::new(), scope)
}

/// An operation on the servers that keep a session for the client.
fn in_sessions(
    operation: FanOutOperation,
    scope: Scope<'_>,
    sessions: &ClientSessions,
) -> Operation {
    let has_session = |name: &str| sessions.get(name).is_some_and(|id| !id.is_empty());
    let servers = scope
        .servers
        .iter()
        .filter(|(_, name)| has_session(name))
        .map(|(server, _)| *server)
        .collect();
    fan_out(operation, servers, scope)
}

/// An operation that names no server is done with all of them, after a probe.
fn fan_out(operation: FanOutOperation, named: Vec<ServerId>, scope: Scope<'_>) -> Operation {
    let (servers, token_check) = if named.is_empty() {
        let all = scope.servers.iter().map(|(server, _)| *server).collect();
        (all, TokenCheck::ByProbe)
    } else {
        (named, TokenCheck::ByStrategy)
    };
    Operation::FanOut(FanOut { operation, servers, token_check })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVERS: [(ServerId, &str); 2] = [(ServerId(0), "alpha"), (ServerId(1), "beta")];

    fn scope<'a>(servers: &'a [(ServerId, &'static str)]) -> Scope<'a> {
        Scope { servers, separator: "-", tools: None }
    }

    fn fan_out_of(operation: Operation) -> FanOut {
        match operation {
            Operation::FanOut(fan_out) => fan_out,
            single @ Operation::SingleServer(..) => panic!("{single:?}"),
        }
    }

    fn post(body: &str, sessions: &ClientSessions) -> Result<Operation, JsonAnswer> {
        let headers = HeaderMap::new();
        operation(McpMethod::Post, &headers, body.as_bytes(), scope(&SERVERS), sessions)
    }

    #[test]
    fn a_version_that_is_not_known_is_returned_and_none_means_the_first() {
        let mut headers = HeaderMap::new();
        assert_eq!(declared_version(&headers), Ok(ProtocolVersion::V2025_03_26));
        headers.insert(PROTOCOL_VERSION_FIELD, HeaderValue::from_static("2026-07-28"));
        assert_eq!(declared_version(&headers), Ok(ProtocolVersion::V2026_07_28));
        let unknown = HeaderValue::from_static("1999-01-01");
        headers.insert(PROTOCOL_VERSION_FIELD, unknown.clone());
        assert_eq!(declared_version(&headers), Err(&unknown));
    }

    #[test]
    fn only_an_endpoint_with_one_server_has_a_stream() {
        let headers = HeaderMap::new();
        let get = |servers| {
            let sessions = ClientSessions::new();
            operation(McpMethod::Get, &headers, b"", scope(servers), &sessions).unwrap()
        };
        let Operation::SingleServer(server, SingleServerOperation::Listen(None)) =
            get(&SERVERS[..1])
        else {
            panic!("one server has a stream")
        };
        assert_eq!(server, ServerId(0));
        let refused = fan_out_of(get(&SERVERS));
        assert!(matches!(refused.operation, FanOutOperation::Refuse(Failure::NoAggregateStream)));
        assert_eq!(refused.token_check, TokenCheck::ByProbe);
        assert_eq!(refused.servers.len(), 2);
    }

    #[test]
    fn a_notification_is_for_the_servers_that_keep_a_session() {
        let body = r#"{"method":"notifications/initialized"}"#;
        let sessions = [("alpha", "s1"), ("beta", "")]
            .map(|(server, id)| (server.to_owned(), id.to_owned()))
            .into();
        let within = fan_out_of(post(body, &sessions).unwrap());
        assert_eq!(within.servers, [ServerId(0)]);
        assert_eq!(within.token_check, TokenCheck::ByStrategy);
        let without = fan_out_of(post(body, &ClientSessions::new()).unwrap());
        assert_eq!(without.token_check, TokenCheck::ByProbe);
    }

    #[test]
    fn a_call_is_sent_to_the_server_in_its_name() {
        let body = r#"{"id":1,"method":"tools/call","params":{"name":"beta-echo"}}"#;
        let Ok(Operation::SingleServer(server, SingleServerOperation::Send(message))) =
            post(body, &ClientSessions::new())
        else {
            panic!("a call is for one server")
        };
        assert_eq!(server, ServerId(1));
        assert_eq!(message.string_param("name").as_deref(), Some("echo"));
    }

    #[test]
    fn a_session_that_was_not_opened_cannot_be_ended() {
        let headers = HeaderMap::new();
        let sessions = ClientSessions::new();
        let ended = operation(McpMethod::Delete, &headers, b"", scope(&SERVERS), &sessions);
        let fan_out = fan_out_of(ended.unwrap());
        assert!(matches!(fan_out.operation, FanOutOperation::Refuse(Failure::UnknownSession)));
    }

    #[test]
    fn a_probe_is_sent_by_strategy_or_because_no_server_is_named() {
        assert!(TokenCheck::ByProbe.needs_probe(Strategy::Deferred));
        assert!(TokenCheck::ByStrategy.needs_probe(Strategy::Probe));
        assert!(!TokenCheck::ByStrategy.needs_probe(Strategy::Deferred));
    }
}
