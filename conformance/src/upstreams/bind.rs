//! Binds the ports and makes the plan: which servers there are, of which kind, and the secrets of each.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer, version},
};

use super::{
    ELSEWHERE, ISSUER,
    host::{Host, Role},
    state::{Site, random},
};
use crate::{
    cases::{
        axis::ServerKind,
        deployment::{ConfiguredServer, Deployment, Toolset, names},
    },
    catalogue::ProtocolVersion,
};

/// A mock upstreams that is bound and not yet running.
pub(super) struct Ground {
    pub(super) site: Site,
    pub(super) hosts: Vec<(Host, TcpListener)>,
    pub(super) closed: TcpSocket,
}

/// Binds everything; the secrets follow from the seed.
pub(super) async fn lay(seed: u64) -> io::Result<Ground> {
    let mut ground = Laying::default();
    for name in names::FORWARDING {
        ground.server(name, ServerKind::Forwarding).await?;
    }
    ground.server(names::STATIC, ServerKind::Static).await?;
    ground.server(names::MINTED, ServerKind::ClientCredentials).await?;
    ground.server(names::OPEN, ServerKind::Open).await?;
    ground.server(names::RESTRICTED, ServerKind::NotPermitted).await?;
    let closed = TcpSocket::new_v4()?;
    closed.bind(loopback())?;
    ground.plan_server(
        names::CLOSED,
        ServerKind::Forwarding,
        &format!("http://{}", closed.local_addr()?),
    );
    let origin = ground.host(names::UNTRUSTED, Role::Upstream, Some(untrusted()?)).await?;
    ground.plan_server(names::UNTRUSTED, ServerKind::Forwarding, &origin);
    ground.servers.push(ConfiguredServer::new(
        names::UNRESOLVABLE,
        ServerKind::Forwarding,
        "https://mcp.preflight.invalid/mcp",
    ));
    ground.server(names::UNMINTABLE, ServerKind::ClientCredentials).await?;
    ground.server(names::RETIRED, ServerKind::Forwarding).await?;
    for name in [names::STATELESS, names::MOVED, names::ENDLESS] {
        ground.server(name, ServerKind::Forwarding).await?;
    }
    let elsewhere = ground.host(ELSEWHERE, Role::Elsewhere, None).await?;
    let issuer = ground.host(ISSUER, Role::Issuer, None).await?;

    for server in &mut ground.servers {
        if server.name == names::STATELESS {
            server.protocol_version = ProtocolVersion::V2026_07_28;
        }
        server.disabled = server.name == names::RETIRED;
        server.space = names::ONE_SPACE.contains(&server.name.as_str()).then(|| "corp".to_owned());
        server.token_url = match server.name.as_str() {
            names::MINTED => Some(format!("{issuer}/token")),
            names::UNMINTABLE => Some(format!("{issuer}/nothing-here")),
            _ => None,
        };
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    let owned = |servers: &[&str]| servers.iter().map(|server| (*server).to_owned()).collect();
    let deployment = Deployment {
        servers: ground.servers,
        toolsets: names::TOOLSETS
            .iter()
            .map(|(name, servers)| Toolset { name: (*name).to_owned(), servers: owned(servers) })
            .collect(),
        full_key: random("sk-", &mut rng),
        limited_key: random("sk-", &mut rng),
        static_token: random("", &mut rng),
        client_id: random("client-", &mut rng),
        client_secret: random("", &mut rng),
        token_url: format!("{issuer}/token"),
        minted_token: random("", &mut rng),
        issuer,
        admission_bearer: json_web_token(&mut rng),
        commits_at_once: false,
        page: "https://page.preflight.example".to_owned(),
    };
    Ok(Ground {
        site: Site::new(deployment, elsewhere, rng),
        hosts: ground.hosts,
        closed,
    })
}

#[derive(Default)]
struct Laying {
    servers: Vec<ConfiguredServer>,
    hosts: Vec<(Host, TcpListener)>,
}

impl Laying {
    async fn server(&mut self, name: &str, kind: ServerKind) -> io::Result<()> {
        let origin = self.host(name, Role::Upstream, None).await?;
        self.plan_server(name, kind, &origin);
        Ok(())
    }

    fn plan_server(&mut self, name: &str, kind: ServerKind, origin: &str) {
        self.servers.push(ConfiguredServer::new(name, kind, format!("{origin}/mcp")));
    }

    async fn host(
        &mut self,
        name: &str,
        role: Role,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<String> {
        let listener = TcpListener::bind(loopback()).await?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}", listener.local_addr()?);
        self.hosts
            .push((Host { name: name.to_owned(), origin: origin.clone(), role, tls }, listener));
        Ok(origin)
    }
}

/// What looks like a JSON Web Token (RFC 7519 §3) and is signed by nobody.
fn json_web_token(rng: &mut fastrand::Rng) -> String {
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(serde_json::json!({ "alg": "RS256", "typ": "JWT" }));
    let claims = part(serde_json::json!({ "sub": "upstreams", "jti": random("jwt-", rng) }));
    format!("{header}.{claims}.{}", random("", rng))
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A certificate that is right in everything but who signed it.
fn untrusted() -> io::Result<TlsAcceptor> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![own.cert.der().clone()], key)
        })
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
