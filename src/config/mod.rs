//! The validated model of a configuration, and its reader.
//!
//! [`Config::parse`] reads TOML and checks every value, so no other module has to check again. The
//! model contains digests of gateway keys, not the keys.

mod address;
mod caller;
mod error;
mod example;
mod file;
mod names;
mod read;
mod secret;
mod server;
mod syntax;
#[cfg(test)]
mod tests;
use std::{collections::BTreeSet, net::SocketAddr, path::Path, time::Duration};

use http::Uri;
use secrecy::SecretString;

pub use self::{error::ConfigError, secret::Environment};

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

/// A configuration.
#[derive(Debug)]
pub struct Config {
    /// The address to listen on. With port 0 the system chooses a port.
    pub listen: SocketAddr,
    /// The address on which only metrics are served; `None` serves none.
    pub metrics_listen: Option<SocketAddr>,
    /// The URL that clients use, if it differs from the listen address.
    pub external_url: Option<ExternalUrl>,
    /// Further origins, besides the gateway's own, whose pages may use the gateway.
    pub allowed_origins: Vec<Origin>,
    /// The rules for refusals.
    pub profile: Profile,
    /// How the gateway learns whether upstreams accept a token.
    pub strategy: Strategy,
    /// The gateway keys and their header field.
    pub keyring: Keyring,
    /// The callers, in the order of their keys in the keyring.
    pub callers: Vec<Caller>,
    /// The upstream servers, at most 65,535.
    pub servers: Vec<Server>,
    /// The secret that seals session ids. Processes that serve the same sessions need the same
    /// secret.
    pub session_secret: Option<SecretString>,
    /// The toolsets.
    pub toolsets: Vec<Toolset>,
    /// The separator between a server's name and the name of its tool on an aggregate endpoint. The
    /// prefixed names of different servers differ.
    pub name_separator: String,
    /// The deadlines.
    pub deadlines: Deadlines,
    /// How long the acceptance of a token by a probe replaces further probes (PRB-16); `None`
    /// probes every request.
    pub probe_reuse: Option<Duration>,
    /// The longest message of a client, in bytes.
    pub max_message_bytes: u64,
    /// How many connections of clients are open at the same time.
    pub connection_limits: ConnectionLimits,
    /// Certificates that are trusted besides the system's, in DER form.
    pub trusted_certificates: Vec<rustls::pki_types::CertificateDer<'static>>,
}

/// A caller: the owner of a gateway key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The caller's name in logs.
    pub name: String,
    /// The servers that the caller may use.
    pub grant: Grant,
    /// The positions of the toolsets that the caller may use. The grant still limits their servers.
    pub toolsets: BTreeSet<usize>,
}

/// A named set of servers and tools with its own aggregate endpoint.
#[derive(Clone, Debug)]
pub struct Toolset {
    /// The name in the path.
    pub name: String,
    /// The servers of the toolset.
    pub servers: BTreeSet<ServerId>,
    /// The tools of the toolset, by their prefixed names; `None` means every tool of its servers.
    pub tools: Option<BTreeSet<String>>,
}

/// One upstream MCP server.
#[derive(Debug)]
pub struct Server {
    /// The server's name in paths, logs and errors.
    pub name: String,
    /// The server's MCP endpoint: an absolute http or https URL.
    pub url: Uri,
    /// The source of the credential that the server is sent in `Authorization`.
    pub credential: CredentialSource,
    /// The protocol version that the server speaks.
    pub protocol_version: ProtocolVersion,
    /// The issuers of the server's tokens. If it is empty, they are read from the server's own
    /// metadata.
    pub authorization_servers: Vec<String>,
    /// Whether the server is treated as if it did not exist (GATE-10).
    pub disabled: bool,
    /// The protection space. Servers in the same space accept the same tokens; a server without one
    /// is in its own (AGG-04).
    pub protection_space: Option<String>,
}

/// The source of the credential for a server.
#[derive(Debug)]
pub enum CredentialSource {
    /// The caller's token, if it uses one of these authentication schemes.
    TokenForwarding(Vec<AuthScheme>),
    /// A bearer token from the configuration.
    StaticCredential(SecretString),
    /// A bearer token from a token endpoint.
    ClientCredentials(ClientCredentials),
    /// No credential.
    NoCredential,
}

impl CredentialSource {
    /// The kind of a server with this source.
    #[must_use]
    pub fn kind(&self) -> ServerKind<'_> {
        match self {
            Self::TokenForwarding(schemes) => ServerKind::TokenForwarding(schemes),
            Self::StaticCredential(_) => ServerKind::StaticCredential,
            Self::ClientCredentials(_) => ServerKind::ClientCredentials,
            Self::NoCredential => ServerKind::NoCredential,
        }
    }
}

/// The client-credentials grant of RFC 6749 §4.4.
#[derive(Debug)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_url: Uri,
    /// The client identifier.
    pub client_id: String,
    /// The client secret.
    pub client_secret: SecretString,
    /// The requested scope, if any.
    pub scope: Option<String>,
}

/// How many connections of clients are open at the same time. Both numbers are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In total. Further connections wait to be accepted.
    pub total: usize,
    /// From one address. Further connections are closed.
    pub per_peer: usize,
}

/// The deadlines of a request and of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For all probes of a request together, including name resolution, connection, TLS handshake
    /// and response head (PRB-02). The default is 5 s.
    pub probe: Duration,
    /// For the response head. After it the gateway opens an event stream instead (STR-06). With
    /// zero the head is never held, and a status 200 only means that the request was admitted.
    pub commit: Duration,
    /// For the upstream's response head, and for a body that is not an event stream.
    pub request: Duration,
    /// For requests that are in progress when the process receives a signal to stop.
    pub shutdown: Duration,
}

impl Config {
    /// Reads a file and the secrets that it names.
    ///
    /// # Errors
    /// The file cannot be read, or has an error; see [`Config::parse`].
    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::unreadable(&name, &error))?;
        Self::parse(&name, &text, environment)
    }

    /// Reads a configuration and the secrets that it names. `name` is the name of the file for
    /// errors.
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
    /// The first error: where it is, what was found, what was expected and what to write. It never
    /// contains a secret.
    pub fn parse(
        name: &str,
        text: &str,
        environment: Environment<'_>,
    ) -> Result<Self, ConfigError> {
        read::read(text, environment)
            .map_err(|diagnostic| ConfigError::located(name, text, diagnostic))
    }

    /// The servers that are not disabled.
    pub fn enabled(&self) -> impl Iterator<Item = (ServerId, &Server)> {
        (0..).map(ServerId).zip(&self.servers).filter(|(_, server)| !server.disabled)
    }

    /// The id of the server with this name, if it is not disabled.
    #[must_use]
    pub fn server_named(&self, name: &str) -> Option<ServerId> {
        self.enabled().find(|(_, server)| server.name == name).map(|(id, _)| id)
    }

    /// The caller with this id.
    #[must_use]
    pub fn caller(&self, id: CallerId) -> &Caller {
        &self.callers[usize::from(id.0)]
    }

    /// The URL that clients use for a gateway that listens on this address.
    #[must_use]
    pub fn external(&self, address: SocketAddr) -> ExternalUrl {
        self.external_url
            .clone()
            .unwrap_or_else(|| ExternalUrl(format!("http://{address}")))
    }

    /// The server with this id.
    #[must_use]
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[usize::from(id.0)]
    }
}
