//! Keeps what every upstream saw: arrivals by case, live sessions, connections. Decides nothing and judges nothing.
//!
//! A case is *in flight* while one of its requests has not been answered to the end; waiting for it to settle is driven by events.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::{cases::token_script::CaseId, trace::Arrival};

/// What the mock upstreams has seen so far. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    arrivals: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    cases: HashMap<CaseId, Seen>,
    stray: Seen,
    /// With the number that the next arrival had then.
    forgotten: HashMap<CaseId, u64>,
    late: Vec<Arrival>,
    sessions: HashMap<String, Session>,
    connections: HashMap<String, u64>,
}

/// What was seen of one case, or of none.
#[derive(Debug, Default)]
struct Seen {
    /// With the arrivals' numbers, which grow in the order in which heads were read.
    arrivals: Vec<(u64, Arrival)>,
    in_flight: usize,
    live_sessions: usize,
    turns: HashMap<String, usize>,
}

#[derive(Debug)]
struct Session {
    case: Option<CaseId>,
    live: bool,
    /// Whether its case has to end it.
    counts: bool,
}

impl Record {
    /// What upstreams saw of a case, in order of arrival: requests to `elsewhere` and `issuer` that carry its script included.
    #[must_use]
    pub fn arrivals(&self, case: &CaseId) -> Vec<Arrival> {
        self.state().cases.get(case).map(Seen::in_order).unwrap_or_default()
    }

    /// What upstreams saw that belongs to no case: the implementation's own doings.
    #[must_use]
    pub fn unattributed(&self) -> Vec<Arrival> {
        self.state().stray.in_order()
    }

    /// Drops what is known of a case, so that a long run stays small.
    pub fn forget(&self, case: &CaseId) {
        let mut state = self.state();
        state.cases.remove(case);
        state
            .forgotten
            .insert(case.clone(), self.shared.arrivals.load(Ordering::Relaxed));
        state.sessions.retain(|_, session| session.case.as_ref() != Some(case));
        drop(state);
        self.shared.changed.send_replace(());
    }

    /// Forgets what a case has asked so far, and keeps the sessions that it opened: the client's own, which it need not end.
    pub fn restart_case(&self, case: &CaseId) {
        let mut state = self.state();
        if let Some(seen) = state.cases.get_mut(case) {
            seen.arrivals.clear();
            seen.turns.clear();
            seen.live_sessions = 0;
        }
        state
            .sessions
            .values_mut()
            .filter(|session| session.case.as_ref() == Some(case))
            .for_each(|session| session.counts = false);
    }

    /// What was asked for cases that had been forgotten by then, since this was called last.
    #[must_use]
    pub fn take_late_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.state().late)
    }

    /// Waits until no request of the case is in flight and at most that many of its sessions live. False if that takes longer.
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
        self.state()
            .cases
            .get(case)
            .is_none_or(|seen| seen.in_flight == 0 && seen.live_sessions <= live_sessions)
    }

    /// How many sessions of the case live: issued and not ended.
    #[must_use]
    pub fn live_sessions(&self, case: &CaseId) -> usize {
        self.state().cases.get(case).map_or(0, |seen| seen.live_sessions)
    }

    /// How many TCP connections a server has accepted.
    #[must_use]
    pub fn connections(&self, server: &str) -> u64 {
        self.state().connections.get(server).copied().unwrap_or_default()
    }

    pub(super) fn connected(&self, server: &str) {
        *self.state().connections.entry(server.to_owned()).or_default() += 1;
    }

    /// A number for a request whose head has just been read.
    pub(super) fn number(&self) -> u64 {
        self.shared.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes an arrival down and holds its case in flight until the ticket is dropped.
    pub(super) fn open(&self, case: Option<CaseId>, number: u64, arrival: Arrival) -> Ticket {
        let mut state = self.state();
        if case
            .as_ref()
            .and_then(|case| state.forgotten.get(case))
            .is_some_and(|from| number >= *from)
        {
            state.late.push(arrival.clone());
        }
        let seen = state.open(case.as_ref());
        seen.arrivals.push((number, arrival));
        seen.in_flight += 1;
        let nth = seen.arrivals.len();
        drop(state);
        self.shared.changed.send_replace(());
        Ticket { record: self.clone(), case, number, nth }
    }

    /// The case that a session belongs to: the one that issued it.
    pub(super) fn owner(&self, session: &str) -> Option<CaseId> {
        self.state().sessions.get(session).and_then(|session| session.case.clone())
    }

    /// Whether a session lives; `None` for an id that was never issued.
    pub(super) fn lives(&self, session: &str) -> Option<bool> {
        self.state().sessions.get(session).map(|session| session.live)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&mut self, case: Option<&CaseId>) -> &mut Seen {
        match case {
            Some(case) => self.cases.entry(case.clone()).or_default(),
            None => &mut self.stray,
        }
    }

    /// `None` for a case that was forgotten while a request of it was in flight.
    fn seen(&mut self, case: Option<&CaseId>) -> Option<&mut Seen> {
        match case {
            Some(case) => self.cases.get_mut(case),
            None => Some(&mut self.stray),
        }
    }
}

impl Seen {
    fn in_order(&self) -> Vec<Arrival> {
        let mut arrivals: Vec<&(u64, Arrival)> = self.arrivals.iter().collect();
        arrivals.sort_by_key(|(number, _)| *number);
        arrivals.into_iter().map(|(_, arrival)| arrival.clone()).collect()
    }
}

/// One request in flight. Dropping it says that its answer has ended, however it ended.
#[derive(Debug)]
pub(super) struct Ticket {
    record: Record,
    case: Option<CaseId>,
    number: u64,
    /// The how many-th request of its case this is, counted from one.
    pub(super) nth: usize,
}

impl Ticket {
    pub(super) fn case(&self) -> Option<&CaseId> {
        self.case.as_ref()
    }

    /// The how many-th request of its case to this server this is, counted from one, among those that ask.
    pub(super) fn turn(&self, server: &str) -> usize {
        let mut state = self.record.state();
        let turn = state.open(self.case.as_ref()).turns.entry(server.to_owned()).or_default();
        *turn += 1;
        *turn
    }

    /// Notes what is about to be answered.
    pub(super) fn answered(&self, answer: &str) {
        self.note(&mut self.record.state(), |arrival| answer.clone_into(&mut arrival.answered));
    }

    /// Notes a session that the answer issues; it belongs to this case.
    pub(super) fn issued(&self, session: &str) {
        let mut state = self.record.state();
        state.sessions.insert(
            session.to_owned(),
            Session { case: self.case.clone(), live: true, counts: true },
        );
        state.open(self.case.as_ref()).live_sessions += 1;
        self.note(&mut state, |arrival| arrival.session_issued = Some(session.to_owned()));
        drop(state);
        self.record.shared.changed.send_replace(());
    }

    /// Notes a session that this request ended, whichever case issued it.
    pub(super) fn ended(&self, session: &str) {
        let mut state = self.record.state();
        let Some(known) = state.sessions.get_mut(session) else { return };
        if std::mem::replace(&mut known.live, false) {
            let (owner, counts) = (known.case.clone(), known.counts);
            if let Some(seen) = state.seen(owner.as_ref()).filter(|_| counts) {
                seen.live_sessions = seen.live_sessions.saturating_sub(1);
            }
            self.note(&mut state, |arrival| arrival.session_ended = Some(session.to_owned()));
        }
        drop(state);
        self.record.shared.changed.send_replace(());
    }

    /// Takes back the session that an answer would have issued, had it reached anyone.
    pub(super) fn undelivered(&self) {
        let mut state = self.record.state();
        let mut issued = None;
        self.note(&mut state, |arrival| issued = arrival.session_issued.take());
        if let Some(session) = issued
            .and_then(|session| state.sessions.remove(&session))
            .filter(|session| session.live)
            && let Some(seen) = state.seen(session.case.as_ref())
        {
            seen.live_sessions = seen.live_sessions.saturating_sub(1);
        }
    }

    fn note(&self, state: &mut State, note: impl FnOnce(&mut Arrival)) {
        let arrivals = state.seen(self.case.as_ref()).map(|seen| seen.arrivals.iter_mut().rev());
        if let Some((_, arrival)) =
            arrivals.into_iter().flatten().find(|(number, _)| *number == self.number)
        {
            note(arrival);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.record.state();
        if let Some(seen) = state.seen(self.case.as_ref()) {
            seen.in_flight = seen.in_flight.saturating_sub(1);
        }
        drop(state);
        self.record.shared.changed.send_replace(());
    }
}
