//! Defines a matrix case: one combination of values, one for each axis of the matrix.
//!
//! It does not know which combinations are used (`axes.toml`) or what is expected of them
//! (`rules/*.toml`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::axis::{Credentials, Method, ServerKind, Strategy};
use crate::catalogue::{Profile, ProtocolVersion};

/// The names of the axes in data files and filters, in the order of the values in a matrix case's
/// id.
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

/// One combination. Its id is its `Display` form: the values, joined by ` / `. The id does not
/// change when cases are added or removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MatrixCase {
    /// How the caller presents itself.
    pub credentials: Credentials,
    /// The kind of server that the client requests.
    pub server: ServerKind,
    /// The mock behaviour of the upstream: `name`, or `name+body` for a behaviour with several
    /// bodies. For an aggregate endpoint a mix: one behaviour for each server, in configuration
    /// order, joined by commas.
    pub upstream: String,
    /// What the client sends.
    pub method: Method,
    /// The route. A single-server endpoint has the placeholder `{server}`; an aggregate endpoint
    /// has `{servers}`, `{toolset}` or no placeholder.
    pub route: String,
    /// The strategy with which the implementation was started.
    pub strategy: Strategy,
    /// The profile with which the implementation was started.
    pub profile: Profile,
    /// The protocol version of the client.
    pub protocol_version: ProtocolVersion,
}

impl MatrixCase {
    /// The value of an axis; empty for an unknown axis.
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

    /// The behaviour of each requested server, in configuration order.
    pub fn mix(&self) -> impl Iterator<Item = &str> {
        self.upstream.split(',')
    }

    /// The behaviour of the server that must answer the request. At an aggregate endpoint, a tool
    /// call addresses the second server; other methods address all servers and have no target.
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
            "{credentials} / {server} / {upstream} / {method} / {route} / {strategy} / {profile} / \
             {protocol_version}"
        )
    }
}

/// Whether the request's token carries a script that reaches the upstream, if the gateway forwards
/// it.
#[must_use]
pub fn is_scripted(matrix_case: &MatrixCase) -> bool {
    matches!(
        matrix_case.server,
        ServerKind::Forwarding | ServerKind::Unknown | ServerKind::Aggregate
    ) && matrix_case.credentials == Credentials::KeyAndToken
}
