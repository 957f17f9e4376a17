//! Says what every implementation is configured with, once, before the first case: servers, keys and the secrets of each.
//!
//! The mock upstreams makes a plan when its listeners are bound; descriptions of implementations render their configuration from it. It
//! does not know how any implementation spells these things.

use serde::{Deserialize, Serialize};

use crate::{cases::axis::ServerKind, catalogue::ProtocolVersion};

/// One server of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredServer {
    /// Lower-case letters and digits only, so that every implementation can spell it.
    pub name: String,
    /// What the gateway does about credentials towards it.
    pub kind: ServerKind,
    /// The MCP endpoint of the mock upstream, loopback, with its port.
    pub url: String,
    /// Whether the limited key may use it.
    pub granted: bool,
    /// The revision that it speaks.
    #[serde(default)]
    pub protocol_version: ProtocolVersion,
    /// Whether the configuration sets it aside. Where an implementation cannot, it is a server like the others.
    pub disabled: bool,
    /// Where its credential is minted, if it is.
    pub token_url: Option<String>,
    /// The protection space that it shares with others, by name; without one it is a space of its own.
    pub space: Option<String>,
}

/// A named set of servers. The limited key may use each, as far as it may use its servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toolset {
    /// As a route spells it: lower-case letters.
    pub name: String,
    /// Its servers, by name.
    pub servers: Vec<String>,
}

/// What an implementation is configured with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// In configuration order. See [`names`] for what each is there for.
    pub servers: Vec<ConfiguredServer>,
    /// The toolsets, for implementations that know such things.
    pub toolsets: Vec<Toolset>,
    /// A gateway key that may use every server.
    pub full_key: String,
    /// A gateway key that may use every server but [`names::RESTRICTED`]; the one that the matrix cases present.
    pub limited_key: String,
    /// The bearer that the gateway sends to [`names::STATIC`].
    pub static_token: String,
    /// The client id for the token endpoint.
    pub client_id: String,
    /// The client secret for the token endpoint.
    pub client_secret: String,
    /// The token endpoint, on loopback, that mints for [`names::MINTED`].
    pub token_url: String,
    /// The bearer that the token endpoint mints.
    pub minted_token: String,
    /// The issuer of the mock authorization server that upstream metadata names.
    pub issuer: String,
    /// A bearer in the shape of a JSON Web Token that admits like the limited key, in `Authorization` and nowhere else.
    pub admission_bearer: String,
    /// The origin whose pages may use the gateway from a browser.
    pub page: String,
    /// Whether heads are not held back: an answer begins before any upstream has spoken.
    #[serde(default)]
    pub commits_at_once: bool,
}

/// The servers of the plan.
pub mod names {
    /// The forwarding servers that the matrix and the scenarios use.
    pub const FORWARDING: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];
    /// The servers that matrix cases of several ask for at once.
    pub const AGGREGATE: [&str; 3] = ["alpha", "beta", "gamma"];
    /// The forwarding servers that are one protection space; each other one is its own.
    pub const ONE_SPACE: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
    /// The toolset of all of [`AGGREGATE`].
    pub const TRIO: &str = "trio";
    /// Every toolset, with its servers.
    pub const TOOLSETS: [(&str, &[&str]); 4] = [
        (TRIO, &AGGREGATE),
        ("pair", &["alpha", "gamma"]),
        ("solo", &["alpha"]),
        ("mixed", &["alpha", RESTRICTED]),
    ];
    /// A server with a static credential.
    pub const STATIC: &str = "static";
    /// A server whose credential the gateway mints from client credentials.
    pub const MINTED: &str = "minted";
    /// A server that gets no credential.
    pub const OPEN: &str = "open";
    /// A forwarding server that the limited key may not use.
    pub const RESTRICTED: &str = "restricted";
    /// A forwarding server at a port where nothing listens.
    pub const CLOSED: &str = "closed";
    /// A forwarding server behind a certificate that nobody trusts.
    pub const UNTRUSTED: &str = "untrusted";
    /// A forwarding server whose name nobody resolves (RFC 6761 §6.4).
    pub const UNRESOLVABLE: &str = "unresolvable";
    /// A server whose credential is minted at a place where nothing is.
    pub const UNMINTABLE: &str = "unmintable";
    /// A forwarding server that the configuration sets aside.
    pub const RETIRED: &str = "retired";
    /// A forwarding server that speaks 2026-07-28 and nothing else.
    pub const STATELESS: &str = "stateless";
    /// A forwarding server whose own discovery document is said to be elsewhere.
    pub const MOVED: &str = "moved";
    /// A forwarding server whose own discovery document never ends.
    pub const ENDLESS: &str = "endless";
    /// A name that no configuration has.
    pub const UNKNOWN: &str = "nosuchserver";
}

impl ConfiguredServer {
    /// A server at a URL, of which only the limited key's holder has to be told anything.
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

/// What a scenario has an implementation configured with instead of the plan, in a start of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// No server is said to get the caller's token.
    NothingForwarded,
    /// One server more: a forwarding one beyond this machine, without TLS.
    Cleartext,
    /// Heads are not held back.
    CommitsAtOnce,
}

impl Deployment {
    /// The plan as a variant has it.
    #[must_use]
    pub fn varied(&self, variant: Variant) -> Self {
        let mut deployment = self.clone();
        match variant {
            Variant::NothingForwarded => {
                for server in deployment
                    .servers
                    .iter_mut()
                    .filter(|server| server.kind == ServerKind::Forwarding)
                {
                    server.kind = ServerKind::Open;
                }
            }
            Variant::Cleartext => {
                deployment.servers.push(ConfiguredServer::new(
                    "cleartext",
                    ServerKind::Forwarding,
                    "http://mcp.preflight.invalid/mcp",
                ));
            }
            Variant::CommitsAtOnce => deployment.commits_at_once = true,
        }
        deployment
    }

    /// The planned server of that name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&ConfiguredServer> {
        self.servers.iter().find(|server| server.name == name)
    }
}
