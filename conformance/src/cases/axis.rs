//! The axes of the matrix that have a fixed set of values.
//!
//! `cases/axes.toml` says which combinations make sense.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Profile, named_values::named_values};

named_values! {
    /// How the caller presents itself to the gateway.
    Credentials {
        /// The gateway key in its own header, the upstream token in `Authorization`.
        KeyAndToken = "key-and-token",
        /// No key anywhere; `Authorization` holds something that may be one.
        TokenOnly = "token-only",
        /// The gateway key in its own header and no `Authorization`.
        KeyOnly = "key-only",
        /// The gateway key as the bearer of `Authorization`, and nothing else.
        KeyInAuthorization = "key-in-authorization",
        /// The gateway key in both places.
        SameKeyTwice = "same-key-twice",
        /// An unknown gateway key beside an upstream token.
        WrongKeyAndToken = "wrong-key-and-token",
        /// Neither key nor token.
        NoCredentials = "no-credentials",
        /// A valid key, and a bearer that is not one by RFC 6750 §2.1.
        MalformedToken = "malformed-token",
        /// A valid key, and the word `Bearer` with nothing behind it.
        EmptyToken = "empty-token",
        /// A valid key and two `Authorization` lines.
        TwoAuthorizationLines = "two-authorization-lines",
    }
}

named_values! {
    /// What kind of server the request asks for.
    ServerKind {
        /// Hands the caller's `Authorization` on.
        Forwarding = "forwarding",
        /// Has a credential of its own in the gateway's configuration.
        Static = "static",
        /// Its credential is minted by the gateway from client credentials.
        ClientCredentials = "client-credentials",
        /// Gets no credential at all.
        Open = "none",
        /// A forwarding server that the caller's key may not use.
        NotPermitted = "not-permitted",
        /// A name that the configuration does not know.
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
        /// POST `notifications/cancelled`, a message without an id.
        Notification = "notification",
        /// GET, the listening stream of the revisions before 2026-07-28.
        Get = "get",
        /// DELETE, the end of a session.
        Delete = "delete",
        /// POST `server/discover`, which came with 2026-07-28.
        Discover = "discover",
        /// POST `subscriptions/listen`, which came with 2026-07-28.
        Listen = "listen",
        /// POST `resources/read`.
        ResourcesRead = "resources-read",
        /// POST `prompts/get`.
        PromptsGet = "prompts-get",
    }
}

named_values! {
    /// How the gateway finds out what the upstream makes of a token.
    Strategy {
        /// It asks with a request of its own first.
        Probe = "probe",
        /// It holds the response head until the upstream's head is known.
        Deferred = "deferred",
        /// Whatever the implementation does; it offers no choice.
        Own = "own",
    }
}

/// How an implementation is started: each combination that it declares is a start of its own.
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
