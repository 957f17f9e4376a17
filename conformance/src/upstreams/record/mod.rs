//! Everything that the mock upstreams have seen: requests by case, open sessions, and connections.
//!
//! A request is in flight until its response has been sent. A case has settled when none of its
//! requests is in flight and its sessions have ended. Waiting for that uses notifications, not
//! polling.
//!
//! | module | contents |
//! | --- | --- |
//! | this one | [`Record`] |
//! | `ticket` | [`Ticket`]: one request in flight |

mod ticket;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

pub(super) use self::ticket::Ticket;
use crate::{cases::token_script::CaseId, trace::Arrival};

/// Everything that the mock upstreams have seen so far. Clones share their content.
#[derive(Clone, Debug, Default)]
pub struct Record {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<Entries>,
    /// Notified after every change that a caller can wait for.
    changed: watch::Sender<()>,
    /// The number of the next request.
    next_number: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    cases: HashMap<CaseId, CaseEntry>,
    unattributed: CaseEntry,
    /// The forgotten cases. A request with this number or a higher one arrived too late.
    forgotten: HashMap<CaseId, u64>,
    late: Vec<Arrival>,
    sessions: HashMap<String, Session>,
    connections: HashMap<String, u64>,
    /// The connections on which no request has arrived, by number, with their servers.
    without_request: BTreeMap<u64, String>,
}

/// What was seen of one case, or of no case.
#[derive(Debug, Default)]
struct CaseEntry {
    /// The requests with their numbers, which have the order in which their heads were read.
    arrivals: Vec<(u64, Arrival)>,
    in_flight: usize,
    live_sessions: usize,
    /// How many requests each server has counted for `then` behaviours.
    requests: HashMap<String, usize>,
}

#[derive(Debug)]
struct Session {
    case: Option<CaseId>,
    live: bool,
    /// Whether its case has settled only when the session has ended.
    must_end: bool,
}

impl Record {
    /// The requests of a case in the order of their arrival, those to every host included.
    #[must_use]
    pub fn arrivals(&self, case: &CaseId) -> Vec<Arrival> {
        self.entries().cases.get(case).map(CaseEntry::in_order).unwrap_or_default()
    }

    /// The requests of no case, which the implementation sent without a client request.
    #[must_use]
    pub fn unattributed(&self) -> Vec<Arrival> {
        self.entries().unattributed.in_order()
    }

    /// The requests of no case since this time, in milliseconds since the start of the mock
    /// upstreams.
    #[must_use]
    pub fn unattributed_since(&self, since_ms: f64) -> Vec<Arrival> {
        let mut arrivals = self.unattributed();
        arrivals.retain(|arrival| arrival.at_ms >= since_ms);
        arrivals
    }

    /// The servers that received a request of no case since this time, in milliseconds since the
    /// start of the mock upstreams.
    #[must_use]
    pub fn servers_of_unattributed(&self, since_ms: f64) -> BTreeSet<String> {
        let entries = self.entries();
        let arrivals = entries.unattributed.arrivals.iter().map(|(_, arrival)| arrival);
        arrivals
            .filter(|arrival| arrival.at_ms >= since_ms)
            .map(|arrival| arrival.server.clone())
            .collect()
    }

    /// Removes a case from the record, to limit the memory of a long run.
    pub fn forget(&self, case: &CaseId) {
        let mut entries = self.entries();
        entries.cases.remove(case);
        let next_number = self.shared.next_number.load(Ordering::Relaxed);
        entries.forgotten.insert(case.clone(), next_number);
        entries.sessions.retain(|_, session| session.case.as_ref() != Some(case));
        drop(entries);
        self.notify();
    }

    /// Removes the requests of a case so far. Its sessions stay open and need not be ended.
    pub fn restart_case(&self, case: &CaseId) {
        let mut entries = self.entries();
        if let Some(entry) = entries.cases.get_mut(case) {
            entry.arrivals.clear();
            entry.requests.clear();
            entry.live_sessions = 0;
        }
        for session in entries.sessions.values_mut() {
            if session.case.as_ref() == Some(case) {
                session.must_end = false;
            }
        }
    }

    /// The requests that arrived for forgotten cases since the last call.
    #[must_use]
    pub fn take_late_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.entries().late)
    }

    /// Waits until no request of the case is in flight and at most `live_sessions` sessions are
    /// open.
    ///
    /// Returns false if that takes too long.
    pub async fn wait_until_settled(
        &self,
        case: &CaseId,
        live_sessions: usize,
        within: Duration,
    ) -> bool {
        let mut changed = self.shared.changed.subscribe();
        let settled = async {
            while !self.is_settled(case, live_sessions) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(within, settled).await.is_ok()
    }

    /// Waits until a request of the case has arrived.
    pub async fn wait_for_arrival(&self, case: &CaseId) {
        let mut changed = self.shared.changed.subscribe();
        while self.arrivals(case).is_empty() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_settled(&self, case: &CaseId, live_sessions: usize) -> bool {
        self.entries()
            .cases
            .get(case)
            .is_none_or(|entry| entry.in_flight == 0 && entry.live_sessions <= live_sessions)
    }

    /// How many sessions of the case have been issued and not ended.
    #[must_use]
    pub fn live_sessions(&self, case: &CaseId) -> usize {
        self.entries().cases.get(case).map_or(0, |entry| entry.live_sessions)
    }

    /// The ids of the sessions that were issued to requests of the case.
    #[must_use]
    pub fn sessions(&self, case: &CaseId) -> BTreeSet<String> {
        let entries = self.entries();
        let of_case = entries
            .sessions
            .iter()
            .filter(|(_, session)| session.case.as_ref() == Some(case));
        of_case.map(|(id, _)| id.clone()).collect()
    }

    /// Waits until no request has arrived at any server for this time.
    ///
    /// Returns false if requests arrive until the limit.
    pub async fn wait_until_quiet(&self, quiet: Duration, limit: Duration) -> bool {
        let silence = async {
            loop {
                let before = self.shared.next_number.load(Ordering::Relaxed);
                sleep(quiet).await;
                if self.shared.next_number.load(Ordering::Relaxed) == before {
                    return;
                }
            }
        };
        timeout(limit, silence).await.is_ok()
    }

    /// How many TCP connections a server has accepted.
    #[must_use]
    pub fn connections(&self, server: &str) -> u64 {
        self.entries().connections.get(server).copied().unwrap_or_default()
    }

    /// Records an accepted connection.
    pub(super) fn connected(&self, server: &str, connection: u64) {
        let mut entries = self.entries();
        *entries.connections.entry(server.to_owned()).or_default() += 1;
        entries.without_request.insert(connection, server.to_owned());
    }

    /// Records that a request arrives on a connection.
    pub(super) fn used(&self, connection: u64) {
        self.entries().without_request.remove(&connection);
    }

    /// The servers of the connections without a request since the last call, once for each.
    #[must_use]
    pub fn take_connections_without_request(&self) -> Vec<String> {
        std::mem::take(&mut self.entries().without_request).into_values().collect()
    }

    /// The number of a request whose head has been read.
    pub(super) fn next_number(&self) -> u64 {
        self.shared.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Records a request, which is in flight until the ticket is dropped.
    pub(super) fn open(&self, case: Option<CaseId>, number: u64, arrival: Arrival) -> Ticket {
        let mut entries = self.entries();
        let forgotten_at = case.as_ref().and_then(|case| entries.forgotten.get(case));
        if forgotten_at.is_some_and(|forgotten_at| number >= *forgotten_at) {
            entries.late.push(arrival.clone());
        }
        let entry = entries.entry(case.as_ref());
        entry.arrivals.push((number, arrival));
        entry.in_flight += 1;
        let nth = entry.arrivals.len();
        drop(entries);
        self.notify();
        Ticket::new(self.clone(), case, number, nth)
    }

    /// The case that issued a session.
    pub(super) fn session_case(&self, session: &str) -> Option<CaseId> {
        self.entries().sessions.get(session).and_then(|session| session.case.clone())
    }

    /// Whether a session is open; `None` for an id that was never issued.
    pub(super) fn is_live(&self, session: &str) -> Option<bool> {
        self.entries().sessions.get(session).map(|session| session.live)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        self.shared.changed.send_replace(());
    }
}

impl Entries {
    /// The entry of a case, created if it does not exist.
    fn entry(&mut self, case: Option<&CaseId>) -> &mut CaseEntry {
        match case {
            Some(case) => self.cases.entry(case.clone()).or_default(),
            None => &mut self.unattributed,
        }
    }

    /// The entry of a case; `None` if the case was forgotten while a request was in flight.
    fn existing_entry(&mut self, case: Option<&CaseId>) -> Option<&mut CaseEntry> {
        match case {
            Some(case) => self.cases.get_mut(case),
            None => Some(&mut self.unattributed),
        }
    }
}

impl CaseEntry {
    fn in_order(&self) -> Vec<Arrival> {
        let mut arrivals: Vec<&(u64, Arrival)> = self.arrivals.iter().collect();
        arrivals.sort_by_key(|(number, _)| *number);
        arrivals.into_iter().map(|(_, arrival)| arrival.clone()).collect()
    }
}
