//! The faults with which a mock upstream delivers an answer. The module `upstreams` implements
//! them.

use serde::{Deserialize, Serialize};

/// How the delivery of an answer is damaged on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The upstream reads the request and never answers.
    Never,
    /// Half of the head. The connection stays open without further bytes.
    StallHead,
    /// The head and half of the body. The connection stays open without further bytes.
    StallBody,
    /// A TCP reset instead of an answer.
    ResetBeforeHead,
    /// The head, then a TCP reset.
    ResetAfterHead,
    /// The head and half of the body, then a TCP reset.
    ResetMidBody,
    /// The end of the connection instead of an answer.
    CloseBeforeHead,
    /// The head and half of the body, then the end of the connection.
    Truncated,
    /// The head and a chunk, then a chunk whose size is not a number.
    BadChunk,
    /// Bytes that are not HTTP, then the end of the connection.
    Garbage,
    /// The head, then the body repeated until the peer disconnects.
    EndlessBody,
    /// The complete answer; the connection ends when the peer disconnects.
    HeldOpen,
    /// A 103 response before the answer.
    EarlyHints,
    /// HTTP/1.0: the end of the connection ends the body.
    Http10,
    /// The header field names in lower case.
    LowerCase,
    /// A status line without a reason phrase.
    NoReason,
    /// The answer waits until `n` requests of the case are pending. If they do not arrive, it is
    /// 500.
    Barrier,
    /// An event stream whose events the suite releases one by one.
    Progress,
}

impl Fault {
    /// The fault's name in data files and in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::StallHead => "stall-head",
            Self::StallBody => "stall-body",
            Self::ResetBeforeHead => "reset-before-head",
            Self::ResetAfterHead => "reset-after-head",
            Self::ResetMidBody => "reset-mid-body",
            Self::CloseBeforeHead => "close-before-head",
            Self::Truncated => "truncated",
            Self::BadChunk => "bad-chunk",
            Self::Garbage => "garbage",
            Self::EndlessBody => "endless-body",
            Self::HeldOpen => "held-open",
            Self::EarlyHints => "early-hints",
            Self::Http10 => "http10",
            Self::LowerCase => "lower-case",
            Self::NoReason => "no-reason",
            Self::Barrier => "barrier",
            Self::Progress => "progress",
        }
    }

    /// Whether the upstream sends no part of an answer, so that the behaviour states none.
    #[must_use]
    pub const fn needs_no_answer(self) -> bool {
        matches!(
            self,
            Self::Never | Self::ResetBeforeHead | Self::CloseBeforeHead | Self::Garbage
        )
    }
}
