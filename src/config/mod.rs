//! The validated model of a configuration: what parsed is valid, and nothing behind it checks again.
//!
//! [`Config::parse`] reads TOML. It decides nothing about requests, and it keeps no gateway key in the clear.

mod address;
mod error;
mod example;
mod file;
mod secret;

use std::{collections::BTreeSet, net::SocketAddr, path::Path, time::Duration};

pub use error::ConfigError;
use http::Uri;
use secrecy::SecretString;
pub use secret::Environment;

use crate::core::{
    access::{CallerId, Grant, ServerId},
    admission::{AuthScheme, Keyring},
    challenge::Profile,
    credential::ServerKind,
    discovery::ExternalUrl,
    origin::Origin,
    preflight::Strategy,
    protocol_version::ProtocolVersion,
};

/// A whole configuration.
#[derive(Debug)]
pub struct Config {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where to serve metrics, if anywhere; nothing else is served there.
    pub metrics_listen: Option<SocketAddr>,
    /// The URL that clients know, where it is not the address listened on.
    pub external_url: Option<ExternalUrl>,
    /// Origins whose pages may use the gateway, beside its own.
    pub allowed_origins: Vec<Origin>,
    /// How refusals are worded.
    pub profile: Profile,
    /// How refusals are found.
    pub strategy: Strategy,
    /// The gateway keys.
    pub keyring: Keyring,
    /// What each key opens, by position in the keyring.
    pub callers: Vec<Caller>,
    /// The upstream servers; at most 65,536.
    pub servers: Vec<Server>,
    /// What session ids are sealed with, where several processes serve the same sessions.
    pub session_secret: Option<SecretString>,
    /// Named sets of servers and tools.
    pub toolsets: Vec<Toolset>,
    /// What stands between a server's name and a tool's on an aggregate. No two servers' names read two ways in front of it.
    pub name_separator: String,
    /// How long things may take.
    pub deadlines: Deadlines,
    /// How long a probe's acceptance may stand for the next one (PRB-16), if at all.
    pub probe_reuse: Option<Duration>,
    /// The longest message taken from a client, in bytes.
    pub max_message_bytes: u64,
    /// Certificates trusted beside the system's, DER.
    pub trusted_certificates: Vec<rustls::pki_types::CertificateDer<'static>>,
}

/// The holder of a gateway key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name by which logs know it.
    pub name: String,
    /// The servers that it may use.
    pub grant: Grant,
    /// The toolsets that it may use, by position; what they hold is still bound by the grant.
    pub toolsets: BTreeSet<usize>,
}

/// A named set of servers and tools, with a route of its own.
#[derive(Clone, Debug)]
pub struct Toolset {
    /// The name in the path.
    pub name: String,
    /// The servers in it.
    pub servers: BTreeSet<ServerId>,
    /// The tools in it, by their names on an aggregate; every tool of the servers where none are named.
    pub tools: Option<BTreeSet<String>>,
}

/// One upstream MCP server.
#[derive(Debug)]
pub struct Server {
    /// The name in paths, logs and errors.
    pub name: String,
    /// Its MCP endpoint: absolute, http or https.
    pub url: Uri,
    /// What it is sent in `Authorization`.
    pub credential: CredentialSource,
    /// The revision of MCP that it speaks.
    pub protocol_version: ProtocolVersion,
    /// The issuers of its tokens, where they are not to be learned from it.
    pub authorization_servers: Vec<String>,
    /// As if it were not there (GATE-10).
    pub disabled: bool,
    /// Servers of one space take the same tokens; one without is a space of its own (AGG-04).
    pub protection_space: Option<String>,
}

/// Where the credential for a server comes from.
#[derive(Debug)]
pub enum CredentialSource {
    /// From the caller, by one of these schemes.
    Forwarding(Vec<AuthScheme>),
    /// From here.
    Static(SecretString),
    /// From a token endpoint.
    ClientCredentials(ClientCredentials),
    /// There is none.
    Open,
}

impl CredentialSource {
    /// The kind of server that this makes.
    #[must_use]
    pub fn kind(&self) -> ServerKind<'_> {
        match self {
            Self::Forwarding(schemes) => ServerKind::TokenForwarding(schemes),
            Self::Static(_) => ServerKind::StaticCredential,
            Self::ClientCredentials(_) => ServerKind::ClientCredentials,
            Self::Open => ServerKind::NoCredential,
        }
    }
}

/// The client-credentials grant of RFC 6749 §4.4.
#[derive(Debug)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_url: Uri,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The scope asked for, if any.
    pub scope: Option<String>,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// All probes of a request together: name, connection, handshake and head (PRB-02). The seed's 5 s unless set.
    pub probe: Duration,
    /// How long a response head is held before a stream is opened in its place (STR-06). Zero: it is not held, and no status says more
    /// than that the request was admitted.
    pub commit: Duration,
    /// How long the upstream may take for its head, and for a body that is no stream.
    pub request: Duration,
    /// How long running requests may go on after a signal to stop.
    pub shutdown: Duration,
}

impl Config {
    /// Reads a file and the secrets that it names.
    ///
    /// # Errors
    /// See [`Config::parse`]; also where the file cannot be read.
    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::unreadable(&name, &error))?;
        Self::parse(&name, &text, environment)
    }

    /// Reads a configuration and the secrets that it names.
    ///
    /// ```
    /// use mcp_preflight::config::Config;
    ///
    /// let text = r#"
    /// [[key]]
    /// name = "alice"
    /// value = { env = "ALICE_KEY" }
    /// servers = "all"
    ///
    /// [[server]]
    /// name = "alpha"
    /// url = "https://alpha.example/mcp"
    /// forward = ["authorization"]
    /// "#;
    /// let config = Config::parse("preflight.toml", text, &|_| Some("sk-alice".into())).unwrap();
    /// assert_eq!(config.servers[0].name, "alpha");
    /// ```
    ///
    /// # Errors
    /// The first thing that is wrong: where it stands, what was found, what was expected and what to write. Never a secret.
    pub fn parse(
        name: &str,
        text: &str,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigError> {
        file::read(text, environment).map_err(|fault| ConfigError::located(name, text, fault))
    }

    /// The servers that can be asked for: those that are not disabled.
    pub fn enabled(&self) -> impl Iterator<Item = (ServerId, &Server)> {
        (0..).map(ServerId).zip(&self.servers).filter(|(_, server)| !server.disabled)
    }

    /// The position of the server of that name, if it can be asked for.
    #[must_use]
    pub fn server_named(&self, name: &str) -> Option<ServerId> {
        self.enabled().find(|(_, server)| server.name == name).map(|(id, _)| id)
    }

    /// The caller at a position.
    #[must_use]
    pub fn caller(&self, id: CallerId) -> &Caller {
        &self.callers[usize::from(id.0)]
    }

    /// The URL that clients know a gateway by that listens on this address.
    #[must_use]
    pub fn external(&self, address: SocketAddr) -> ExternalUrl {
        self.external_url
            .clone()
            .unwrap_or_else(|| ExternalUrl(format!("http://{address}")))
    }

    /// The server at a position.
    #[must_use]
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[usize::from(id.0)]
    }
}

#[cfg(test)]
mod tests;
