//! Names one combination of the matrix: what the caller presents, to which server, by which route, and how the upstream answers.
//!
//! Knows neither which combinations make sense (`axes.toml` says that) nor what is expected of them (the rules say that).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::axis::{Credentials, Method, ServerKind, Strategy};
use crate::catalogue::{Profile, ProtocolVersion};

/// The axes, as data files and filters call them, in the order in which a matrix case names its values.
pub const AXES: [&str; 8] = [
    "credentials",
    "server",
    "upstream",
    "method",
    "route",
    "strategy",
    "profile",
    "protocol-version",
];

/// One combination. Its `Display` form, the values joined by ` / `, is its id: stable, and never an ordinal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MatrixCase {
    /// How the caller presents itself.
    pub credentials: Credentials,
    /// The kind of server asked for.
    pub server: ServerKind,
    /// The upstream's behaviour, by its name in `upstreams.toml`, with its body variant behind a `+` where it has several. Of several
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
    pub protocol_version: ProtocolVersion,
}

impl MatrixCase {
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
            "protocol-version" => self.protocol_version.as_str(),
            _ => "",
        }
    }
}

impl MatrixCase {
    /// The behaviour of each server that is asked for, in the order of the configuration.
    pub fn mix(&self) -> impl Iterator<Item = &str> {
        self.upstream.split(',')
    }

    /// The behaviour of the one server that decides: of several, it is the second that a call is meant for, and there is none for a
    /// message to them all.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match (self.server, self.method) {
            (ServerKind::Aggregate, Method::ToolsCall) => self.mix().take(2).last(),
            (ServerKind::Aggregate, _) => None,
            _ => Some(&self.upstream),
        }
    }
}

impl fmt::Display for MatrixCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            credentials,
            server,
            upstream,
            method,
            route,
            strategy,
            profile,
            protocol_version,
        } = self;
        write!(
            f,
            "{credentials} / {server} / {upstream} / {method} / {route} / {strategy} / {profile} / {protocol_version}"
        )
    }
}

/// Whether the token of a matrix case's request tells the upstream what to do.
#[must_use]
pub fn is_scripted(matrix_case: &MatrixCase) -> bool {
    matches!(
        matrix_case.server,
        ServerKind::Forwarding | ServerKind::Unknown | ServerKind::Aggregate
    ) && matrix_case.credentials == Credentials::KeyAndToken
}
