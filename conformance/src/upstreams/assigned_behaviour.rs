//! Behaviours that are assigned to servers, for requests whose token has no script.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cases::token_script::CaseId;

/// The assignments of all servers.
#[derive(Debug)]
pub(super) struct Assignments {
    slots: HashMap<String, Arc<Slot>>,
}

/// The assignment of one server.
#[derive(Debug)]
struct Slot {
    current: Mutex<Option<Assignment>>,
    /// One permit: the right to have an assignment.
    permit: Arc<Semaphore>,
}

/// The case that requests without a script belong to, and the behaviour that they get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) case: CaseId,
    pub(super) behaviour: String,
}

/// An assigned behaviour. Dropping it ends the assignment.
#[derive(Debug)]
pub struct AssignedBehaviour {
    /// `None` for a server that is not a mock upstream.
    held: Option<(Arc<Slot>, OwnedSemaphorePermit)>,
}

impl Drop for AssignedBehaviour {
    fn drop(&mut self) {
        // The assignment ends before the permit is released.
        if let Some((slot, permit)) = self.held.take() {
            slot.set(None);
            drop(permit);
        }
    }
}

impl Slot {
    fn set(&self, assignment: Option<Assignment>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = assignment;
    }

    fn get(&self) -> Option<Assignment> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Assignments {
    /// No assignment for each of these servers.
    pub(super) fn new<'a>(servers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut slots = HashMap::new();
        for server in servers {
            let slot = Slot {
                current: Mutex::new(None),
                permit: Arc::new(Semaphore::new(1)),
            };
            slots.insert(server.to_owned(), Arc::new(slot));
        }
        Self { slots }
    }

    /// Waits until the server has no assignment, and then assigns the behaviour.
    pub(super) async fn assign(
        &self,
        server: &str,
        case: CaseId,
        behaviour: &str,
    ) -> AssignedBehaviour {
        let Some(slot) = self.slots.get(server) else {
            return AssignedBehaviour { held: None };
        };
        // The semaphore is never closed, so this does not fail.
        let Ok(permit) = Arc::clone(&slot.permit).acquire_owned().await else {
            return AssignedBehaviour { held: None };
        };
        slot.set(Some(Assignment { case, behaviour: behaviour.to_owned() }));
        AssignedBehaviour { held: Some((Arc::clone(slot), permit)) }
    }

    /// The current assignment of a server.
    pub(super) fn current(&self, server: &str) -> Option<Assignment> {
        self.slots.get(server)?.get()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, pin::pin};

    use super::*;

    fn case(name: &str) -> CaseId {
        CaseId(name.to_owned())
    }

    #[tokio::test]
    async fn an_assignment_lasts_until_its_guard_is_dropped() {
        let assignments = Assignments::new(["static"]);
        let guard = assignments.assign("static", case("s"), "403-bare").await;
        let expected = Assignment { case: case("s"), behaviour: "403-bare".to_owned() };
        assert_eq!(assignments.current("static"), Some(expected));
        drop(guard);
        assert_eq!(assignments.current("static"), None);
    }

    #[tokio::test]
    async fn an_assignment_waits_for_the_end_of_the_earlier_one() {
        let assignments = Assignments::new(["static"]);
        let first = assignments.assign("static", case("1"), "500").await;
        let mut second = pin!(assignments.assign("static", case("2"), "503"));
        tokio::select! {
            biased;
            _ = &mut second => panic!("the first assignment has not ended"),
            () = ready(()) => {}
        }
        drop(first);
        second.await;
    }
}
