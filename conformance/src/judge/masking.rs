//! How a gateway masks a refusal: it answers with a success although an upstream server refused the
//! token.

use super::run_file::{JudgedCase, Run};

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

    /// How the refusal of a case is masked; `None` if no server refused the token or if the client
    /// could see the refusal by the status.
    #[must_use]
    pub fn of(case: &JudgedCase<'_>) -> Option<Self> {
        let is_refusal =
            |answered: &str| answered.starts_with("401") || answered.starts_with("403");
        let observed = case.observations.get("result")?;
        let masking = Self::ALL.into_iter().find(|masking| masking.as_str() == observed)?;
        let is_refused = case.trace.arrivals.iter().any(|arrival| is_refusal(&arrival.answered));
        is_refused.then_some(masking)
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
