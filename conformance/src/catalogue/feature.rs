//! Optional features of a gateway, which its description declares and cases can need.

use serde::{Deserialize, Serialize};

use super::named_values::named_values;

named_values! {
    /// An optional feature of a gateway.
    Feature {
        /// Takes the gateway key as the bearer of `Authorization` as well as in its own header.
        KeyInAuthorization = "key-in-authorization",
        /// A key can be limited to some servers.
        LimitedKeys = "limited-keys",
        /// A server can have a credential of its own in the configuration.
        StaticCredential = "static-credential",
        /// A server's credential can be minted from client credentials.
        ClientCredentials = "client-credentials",
        /// Asks the upstream about a token with a request of its own, before it forwards.
        PreflightProbe = "preflight-probe",
        /// Serves the documents that its challenges name.
        Discovery = "discovery",
        /// Takes `tools/list` and `tools/call` from a client that has opened no session.
        SessionlessRequests = "sessionless-requests",
        /// Answers GET with a listening stream.
        ListeningStream = "listening-stream",
        /// Lets a client end its session with DELETE.
        SessionEnd = "session-end",
        /// Serves clients of 2026-07-28, in front of servers that speak it.
        StatelessClients = "stateless-clients",
        /// A server can be set aside in the configuration without being taken out of it.
        DisabledServers = "disabled-servers",
        /// Hands a caller's token on only where its configuration says so, and says nothing of it for the kind `none`.
        ForwardingOptIn = "forwarding-opt-in",
        /// Can be configured to send the response head before the upstream responds: `deployment.commits_at_once`.
        CommitDeadline = "commit-deadline",
        /// Admits by a bearer in `Authorization` that is no key of its key header.
        BearerAdmission = "bearer-admission",
        /// Answers browsers: pages of configured origins may use it.
        Browsers = "browsers",
        /// Gives clients sessions of the revisions that have them.
        Sessions = "sessions",
        /// Speaks HTTP/2, too, to clients that begin with it on its one port (RFC 9113 §3.3).
        Http2 = "http2",
        /// Takes a token for one server alone, in the header that `credentials.server-token-header` names.
        ServerTokens = "server-tokens",
        /// Takes messages up to the length that `surfaces.message-bytes` names.
        MessageLimit = "message-limit",
        /// Serves metrics in Prometheus' text form, where `surfaces.metrics` says.
        Metrics = "metrics",
        /// Writes a line about each request, as `surfaces.audit` says.
        Audit = "audit",
        /// Serves several servers in one request; declared by `[aggregate]`.
        AggregateEndpoints = "aggregate-endpoints",
        /// Knows toolsets; declared by a route of `[aggregate]`.
        Toolsets = "toolsets",
    }
}

impl Feature {
    /// What declares the feature in a description in place of the list `features`.
    #[must_use]
    pub const fn declaring_key(self) -> Option<&'static str> {
        match self {
            Self::ServerTokens => Some("credentials.server-token-header"),
            Self::MessageLimit => Some("surfaces.message-bytes"),
            Self::Metrics => Some("surfaces.metrics"),
            Self::Audit => Some("surfaces.audit"),
            Self::AggregateEndpoints => Some("[aggregate]"),
            Self::Toolsets => Some("a route with {toolset} in [aggregate]"),
            _ => None,
        }
    }
}
