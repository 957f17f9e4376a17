//! The faults with which a mock upstream delivers an answer. The mock upstreams write each byte by byte.

use serde::{Deserialize, Serialize};

/// How the delivery of an answer is damaged on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The upstream reads the request and never answers.
    Never,
    /// Half of the head, then silence.
    StallHead,
    /// The head and half of the body, then silence.
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
    /// With header names in lower case.
    LowerCase,
    /// Without a reason phrase.
    NoReason,
    /// Only when `n` requests of the case wait at once; 500 if they do not come together.
    Barrier,
    /// Event by event, each let go by the suite.
    Progress,
}

impl Fault {
    /// The fault as data files and the record spell it.
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

    /// Whether nothing of an answer is sent, so that there is none to state.
    #[must_use]
    pub const fn needs_no_answer(self) -> bool {
        matches!(
            self,
            Self::Never | Self::ResetBeforeHead | Self::CloseBeforeHead | Self::Garbage
        )
    }
}
