//! What a part keeps until all of its cases have run, because it is uncertain which upstream
//! requests belong to which case.

use super::{attribution::Doubt, driver::CollectedCase};
use crate::{cases::matrix_case::MatrixCase, trace::Arrival};

/// The matrix cases of a part whose attribution is not certain.
#[derive(Debug, Default)]
pub(super) struct UndecidedCases {
    /// They are judged if the gateway sends no requests by itself.
    pub(super) assumed: Vec<CollectedCase>,
    /// They run again.
    pub(super) uncertain: Vec<(MatrixCase, Doubt)>,
}

/// Requests that no case of the run contains.
pub(super) type StrayRequests = Vec<Arrival>;
