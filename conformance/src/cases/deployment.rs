//! Describes the configuration of every implementation under test: servers, toolsets, keys and
//! secrets.
//!
//! The mock upstreams create it when their listeners are bound. Implementation descriptions render
//! their configuration files from it. It does not know the configuration syntax of any
//! implementation.

use serde::{Deserialize, Serialize};

use crate::{cases::axis::ServerKind, catalogue::ProtocolVersion};

/// One server of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredServer {
    /// Lower-case letters and digits only, because every implementation accepts them.
    pub name: String,
    /// Which credential the gateway sends to it.
    pub kind: ServerKind,
    /// The MCP endpoint of the mock upstream, on a loopback address.
    pub url: String,
    /// Whether the limited key may use it.
    pub granted: bool,
    /// The protocol version that it speaks.
    #[serde(default)]
    pub protocol_version: ProtocolVersion,
    /// Whether the configuration disables it. An implementation that cannot disable a server serves
    /// it.
    pub disabled: bool,
    /// The token endpoint for its credential, if the gateway obtains one.
    pub token_url: Option<String>,
    /// The name of the protection space that it shares with others. `None`: a space of its own.
    pub space: Option<String>,
}

/// A named set of servers. The limited key may use every toolset, but only the servers granted to
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolset {
    /// The name in routes; lower-case letters only.
    pub name: String,
    /// The names of its servers.
    pub servers: Vec<String>,
}

/// The configuration of an implementation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The servers, in configuration order. [`names`] states the purpose of each.
    pub servers: Vec<ConfiguredServer>,
    /// The toolsets, for implementations that support them.
    pub toolsets: Vec<Toolset>,
    /// A gateway key that may use every server.
    pub full_key: String,
    /// A gateway key that may use every server except [`names::RESTRICTED`]. Matrix cases use it.
    pub limited_key: String,
    /// The bearer token that the gateway sends to [`names::STATIC`].
    pub static_token: String,
    /// The client id for the token endpoint.
    pub client_id: String,
    /// The client secret for the token endpoint.
    pub client_secret: String,
    /// The token endpoint, on a loopback address, that issues tokens for [`names::MINTED`].
    pub token_url: String,
    /// The bearer token that the token endpoint issues.
    pub minted_token: String,
    /// The issuer identifier of the mock authorization server, as upstream metadata states it.
    pub issuer: String,
    /// A bearer token in the form of a JSON Web Token. In `Authorization`, and only there, it
    /// admits a caller like the limited key.
    pub admission_bearer: String,
    /// The origin whose pages may use the gateway from a browser.
    pub page: String,
    /// Whether the gateway sends the response head before any upstream has responded.
    #[serde(default)]
    pub commits_at_once: bool,
}

/// The names of the configured servers and toolsets.
pub mod names {
    use crate::catalogue::Feature;

    /// The forwarding servers that the matrix and the scenarios use.
    pub const FORWARDING: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];
    /// The servers of the matrix cases for aggregate endpoints.
    pub const AGGREGATE: [&str; 3] = ["alpha", "beta", "gamma"];
    /// The forwarding servers that share one protection space. Each other server has its own.
    pub const SHARED_SPACE: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
    /// The toolset of all servers of [`AGGREGATE`].
    pub const TRIO: &str = "trio";
    /// Every toolset, with its servers.
    pub const TOOLSETS: [(&str, &[&str]); 4] = [
        (TRIO, &AGGREGATE),
        ("pair", &["alpha", "gamma"]),
        ("solo", &["alpha"]),
        ("mixed", &["alpha", RESTRICTED]),
    ];
    /// The name of the toolset that has these servers and no others.
    #[must_use]
    pub fn toolset_of(servers: &[String]) -> Option<&'static str> {
        let toolset = TOOLSETS.iter().find(|(_, members)| *members == servers);
        toolset.map(|(name, _)| *name)
    }

    /// A static-credential server.
    pub const STATIC: &str = "static";
    /// A client-credentials server.
    pub const MINTED: &str = "minted";
    /// The server of healthy calls to a gateway with these features, and the only server of a
    /// gateway with one.
    ///
    /// A token-forwarding server receives the token of a case. If the gateway forwards no tokens,
    /// the server has a behaviour that is assigned to it.
    #[must_use]
    pub fn main_server(has: impl Fn(Feature) -> bool) -> &'static str {
        if has(Feature::TokenForwarding) {
            FORWARDING[0]
        } else if has(Feature::StaticCredential) {
            STATIC
        } else {
            OPEN
        }
    }

    /// A server that receives no credential.
    pub const OPEN: &str = "open";
    /// A forwarding server that the limited key may not use.
    pub const RESTRICTED: &str = "restricted";
    /// A forwarding server whose port is closed.
    pub const CLOSED: &str = "closed";
    /// A forwarding server with an untrusted TLS certificate.
    pub const UNTRUSTED: &str = "untrusted";
    /// A forwarding server whose host name does not resolve (RFC 6761 §6.4).
    pub const UNRESOLVABLE: &str = "unresolvable";
    /// A client-credentials server whose token endpoint does not exist.
    pub const UNMINTABLE: &str = "unmintable";
    /// A forwarding server that the configuration disables.
    pub const RETIRED: &str = "retired";
    /// A forwarding server that speaks only 2026-07-28.
    pub const STATELESS: &str = "stateless";
    /// A forwarding server whose protected resource metadata is redirected.
    pub const MOVED: &str = "moved";
    /// A forwarding server whose protected resource metadata never ends.
    pub const ENDLESS: &str = "endless";
    /// A forwarding server on another host, without TLS. Only one scenario configures it.
    pub const DISTANT: &str = "distant";
    /// A name that no configuration contains.
    pub const UNKNOWN: &str = "nosuchserver";
}

impl ConfiguredServer {
    /// A server with default settings. The limited key may use it unless its kind is
    /// `not-permitted`.
    #[must_use]
    pub fn new(name: &str, kind: ServerKind, url: impl Into<String>) -> Self {
        let granted = kind != ServerKind::NotPermitted;
        Self {
            name: name.to_owned(),
            kind,
            url: url.into(),
            granted,
            protocol_version: ProtocolVersion::default(),
            disabled: false,
            token_url: None,
            space: None,
        }
    }
}

/// The host of the server without TLS: an address for documentation (RFC 5737 §3), so that no start
/// fails because a name cannot be resolved.
pub const DISTANT_HOST: &str = "192.0.2.10";

/// A change of the usual configuration for one scenario, in a start of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// No server is configured to receive the caller's token.
    NothingForwarded,
    /// One more forwarding server: its URL is not a loopback address and has no TLS.
    Cleartext,
    /// The gateway sends the response head before any upstream has responded.
    CommitsAtOnce,
}

impl Deployment {
    /// This configuration with the change of a variant.
    #[must_use]
    pub fn with_variant(&self, variant: Variant) -> Self {
        let mut deployment = self.clone();
        match variant {
            Variant::NothingForwarded => {
                for server in &mut deployment.servers {
                    if server.kind == ServerKind::Forwarding {
                        server.kind = ServerKind::Open;
                    }
                }
            }
            Variant::Cleartext => {
                deployment.servers.push(ConfiguredServer::new(
                    names::DISTANT,
                    ServerKind::Forwarding,
                    format!("http://{DISTANT_HOST}/mcp"),
                ));
            }
            Variant::CommitsAtOnce => deployment.commits_at_once = true,
        }
        deployment
    }

    /// The configured server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&ConfiguredServer> {
        self.servers.iter().find(|server| server.name == name)
    }
}
