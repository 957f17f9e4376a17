//! Combines the refusals of several servers into the refusal of the request (AGG-01, AGG-06).

/// How one server refused its part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartRefusal {
    /// HTTP 401.
    Unauthorized,
    /// HTTP 403.
    Forbidden,
}

/// The refusal of a request to several servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AggregateRefusal {
    pub(super) kind: PartRefusal,
    /// The position of the server whose refusal is passed on.
    pub(super) refusing: usize,
    /// The position of the server that the response names.
    pub(super) named: usize,
}

/// 401 outranks 403; of several servers that refuse alike, the first in the configuration is named.
pub(super) fn combine(parts: &[Option<PartRefusal>]) -> Option<AggregateRefusal> {
    refusal(parts, PartRefusal::Unauthorized).or_else(|| refusal(parts, PartRefusal::Forbidden))
}

/// The first refusal of this kind.
pub(super) fn refusal(
    parts: &[Option<PartRefusal>],
    kind: PartRefusal,
) -> Option<AggregateRefusal> {
    let refusing = parts.iter().position(|part| *part == Some(kind))?;
    Some(AggregateRefusal { kind, refusing, named: refusing })
}
