//! The structure of a configuration file. Its keys are the fields here; `preflight.example.toml`
//! shows all of them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use toml::Spanned;

use super::secret::SecretSource;
use crate::core::{
    admission::AuthScheme, challenge::Profile, preflight::Strategy,
    protocol_version::ProtocolVersion,
};

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default = "default_listen")]
    pub(super) listen: Spanned<String>,
    pub(super) metrics_listen: Option<Spanned<String>>,
    pub(super) external_url: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) allowed_origins: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) profile: Profile,
    #[serde(default)]
    pub(super) strategy: Strategy,
    pub(super) key_header: Option<Spanned<String>>,
    pub(super) session_secret: Option<Spanned<SecretSource>>,
    pub(super) probe_deadline_ms: Option<Spanned<u64>>,
    pub(super) commit_deadline_ms: Option<Spanned<u64>>,
    pub(super) request_deadline_ms: Option<Spanned<u64>>,
    pub(super) shutdown_deadline_ms: Option<Spanned<u64>>,
    pub(super) probe_reuse_ms: Option<Spanned<u64>>,
    pub(super) max_message_bytes: Option<u64>,
    pub(super) max_connections: Option<Spanned<usize>>,
    pub(super) max_connections_per_peer: Option<Spanned<usize>>,
    #[serde(default)]
    pub(super) trusted_certificates: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) key: Vec<KeyEntry>,
    #[serde(default)]
    pub(super) server: Vec<ServerEntry>,
    #[serde(default)]
    pub(super) toolset: Vec<ToolsetEntry>,
    pub(super) name_separator: Option<Spanned<String>>,
}

/// A `[[key]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    pub(super) name: Spanned<String>,
    pub(super) value: Spanned<SecretSource>,
    pub(super) servers: Spanned<ServerList>,
    #[serde(default)]
    pub(super) toolsets: Vec<Spanned<String>>,
}

/// A `[[server]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerEntry {
    pub(super) name: Spanned<String>,
    pub(super) url: Spanned<String>,
    #[serde(default)]
    pub(super) forward: Vec<Spanned<String>>,
    pub(super) schemes: Option<Spanned<Vec<AuthScheme>>>,
    pub(super) bearer: Option<Spanned<SecretSource>>,
    pub(super) client_credentials: Option<Spanned<ClientCredentialsEntry>>,
    #[serde(default = "default_protocol_version")]
    pub(super) protocol_version: ProtocolVersion,
    #[serde(default)]
    pub(super) authorization_servers: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) allow_cleartext: bool,
    #[serde(default)]
    pub(super) disabled: bool,
    pub(super) protection_space: Option<Spanned<String>>,
}

/// The value of `client_credentials`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientCredentialsEntry {
    pub(super) token_url: Spanned<String>,
    pub(super) client_id: String,
    pub(super) client_secret: Spanned<SecretSource>,
    pub(super) scope: Option<String>,
}

/// A `[[toolset]]` table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolsetEntry {
    pub(super) name: Spanned<String>,
    pub(super) servers: Vec<Spanned<String>>,
    pub(super) tools: Option<Vec<String>>,
}

/// A word or a list of server names. It has its own visitor because an untagged enum would lose the
/// spans of the names.
pub(super) enum ServerList {
    /// A string. Only `"all"` is valid.
    Word(String),
    /// A list of server names.
    Names(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for ServerList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ServerListVisitor)
    }
}

struct ServerListVisitor;

impl<'de> Visitor<'de> for ServerListVisitor {
    type Value = ServerList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"all\" or a list of server names")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<ServerList, E> {
        Ok(ServerList::Word(word.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ServerList, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(ServerList::Names(names))
    }
}

fn default_listen() -> Spanned<String> {
    Spanned::new(0..0, "127.0.0.1:8080".to_owned())
}

fn default_protocol_version() -> ProtocolVersion {
    ProtocolVersion::V2025_11_25
}
