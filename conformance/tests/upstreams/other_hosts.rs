//! The hosts and URLs besides the MCP endpoints: metadata, authorization server, redirects, closed
//! port, untrusted certificate.

use std::{io::ErrorKind, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use mcp_preflight_conformance::{
    cases::{axis::ServerKind, deployment::names},
    upstreams::MockUpstreams,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{
    case,
    raw::{Answer, Call, Client, address, authority},
    token,
};

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body())
        .unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

#[tokio::test]
async fn the_random_seed_determines_the_secrets_of_the_deployment() {
    let (one, same, other) = (
        MockUpstreams::start(1).await.unwrap(),
        MockUpstreams::start(1).await.unwrap(),
        MockUpstreams::start(2).await.unwrap(),
    );
    assert_eq!(one.deployment().full_key, same.deployment().full_key);
    assert_ne!(one.deployment().full_key, other.deployment().full_key);
    let servers: Vec<&str> =
        one.deployment().servers.iter().map(|server| server.name.as_str()).collect();
    let all = [
        names::STATIC,
        names::MINTED,
        names::OPEN,
        names::RESTRICTED,
        names::CLOSED,
        names::UNTRUSTED,
    ];
    let all = [
        all.as_slice(),
        &[names::UNRESOLVABLE, names::UNMINTABLE, names::RETIRED],
        &[names::STATELESS, names::MOVED, names::ENDLESS],
    ]
    .concat();
    assert_eq!(servers, [names::FORWARDING.as_slice(), &all].concat());
    let granted = |server: &&mcp_preflight_conformance::cases::deployment::ConfiguredServer| {
        server.granted == (server.kind != ServerKind::NotPermitted)
    };
    assert_eq!(one.deployment().servers.iter().filter(granted).count(), servers.len());
}

#[tokio::test]
async fn protected_resource_metadata_names_the_authorization_server() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let metadata = json(&client.send(&Call::bare("GET", path)).await);
        assert_eq!(metadata["resource"], upstreams.deployment().server("alpha").unwrap().url);
        assert_eq!(metadata["authorization_servers"][0], upstreams.deployment().issuer);
    }
    assert_eq!(
        client
            .send(&Call::bare("GET", "/.well-known/oauth-authorization-server"))
            .await
            .status(),
        Some(404)
    );
}

#[tokio::test]
async fn the_authorization_server_issues_a_token_to_its_client_only() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let deployment = upstreams.deployment();
    let mut issuer = Client::connect(&upstreams, "issuer").await;
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let metadata = json(&issuer.send(&Call::bare("GET", path)).await);
        assert_eq!(
            (&metadata["issuer"], &metadata["token_endpoint"]),
            (&Value::from(&*deployment.issuer), &Value::from(&*deployment.token_url))
        );
    }
    let form = |id: &str, secret: &str| {
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    };
    let minted = issuer
        .send(&Call::body("/token", &form(&deployment.client_id, &deployment.client_secret)))
        .await;
    assert_eq!(
        (&json(&minted)["access_token"], &json(&minted)["expires_in"]),
        (&Value::from(&*deployment.minted_token), &Value::from(3600))
    );
    let basic = format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{}:{}", deployment.client_id, deployment.client_secret))
    );
    let by_header =
        Call::body("/token", "grant_type=client_credentials").header("Authorization", &basic);
    assert_eq!(issuer.send(&by_header).await.status(), Some(200));
    assert_eq!(
        issuer
            .send(&Call::body("/token", &form(&deployment.client_id, "wrong")))
            .await
            .status(),
        Some(401)
    );
    assert_eq!(
        issuer.send(&Call::body("/token", "grant_type=password")).await.status(),
        Some(400)
    );
}

#[tokio::test]
async fn a_followed_redirect_is_recorded_at_its_target() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    for (behaviour, server) in [
        ("307-other-origin", "elsewhere"),
        ("301-same-origin", "alpha"),
        ("302-login", "alpha"),
    ] {
        let call = Call::rpc("ping").bearer(&token(behaviour, behaviour));
        let answer = Client::connect(&upstreams, "alpha").await.send(&call).await;
        let location = answer.header("location").unwrap().to_owned();
        let path = location.strip_prefix("http://").unwrap().split_once('/').unwrap().1;
        let followed = Call::bare("GET", &format!("/{path}")).bearer(&token(behaviour, behaviour));
        assert_eq!(
            Client::to(authority(&location)).await.send(&followed).await.status(),
            Some(200),
            "{location}"
        );
        assert_eq!(upstreams.record().arrivals(&case(behaviour))[1].server, server);
    }
}

#[tokio::test]
async fn a_behaviour_can_have_exceptions_by_method() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let mut client = Client::connect(&upstreams, "alpha").await;
    for (behaviour, call, status) in [
        ("head-405-post-401", Call::bare("HEAD", "/mcp"), 405),
        ("head-405-post-401", Call::bare("GET", "/mcp"), 401),
        ("401-after-initialize", Call::rpc("initialize"), 200),
        ("401-after-initialize", Call::rpc("tools/list"), 401),
        ("401-on-tools-call", Call::rpc("tools/list"), 200),
        ("401-on-tools-call", Call::rpc("tools/call"), 401),
    ] {
        assert_eq!(
            client.send(&call.bearer(&token("x", behaviour))).await.status(),
            Some(status),
            "{behaviour}"
        );
    }
}

#[tokio::test]
async fn the_closed_port_refuses_connections() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let error = TcpStream::connect(address(upstreams.deployment(), names::CLOSED))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_client_that_verifies_rejects_the_untrusted_certificate() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let careful = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let error = tls(&upstreams, careful).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert_eq!(upstreams.record().connections(names::UNTRUSTED), 1);
    assert!(upstreams.record().unattributed().is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_verify_is_recorded_at_the_untrusted_server() {
    let upstreams = MockUpstreams::start(1).await.unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let careless = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(careless::AcceptsEveryCertificate))
        .with_no_client_auth();
    let mut stream = tls(&upstreams, careless).await.unwrap();
    let request = format!(
        "GET /mcp HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        token("t", "untrusted-tls")
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(upstreams.record().arrivals(&case("t"))[0].server, names::UNTRUSTED);
}

async fn tls(
    upstreams: &MockUpstreams,
    config: ClientConfig,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address(upstreams.deployment(), names::UNTRUSTED))
        .await
        .unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("127.0.0.1").unwrap(), stream)
        .await
}

/// A verifier like that of a gateway which does not verify certificates.
mod careless {
    use tokio_rustls::rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::ring,
        pki_types::{CertificateDer, ServerName, UnixTime},
    };

    #[derive(Debug)]
    pub(super) struct AcceptsEveryCertificate;

    impl ServerCertVerifier for AcceptsEveryCertificate {
        fn verify_server_cert(
            &self,
            _end_entity: &CertificateDer<'_>,
            _intermediates: &[CertificateDer<'_>],
            _name: &ServerName<'_>,
            _ocsp: &[u8],
            _now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _certificate: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _message: &[u8],
            _certificate: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            ring::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
