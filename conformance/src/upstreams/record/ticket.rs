//! One request in flight, from its arrival to the end of its response.

use super::{Entries, Record, Session};
use crate::{cases::token_script::CaseId, trace::Arrival};

/// One request in flight. Dropping it records that its response has ended in any way.
#[derive(Debug)]
pub(in crate::upstreams) struct Ticket {
    record: Record,
    case: Option<CaseId>,
    number: u64,
    /// The position of the request among the requests of its case, from one on.
    pub(in crate::upstreams) nth: usize,
}

impl Ticket {
    pub(super) fn new(record: Record, case: Option<CaseId>, number: u64, nth: usize) -> Self {
        Self { record, case, number, nth }
    }

    /// The case of the request.
    pub(in crate::upstreams) fn case(&self) -> Option<&CaseId> {
        self.case.as_ref()
    }

    /// Counts the request for a server. Returns the number of requests of the case counted so far.
    pub(in crate::upstreams) fn count_request(&self, server: &str) -> usize {
        let mut entries = self.record.entries();
        let entry = entries.entry(self.case.as_ref());
        let requests = entry.requests.entry(server.to_owned()).or_default();
        *requests += 1;
        *requests
    }

    /// Records a description of the response.
    pub(in crate::upstreams) fn responded(&self, response: &str) {
        if let Some(arrival) = self.arrival(&mut self.record.entries()) {
            response.clone_into(&mut arrival.answered);
        }
    }

    /// Records that the response issues a session, which belongs to this case.
    pub(in crate::upstreams) fn session_issued(&self, session: &str) {
        let mut entries = self.record.entries();
        let new = Session { case: self.case.clone(), live: true, must_end: true };
        entries.sessions.insert(session.to_owned(), new);
        entries.entry(self.case.as_ref()).live_sessions += 1;
        if let Some(arrival) = self.arrival(&mut entries) {
            arrival.session_issued = Some(session.to_owned());
        }
        drop(entries);
        self.record.notify();
    }

    /// Records that this request ended a session, which may belong to another case.
    pub(in crate::upstreams) fn session_ended(&self, session: &str) {
        let mut entries = self.record.entries();
        let Some(known) = entries.sessions.get_mut(session) else {
            return;
        };
        if std::mem::replace(&mut known.live, false) {
            let (case, must_end) = (known.case.clone(), known.must_end);
            if must_end && let Some(entry) = entries.existing_entry(case.as_ref()) {
                entry.live_sessions = entry.live_sessions.saturating_sub(1);
            }
            if let Some(arrival) = self.arrival(&mut entries) {
                arrival.session_ended = Some(session.to_owned());
            }
        }
        drop(entries);
        self.record.notify();
    }

    /// Records that the response did not reach the peer. A session that it issued does not exist.
    pub(in crate::upstreams) fn undelivered(&self) {
        let mut entries = self.record.entries();
        let issued = self.arrival(&mut entries).and_then(|arrival| arrival.session_issued.take());
        let session = issued.and_then(|session| entries.sessions.remove(&session));
        if let Some(session) = session.filter(|session| session.live)
            && let Some(entry) = entries.existing_entry(session.case.as_ref())
        {
            entry.live_sessions = entry.live_sessions.saturating_sub(1);
        }
    }

    /// The record of this request; `None` if its case was forgotten.
    fn arrival<'a>(&self, entries: &'a mut Entries) -> Option<&'a mut Arrival> {
        entries
            .existing_entry(self.case.as_ref())?
            .arrivals
            .iter_mut()
            .rev()
            .find(|(number, _)| *number == self.number)
            .map(|(_, arrival)| arrival)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut entries = self.record.entries();
        if let Some(entry) = entries.existing_entry(self.case.as_ref()) {
            entry.in_flight = entry.in_flight.saturating_sub(1);
        }
        drop(entries);
        self.record.notify();
    }
}
