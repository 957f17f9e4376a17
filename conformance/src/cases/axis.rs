//! The axes of the matrix that have a fixed set of values.
//!
//! `cases/axes.toml` states which combinations of them are used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Profile, named_values::named_values};

named_values! {
    /// How the caller presents itself to the gateway.
    Credentials {
        /// The gateway key in its own header field, the upstream token in `Authorization`.
        KeyAndToken = "key-and-token",
        /// Only `Authorization`, with an upstream token. A gateway may take it for a gateway key.
        TokenOnly = "token-only",
        /// The gateway key in its own header field, without `Authorization`.
        KeyOnly = "key-only",
        /// Only the gateway key, as the bearer token in `Authorization`.
        KeyInAuthorization = "key-in-authorization",
        /// The gateway key both in its own header field and in `Authorization`.
        SameKeyTwice = "same-key-twice",
        /// An unknown gateway key beside an upstream token.
        WrongKeyAndToken = "wrong-key-and-token",
        /// Neither a gateway key nor a token.
        NoCredentials = "no-credentials",
        /// A valid key, and a bearer token that violates the syntax of RFC 6750 §2.1.
        MalformedToken = "malformed-token",
        /// A valid key, and the scheme `Bearer` without a token.
        EmptyToken = "empty-token",
        /// A valid key, and two `Authorization` field lines.
        TwoAuthorizationLines = "two-authorization-lines",
    }
}

named_values! {
    /// The kind of server that the client requests.
    ServerKind {
        /// A token-forwarding server: it receives the caller's `Authorization`.
        Forwarding = "forwarding",
        /// A static-credential server: its credential is in the gateway's configuration.
        Static = "static",
        /// A client-credentials server: the gateway obtains its token (RFC 6749 §4.4).
        ClientCredentials = "client-credentials",
        /// A server that receives no credential.
        Open = "none",
        /// A forwarding server that the caller's key may not use.
        NotPermitted = "not-permitted",
        /// A name that the configuration does not contain.
        Unknown = "unknown",
        /// Several forwarding servers in one request.
        Aggregate = "aggregate",
    }
}

named_values! {
    /// What the client sends.
    Method {
        /// POST `initialize`.
        Initialize = "initialize",
        /// POST `tools/list`.
        ToolsList = "tools-list",
        /// POST `tools/call`.
        ToolsCall = "tools-call",
        /// POST `notifications/cancelled`, a notification.
        Notification = "notification",
        /// GET, the server-to-client stream of the protocol versions before 2026-07-28.
        Get = "get",
        /// DELETE, which ends a session.
        Delete = "delete",
        /// POST `server/discover`, new in 2026-07-28.
        Discover = "discover",
        /// POST `subscriptions/listen`, new in 2026-07-28.
        Listen = "listen",
        /// POST `resources/read`.
        ResourcesRead = "resources-read",
        /// POST `prompts/get`.
        PromptsGet = "prompts-get",
    }
}

named_values! {
    /// How the gateway learns whether the upstream accepts a token.
    Strategy {
        /// It sends a probe before the client's request.
        Probe = "probe",
        /// It does not send the response head before it has the upstream's.
        Deferred = "deferred",
        /// The implementation's only strategy; its configuration offers no choice.
        Own = "own",
    }
}

/// How an implementation is started. The suite starts it once for each combination that it
/// declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Start {
    /// The profile.
    pub profile: Profile,
    /// The strategy.
    pub strategy: Strategy,
}

impl Start {
    /// Every combination.
    pub fn all() -> impl Iterator<Item = Self> {
        Profile::ALL.iter().flat_map(|&profile| {
            Strategy::ALL.iter().map(move |&strategy| Self { profile, strategy })
        })
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.strategy, self.profile)
    }
}
