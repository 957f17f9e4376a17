//! Names one combination of the matrix: what the caller presents, to which server, by which route, and how the upstream answers.
//!
//! Knows neither which combinations make sense (`axes.toml` says that) nor what is expected of them (the rules say that).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares an axis: an enum whose values have one spelling in data files, reports and test names.
macro_rules! axis {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$value_doc])* #[serde(rename = $text)] $value,)+ }

        impl $name {
            /// Every value, in the order of the reports.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// The value as data files and reports spell it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

axis! {
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
        Nothing = "nothing",
        /// A valid key, and a bearer that is not one by RFC 6750 §2.1.
        MalformedToken = "malformed-token",
        /// A valid key, and the word `Bearer` with nothing behind it.
        EmptyToken = "empty-token",
        /// A valid key and two `Authorization` lines.
        TwoAuthorizationLines = "two-authorization-lines",
    }
}

axis! {
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
        Ungranted = "ungranted",
        /// A name that the configuration does not know.
        Unknown = "unknown",
        /// Several forwarding servers in one request.
        Several = "several",
    }
}

axis! {
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

axis! {
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

axis! {
    /// A set of behaviours that an implementation can choose as a whole. A requirement of another profile is not applicable to it.
    #[derive(Default)]
    Profile {
        /// A challenge with the gateway's own discovery URL, a bare 403, any refusal refuses.
        #[default]
        Seed = "seed",
        /// What the MCP specification asks of a server.
        Mcp = "mcp",
        /// Upstream challenges relayed untouched.
        Transparent = "transparent",
    }
}

axis! {
    /// The revision of MCP that a client speaks, or a server. Older ones are less than newer ones.
    #[derive(Default)]
    Era {
        /// Sessions opened by `initialize`, and no version header.
        March2025 = "2025-03-26",
        /// As before, with a version header after `initialize`.
        June2025 = "2025-06-18",
        /// As before; the revision that is spoken unless said otherwise.
        #[default]
        November2025 = "2025-11-25",
        /// No sessions: `_meta` on every request, mirrored in header fields.
        July2026 = "2026-07-28",
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

/// The axes, as data files and filters call them, in the order in which a cell names its values.
pub const AXES: [&str; 8] = [
    "credentials",
    "server",
    "upstream",
    "method",
    "route",
    "strategy",
    "profile",
    "era",
];

/// One combination. Its `Display` form, the values joined by ` / `, is its id: stable, and never an ordinal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// How the caller presents itself.
    pub credentials: Credentials,
    /// The kind of server asked for.
    pub server: ServerKind,
    /// The upstream's behaviour, by its name in `behaviours.toml`, with its body variant behind a `+` where it has several. Of several
    /// servers a mix: one behaviour for each, in the order of the configuration, joined by commas.
    pub upstream: String,
    /// What is sent.
    pub method: Method,
    /// The route's spelling, with `{server}` in the server's place; one of several servers has `{servers}`, `{toolset}`, or neither.
    pub route: String,
    /// The strategy that the implementation was started with.
    pub strategy: Strategy,
    /// The profile that it was started with.
    pub profile: Profile,
    /// The revision that the client speaks.
    pub era: Era,
}

impl Cell {
    /// The value of an axis; empty where there is no such axis.
    #[must_use]
    pub fn value(&self, axis: &str) -> &str {
        match axis {
            "credentials" => self.credentials.as_str(),
            "server" => self.server.as_str(),
            "upstream" => &self.upstream,
            "method" => self.method.as_str(),
            "route" => &self.route,
            "strategy" => self.strategy.as_str(),
            "profile" => self.profile.as_str(),
            "era" => self.era.as_str(),
            _ => "",
        }
    }
}

impl Cell {
    /// The behaviour of each server that is asked for, in the order of the configuration.
    pub fn mix(&self) -> impl Iterator<Item = &str> {
        self.upstream.split(',')
    }

    /// The behaviour of the one server that decides: of several, it is the second that a call is meant for, and there is none for a
    /// message to them all.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match (self.server, self.method) {
            (ServerKind::Several, Method::ToolsCall) => self.mix().take(2).last(),
            (ServerKind::Several, _) => None,
            _ => Some(&self.upstream),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            credentials,
            server,
            upstream,
            method,
            route,
            strategy,
            profile,
            era,
        } = self;
        write!(
            f,
            "{credentials} / {server} / {upstream} / {method} / {route} / {strategy} / {profile} / {era}"
        )
    }
}
