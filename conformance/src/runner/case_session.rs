//! The sessions of a case: how they are opened, and what is known of those that are open.
//!
//! This module sends nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    cases::scenario::CallerName,
    catalogue::ProtocolVersion,
    client::{Request, session::ClientSession},
    trace::{Exchange, Headers},
};

/// An endpoint of the gateway, as a client addresses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The path, without a query.
    pub(super) path: String,
    /// The header fields that select servers on an aggregate endpoint.
    pub(super) fields: Headers,
}

/// What else happens while a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    /// Other cases may run, and requests of earlier cases may arrive.
    Others,
    /// Nothing: no other case runs, and the mock upstreams are quiet before the case, after the
    /// opening of its session, and after its response.
    Alone,
}

/// Who opens a session, and where.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) endpoint: Endpoint,
    pub(super) protocol_version: ProtocolVersion,
    pub(super) caller: CallerName,
    /// The token of the case.
    pub(super) token: String,
    /// The number of servers of the endpoint.
    pub(super) servers: usize,
    /// What else happens meanwhile.
    pub(super) company: Company,
}

/// A session that the suite has opened for a case.
#[derive(Debug)]
pub(super) struct OpenSession {
    pub(super) client: ClientSession,
    /// The DELETE that ends it.
    pub(super) end: Request,
    /// How many attempts the opening took.
    pub(super) attempts: usize,
}

/// Why no session could be opened.
#[derive(Debug)]
pub(super) struct FailedOpening {
    /// The reason, for the findings of the case.
    pub(super) reason: String,
    /// The exchanges, of which the last one failed.
    pub(super) exchanges: Vec<Exchange>,
}

impl FailedOpening {
    /// The opening that failed at this message, the last one of these exchanges.
    pub(super) fn at(message: &str, exchanges: Vec<Exchange>) -> Self {
        let response = exchanges.last().map_or_else(String::new, |exchange| {
            exchange.status.map_or_else(
                || exchange.ending.description().to_owned(),
                |status| status.to_string(),
            )
        });
        Self {
            reason: format!("the client could not open a session: {message} got {response}"),
            exchanges,
        }
    }

    /// The same failure, if it is that of a second attempt.
    pub(super) fn twice(self) -> Self {
        Self {
            reason: format!("{}, also at a second attempt", self.reason),
            ..self
        }
    }
}

/// An endpoint, and the caller that uses it.
pub(super) type SessionKey = (Endpoint, CallerName);

/// The open sessions of a scenario.
#[derive(Debug, Default)]
pub(super) struct ScenarioSessions {
    pub(super) open: Vec<(SessionKey, OpenSession)>,
}

impl ScenarioSessions {
    /// The session of a step with this key.
    pub(super) fn of(&self, key: Option<SessionKey>) -> Option<&ClientSession> {
        let key = key?;
        let (_, session) = self.open.iter().find(|(open, _)| *open == key)?;
        Some(&session.client)
    }

    /// Every session.
    pub(super) fn all(&self) -> impl Iterator<Item = &OpenSession> {
        self.open.iter().map(|(_, session)| session)
    }
}

/// How many upstream sessions stay open after the client has opened its session.
///
/// A gateway can need one session with each server. It ends those of its probes, and that must not
/// happen during the case. If more sessions stay open after the usual time, the gateway does not
/// end them, and later openings do not wait for that.
#[derive(Debug, Default)]
pub(super) struct RemainingSessions {
    additional: AtomicUsize,
}

impl RemainingSessions {
    /// How many sessions with this number of servers an opening leaves open.
    pub(super) fn expected(&self, servers: usize) -> usize {
        servers + self.additional.load(Ordering::Relaxed)
    }

    /// Records that this number of sessions with these servers stayed open.
    pub(super) fn observe(&self, servers: usize, open: usize) {
        self.additional.fetch_max(open.saturating_sub(servers), Ordering::Relaxed);
    }
}
