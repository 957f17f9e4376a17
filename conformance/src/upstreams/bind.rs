//! Binds the ports of the mock upstreams and creates the deployment: the servers, their kinds, and
//! all secrets.

use std::{io, net::SocketAddr, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer, version},
};

use super::{
    ELSEWHERE, ISSUER,
    addresses::{Addresses, Listener, bind_error},
    host::{Host, Role},
    state::{State, random_secret},
};
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{ConfiguredServer, Deployment, Toolset, names},
    },
    catalogue::ProtocolVersion,
};

/// The mock upstreams with bound ports, before they accept connections.
pub(super) struct BoundMocks {
    pub(super) state: State,
    pub(super) hosts: Vec<(Host, TcpListener)>,
    /// The port that refuses connections.
    pub(super) closed: TcpSocket,
    /// The addresses that were bound, in this order.
    pub(super) listeners: Vec<Listener>,
}

/// Binds every port. The random seed determines the secrets.
pub(super) async fn bind(random_seed: u64, addresses: &Addresses) -> io::Result<BoundMocks> {
    let mut builder = Builder::new(addresses);
    for name in names::FORWARDING {
        builder.mock_server(name, ServerKind::Forwarding).await?;
    }
    builder.mock_server(names::STATIC, ServerKind::Static).await?;
    builder.mock_server(names::MINTED, ServerKind::ClientCredentials).await?;
    builder.mock_server(names::OPEN, ServerKind::Open).await?;
    builder.mock_server(names::RESTRICTED, ServerKind::NotPermitted).await?;
    let (closed, closed_origin) = builder.closed_port(names::CLOSED)?;
    builder.configure(names::CLOSED, ServerKind::Forwarding, &closed_origin);
    let tls = Some(untrusted_certificate()?);
    let untrusted_origin = builder.host(names::UNTRUSTED, Role::Upstream, tls).await?;
    builder.configure(names::UNTRUSTED, ServerKind::Forwarding, &untrusted_origin);
    let unresolvable_origin = "https://mcp.preflight.invalid";
    builder.configure(names::UNRESOLVABLE, ServerKind::Forwarding, unresolvable_origin);
    builder.mock_server(names::UNMINTABLE, ServerKind::ClientCredentials).await?;
    builder.mock_server(names::RETIRED, ServerKind::Forwarding).await?;
    for name in [names::STATELESS, names::MOVED, names::ENDLESS] {
        builder.mock_server(name, ServerKind::Forwarding).await?;
    }
    let elsewhere = builder.host(ELSEWHERE, Role::Elsewhere, None).await?;
    let issuer = builder.host(ISSUER, Role::AuthorizationServer, None).await?;
    for server in &mut builder.servers {
        complete(server, &issuer);
    }
    let mut rng = fastrand::Rng::with_seed(random_seed);
    let deployment = deployment(builder.servers, issuer, &mut rng);
    if addresses.are_reused() {
        // A gateway may still send the session ids of an earlier run with the same random seed.
        rng = fastrand::Rng::new();
    }
    Ok(BoundMocks {
        state: State::new(deployment, elsewhere, rng),
        hosts: builder.hosts,
        closed,
        listeners: builder.listeners,
    })
}

/// Sets what is special about some servers.
fn complete(server: &mut ConfiguredServer, issuer: &str) {
    if server.name == names::STATELESS {
        server.protocol_version = ProtocolVersion::V2026_07_28;
    }
    server.disabled = server.name == names::RETIRED;
    if names::SHARED_SPACE.contains(&server.name.as_str()) {
        server.space = Some("corp".to_owned());
    }
    server.token_url = match server.name.as_str() {
        names::MINTED => Some(format!("{issuer}/token")),
        names::UNMINTABLE => Some(format!("{issuer}/nothing-here")),
        _ => None,
    };
}

fn deployment(
    servers: Vec<ConfiguredServer>,
    issuer: String,
    rng: &mut fastrand::Rng,
) -> Deployment {
    let toolsets = names::TOOLSETS.iter().map(|(name, servers)| Toolset {
        name: (*name).to_owned(),
        servers: servers.iter().map(|server| (*server).to_owned()).collect(),
    });
    Deployment {
        servers,
        toolsets: toolsets.collect(),
        full_key: random_secret("sk-", rng),
        limited_key: random_secret("sk-", rng),
        static_token: random_secret("", rng),
        client_id: random_secret("client-", rng),
        client_secret: random_secret("", rng),
        token_url: format!("{issuer}/token"),
        minted_token: random_secret("", rng),
        issuer,
        admission_bearer: json_web_token(rng),
        commits_at_once: false,
        page: "https://page.preflight.example".to_owned(),
    }
}

struct Builder<'a> {
    addresses: &'a Addresses,
    servers: Vec<ConfiguredServer>,
    hosts: Vec<(Host, TcpListener)>,
    listeners: Vec<Listener>,
}

impl<'a> Builder<'a> {
    fn new(addresses: &'a Addresses) -> Self {
        Self {
            addresses,
            servers: Vec::new(),
            hosts: Vec::new(),
            listeners: Vec::new(),
        }
    }

    /// Binds a mock MCP server and adds it to the configuration.
    async fn mock_server(&mut self, name: &str, kind: ServerKind) -> io::Result<()> {
        let origin = self.host(name, Role::Upstream, None).await?;
        self.configure(name, kind, &origin);
        Ok(())
    }

    /// Adds a server to the configuration.
    fn configure(&mut self, name: &str, kind: ServerKind, origin: &str) {
        self.servers.push(ConfiguredServer::new(name, kind, format!("{origin}/mcp")));
    }

    /// Binds a host and returns its origin.
    async fn host(
        &mut self,
        name: &str,
        role: Role,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<String> {
        let address = self.next_address(name)?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| bind_error(address, name, &error))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = self.bound(name, scheme, listener.local_addr()?);
        let host = Host { name: name.to_owned(), origin: origin.clone(), role, tls };
        self.hosts.push((host, listener));
        Ok(origin)
    }

    /// Binds a port that refuses connections. Returns its origin as well.
    fn closed_port(&mut self, name: &str) -> io::Result<(TcpSocket, String)> {
        let address = self.next_address(name)?;
        let socket = TcpSocket::new_v4()?;
        socket.bind(address).map_err(|error| bind_error(address, name, &error))?;
        let origin = self.bound(name, "http", socket.local_addr()?);
        Ok((socket, origin))
    }

    fn next_address(&self, name: &str) -> io::Result<SocketAddr> {
        self.addresses.address(name, self.listeners.len())
    }

    /// Records a bound address and returns its origin.
    fn bound(&mut self, name: &str, scheme: &str, address: SocketAddr) -> String {
        let port = address.port();
        if let SocketAddr::V4(address) = address {
            self.listeners.push(Listener { name: name.to_owned(), address });
        }
        format!("{scheme}://{}:{port}", self.addresses.host)
    }
}

/// A bearer in the form of a JSON Web Token (RFC 7519 §3) whose signature is random.
fn json_web_token(rng: &mut fastrand::Rng) -> String {
    let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({ "alg": "RS256", "typ": "JWT" }));
    let claims = encode(json!({ "sub": "upstreams", "jti": random_secret("jwt-", rng) }));
    format!("{header}.{claims}.{}", random_secret("", rng))
}

/// A valid certificate that is signed by itself, so clients must not trust it.
fn untrusted_certificate() -> io::Result<TlsAcceptor> {
    let certified =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .map_err(io::Error::other)?;
    let key =
        PrivateKeyDer::try_from(certified.signing_key.serialize_der()).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![certified.cert.der().clone()], key)
        })
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
