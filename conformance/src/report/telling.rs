//! Which of several failing cases shows a reader most about the cause.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cases::axis::Method,
    judge::{
        masking::Masking,
        run_file::{JudgedCase, Run},
    },
};

/// How much a case shows. The greatest value is the most telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Telling {
    /// Whether the request asks the upstream server for something. A gateway may answer
    /// `initialize` itself, and a notification has no result.
    asks_upstream: bool,
    /// How a refusal is masked.
    masking: Option<Masking>,
    /// Whether the request is a `tools/call`, which no gateway can answer itself.
    calls_tool: bool,
}

impl Telling {
    fn of(case: &JudgedCase<'_>) -> Self {
        let is_answered_by_gateway =
            |method: Method| matches!(method, Method::Initialize | Method::Notification);
        Self {
            asks_upstream: case
                .matrix_case
                .is_none_or(|matrix_case| !is_answered_by_gateway(matrix_case.method)),
            masking: Masking::of(case),
            calls_tool: case
                .matrix_case
                .is_some_and(|matrix_case| matrix_case.method == Method::ToolsCall),
        }
    }

    /// The values of these cases of a run, by their ids.
    pub(super) fn of_cases(run: &Run, ids: &BTreeSet<&str>) -> BTreeMap<String, Self> {
        run.cases()
            .filter(|case| ids.contains(case.id.as_str()))
            .map(|case| (case.id.clone(), Self::of(&case)))
            .collect()
    }
}
