//! Healthy phases of cases: the times at which the client opens or ends a session.
//!
//! While a case is in its healthy phase, every server answers its requests like a healthy server
//! and ignores the script of its token. The token can therefore stay the same for the whole
//! session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::cases::token_script::CaseId;

/// The cases that are in their healthy phase, each with the number of guards.
#[derive(Clone, Debug, Default)]
pub(super) struct HealthyPhases(Arc<Mutex<HashMap<CaseId, usize>>>);

/// The healthy phase of a case. Dropping it ends the phase.
#[derive(Debug)]
pub struct HealthyPhase {
    phases: HealthyPhases,
    case: CaseId,
}

impl HealthyPhases {
    /// Begins a healthy phase of a case.
    pub(super) fn begin(&self, case: CaseId) -> HealthyPhase {
        let mut cases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *cases.entry(case.clone()).or_default() += 1;
        HealthyPhase { phases: self.clone(), case }
    }

    /// Whether a case is in its healthy phase.
    pub(super) fn contains(&self, case: &CaseId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(case)
    }
}

impl Drop for HealthyPhase {
    fn drop(&mut self) {
        let mut cases = self.phases.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guards) = cases.get_mut(&self.case) {
            *guards -= 1;
            if *guards == 0 {
                cases.remove(&self.case);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_ends_with_its_last_guard() {
        let phases = HealthyPhases::default();
        let case = CaseId("c".to_owned());
        let first = phases.begin(case.clone());
        let second = phases.begin(case.clone());
        drop(first);
        assert!(phases.contains(&case));
        assert!(!phases.contains(&CaseId("d".to_owned())));
        drop(second);
        assert!(!phases.contains(&case));
    }
}
