//! How a gateway masks a refusal: it answers with a success although an upstream server refused the
//! token.

use super::run_file::{JudgedCase, Run};

/// The observables that show whether a success is a wrong response.
const OF_RESPONSE: [&str; 3] = ["status", "all-statuses", "result"];

/// How a refusal is masked, ordered from the least to the most harmful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Masking {
    /// Status 200 with a JSON-RPC error: clients see an error, but do not authorize again.
    JsonRpcError,
    /// A tool result with `isError`: the model reads the error, and the client does not.
    ErrorResult,
    /// A success without the upstream server, for example a stored list: the client offers tools
    /// that it cannot call.
    CachedSuccess,
    /// An empty list or an empty result: nothing shows that the token was refused.
    EmptySuccess,
}

impl Masking {
    /// Every kind, from the least to the most harmful.
    pub const ALL: [Self; 4] =
        [Self::JsonRpcError, Self::ErrorResult, Self::CachedSuccess, Self::EmptySuccess];

    /// The value of the observable `result` in such a case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JsonRpcError => "json-rpc-error-200",
            Self::ErrorResult => "error-in-success",
            Self::CachedSuccess => "cached-success",
            Self::EmptySuccess => "empty-success",
        }
    }

    /// The kind in words.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::JsonRpcError => "JSON-RPC error in a 200",
            Self::ErrorResult => "`isError` result",
            Self::CachedSuccess => "success without the upstream server, such as a cached list",
            Self::EmptySuccess => "empty success",
        }
    }

    /// How the refusal of a case is masked; `None` if no server refused the token, if the client
    /// could see the refusal by the status, or if the success is what was expected.
    #[must_use]
    pub fn of(case: &JudgedCase<'_>) -> Option<Self> {
        let is_refusal =
            |answered: &str| answered.starts_with("401") || answered.starts_with("403");
        let observed = case.observations.get("result")?;
        let masking = Self::ALL.into_iter().find(|masking| masking.as_str() == observed)?;
        let is_refused = case.trace.arrivals.iter().any(|arrival| is_refusal(&arrival.answered));
        let is_wrong = case.findings.iter().any(|finding| {
            finding.verdict.is_red() && OF_RESPONSE.contains(&finding.observable.as_str())
        });
        (is_refused && is_wrong).then_some(masking)
    }

    /// The number of cases of a run in which a refusal is masked in each way, the most harmful
    /// first.
    #[must_use]
    pub fn counts(run: &Run) -> Vec<(Self, usize)> {
        let masked: Vec<Self> = run.cases().filter_map(|case| Self::of(&case)).collect();
        let count = |masking: Self| masked.iter().filter(|other| **other == masking).count();
        Self::ALL
            .into_iter()
            .rev()
            .map(|masking| (masking, count(masking)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Verdict, compare::tests::run_with};

    #[test]
    fn only_a_wrong_success_masks_a_refusal() {
        assert_eq!(
            Masking::counts(&run_with(Verdict::Fail, "empty-success")),
            [(Masking::EmptySuccess, 1)]
        );
        assert!(Masking::counts(&run_with(Verdict::Pass, "empty-success")).is_empty());
        assert!(Masking::counts(&run_with(Verdict::Fail, "upstream")).is_empty());
        let mut accepted = run_with(Verdict::Fail, "empty-success");
        accepted.matrix_cases[0].trace.arrivals[0].answered = "200".into();
        assert!(Masking::counts(&accepted).is_empty());
    }
}
