//! The endpoints of an implementation, and where it expects credentials.

use serde::Deserialize;

use super::validation;
use crate::{cases::deployment::names, catalogue::Feature};

/// Where a caller sends the gateway key and the upstream token.
///
/// It describes both layouts in use. In the first, the gateway key has its own header field and the
/// token is in `Authorization`. In the second, the key is in `Authorization` and the token is in
/// another header field, which the gateway renames to `Authorization` for the upstream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialLayout {
    /// The header field of the gateway key, in lower case.
    #[serde(deserialize_with = "validation::field_name")]
    pub key_header: String,
    /// The text before the key: `""` or `"Bearer "`.
    #[serde(default)]
    pub key_prefix: String,
    /// The header field of the upstream token, in lower case. Upstreams get it as `authorization`.
    #[serde(default = "authorization", deserialize_with = "validation::field_name")]
    pub token_header: String,
    /// The text before the token: `"Bearer "` or `""`.
    #[serde(default = "bearer")]
    pub token_prefix: String,
    /// The header field of a token for one server only, in lower case, with `{server}` for its
    /// name.
    #[serde(default, deserialize_with = "validation::server_field_name")]
    pub server_token_header: Option<String>,
}

impl Default for CredentialLayout {
    /// The gateway key in `x-gateway-key`, and the token in `Authorization`.
    fn default() -> Self {
        Self {
            key_header: "x-gateway-key".to_owned(),
            key_prefix: String::new(),
            token_header: authorization(),
            token_prefix: bearer(),
            server_token_header: None,
        }
    }
}

/// The characters that server names may contain.
///
/// The names of the suite contain only lower-case letters and digits, which every implementation
/// must accept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerNames {
    /// The permitted characters in addition to `a-z` and `0-9`.
    #[serde(default)]
    pub also: String,
}

/// How several servers are reached with one request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AggregateEndpoints {
    /// The paths of the aggregate endpoints.
    ///
    /// A path contains `{servers}` for the names with commas between them, or `{toolset}` for the
    /// name of a toolset, or neither. If it contains neither, [`Self::narrowing_header`] selects
    /// the servers; without that field, the path serves the toolset `trio`. The matrix uses every
    /// path, the first one with most of its cases.
    #[serde(deserialize_with = "validation::aggregate_routes")]
    pub routes: Vec<String>,
    /// The header field, in lower case, that selects servers: their names with commas between them.
    #[serde(default, deserialize_with = "validation::optional_field_name")]
    pub narrowing_header: Option<String>,
    /// The text between the name of a server and the name of its tool.
    #[serde(default = "hyphen")]
    pub name_separator: String,
}

impl AggregateEndpoints {
    /// The path and the header fields that select these servers on a route.
    ///
    /// `toolset` is the toolset of these servers. If the sets of servers are fixed, the servers
    /// must be those of a toolset; see [`Feature::ServerSelection`].
    #[must_use]
    pub fn address(
        &self,
        route: &str,
        servers: &[String],
        toolset: Option<&str>,
    ) -> (String, Vec<(String, String)>) {
        let toolset = toolset.or_else(|| names::toolset_of(servers)).unwrap_or_default();
        let servers = servers.join(",");
        let path = route.replace("{servers}", &servers).replace("{toolset}", toolset);
        let fields = match &self.narrowing_header {
            Some(name) if !route.contains('{') => vec![(name.clone(), servers)],
            _ => Vec::new(),
        };
        (path, fields)
    }

    /// The first route on which a request can select these servers.
    #[must_use]
    pub fn route_for(&self, servers: &[String]) -> Option<&String> {
        let toolset = names::toolset_of(servers);
        self.routes.iter().find(|route| {
            route.contains("{servers}")
                || if route.contains("{toolset}") {
                    toolset.is_some()
                } else {
                    self.narrowing_header.is_some() || toolset == Some(names::TRIO)
                }
        })
    }

    /// The name of a server's tool for clients.
    #[must_use]
    pub fn tool(&self, server: &str, tool: &str) -> String {
        format!("{server}{}{tool}", self.name_separator)
    }

    /// The features that the endpoints declare.
    pub(super) fn features(&self) -> Vec<Feature> {
        let has_route = |part: &str| self.routes.iter().any(|route| route.contains(part));
        let mut features = vec![Feature::AggregateEndpoints];
        if self.narrowing_header.is_some() || has_route("{servers}") {
            features.push(Feature::ServerSelection);
        }
        if has_route("{toolset}") {
            features.push(Feature::Toolsets);
        }
        features
    }
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

fn hyphen() -> String {
    "-".to_owned()
}
