//! A client whose token is refused recovers by itself: from the gateway's challenge to the
//! authorization server, to a new token, to the result (AGG-05). If no token would help, it stops.
//!
//! The tests check the requests that the authorization server received. The authorization server
//! records it as a refusal if a request contains the gateway key.

mod aggregate;
mod single_server;

use rmcp::ClientLifecycleMode;

use crate::{
    authorization_server::AuthorizationServer,
    child::gateway::{ConfigurationFile, Gateway},
    protected_upstream::{self, Policy, SCOPE},
    rust_client::prefer_2026_07_28,
};

const EXPIRED_TOKEN: &str = "tk-Expired7rW2mYc5uLd9";
/// Each profile with each strategy.
const PROFILES_AND_STRATEGIES: [(&str, &str); 4] =
    [("seed", "probe"), ("seed", "deferred"), ("mcp", "probe"), ("mcp", "deferred")];

/// A way in which the Rust client begins, and the protocol version of the servers behind an
/// aggregate endpoint.
fn lifecycles_and_versions() -> [(ClientLifecycleMode, &'static str); 2] {
    [
        (ClientLifecycleMode::Initialize, "2025-11-25"),
        (prefer_2026_07_28(), "2026-07-28"),
    ]
}

/// The gateway settings of a test.
#[derive(Clone, Copy)]
struct Settings<'a> {
    profile: &'a str,
    strategy: &'a str,
    /// The protocol version of the servers.
    version: &'a str,
}

/// An authorization server, upstreams that accept its tokens, and the gateway.
struct Setup {
    authorization_server: AuthorizationServer,
    gateway: Gateway,
    /// The endpoint that the client uses.
    url: String,
}

impl Setup {
    /// One server, with its single-server endpoint.
    async fn single_server(profile: &str, strategy: &str, policy: Policy) -> Self {
        let settings = Settings { profile, strategy, version: "2025-11-25" };
        Self::shared_space(settings, &[policy], "/mcp/s0").await
    }

    /// Servers `s0`, `s1` and so on in one protection space, with their aggregate endpoint.
    async fn aggregate(settings: Settings<'_>, policies: &[Policy]) -> Self {
        Self::shared_space(settings, policies, "/mcp").await
    }

    async fn shared_space(settings: Settings<'_>, policies: &[Policy], path: &str) -> Self {
        let authorization_server = AuthorizationServer::start().await;
        let mut servers = Vec::new();
        for policy in policies {
            let url = protected_upstream::start(&authorization_server, *policy).await;
            servers.push((url, "shared"));
        }
        Self::start(settings, authorization_server, &servers, path).await
    }

    /// Two servers in different protection spaces. The second authorization server issues the
    /// tokens of the second server.
    async fn separate_spaces(settings: Settings<'_>) -> (Self, AuthorizationServer) {
        let first = AuthorizationServer::start().await;
        let second = AuthorizationServer::start().await;
        let servers = [
            (protected_upstream::start(&first, Policy::Accept).await, "first"),
            (protected_upstream::start(&second, Policy::Accept).await, "second"),
        ];
        (Self::start(settings, first, &servers, "/mcp").await, second)
    }

    /// Starts the gateway with servers, each of which is a URL and a protection space.
    async fn start(
        settings: Settings<'_>,
        authorization_server: AuthorizationServer,
        servers: &[(String, &str)],
        path: &str,
    ) -> Self {
        let Settings { profile, strategy, version } = settings;
        let mut text = format!(
            r#"
listen = "127.0.0.1:0"
profile = "{profile}"
strategy = "{strategy}"

[[key]]
name = "alice"
value = {{ env = "ALICE_KEY" }}
servers = "all"
"#
        );
        for (number, (url, space)) in servers.iter().enumerate() {
            text += &format!(
                r#"
[[server]]
name = "s{number}"
url = "{url}"
protocol_version = "{version}"
forward = ["authorization"]
protection_space = "{space}"
"#
            );
        }
        let gateway = Gateway::start(&ConfigurationFile::new(&text), "info").await;
        let url = format!("http://{}{path}", gateway.address);
        Self { authorization_server, gateway, url }
    }

    /// Checks that the client authorized exactly once, and that no request was refused.
    fn assert_authorized_once(&self) {
        let authorized = format!("authorize {SCOPE} for {}", self.url);
        assert_eq!(
            self.authorization_server.take_requests(),
            ["metadata", "register", &authorized, "token by authorization_code"]
        );
    }

    /// Stops the gateway and checks that it logged no token.
    async fn stop(self) {
        let exit = self.gateway.stop().await;
        assert_eq!(exit.code, 0);
        assert!(!exit.lines.join("\n").contains(EXPIRED_TOKEN));
    }
}
