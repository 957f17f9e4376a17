//! Optional features of a gateway, which its description declares and cases can need.

use serde::{Deserialize, Serialize};

use super::named_values::named_values;

named_values! {
    /// An optional feature of a gateway.
    Feature {
        /// Rejects a request without a valid gateway key.
        GatewayKeys = "gateway-keys",
        /// Forwards the caller's token to the servers of the kind `forwarding`.
        TokenForwarding = "token-forwarding",
        /// Can be configured to send a server no credential, also if it forwards tokens to others.
        ServersWithoutCredential = "servers-without-credential",
        /// Accepts the gateway key also as the bearer token of `Authorization`.
        KeyInAuthorization = "key-in-authorization",
        /// Limits a gateway key to some servers.
        LimitedKeys = "limited-keys",
        /// Sends a server a credential from the configuration.
        StaticCredential = "static-credential",
        /// Obtains the token of a server with client credentials (RFC 6749 §4.4).
        ClientCredentials = "client-credentials",
        /// Sends the upstream a request of its own to test a token before it forwards the client's
        /// request.
        PreflightProbe = "preflight-probe",
        /// Serves the documents that its challenges name.
        Discovery = "discovery",
        /// Accepts `tools/list` and `tools/call` from a client that has opened no session.
        SessionlessRequests = "sessionless-requests",
        /// Answers GET with a listening stream.
        ListeningStream = "listening-stream",
        /// Lets a client end its session with DELETE.
        SessionEnd = "session-end",
        /// Serves clients of 2026-07-28 for servers of the same version.
        StatelessClients = "stateless-clients",
        /// Disables a server that stays in the configuration.
        DisabledServers = "disabled-servers",
        /// Forwards a caller's token only if its configuration says so; for the kind `none` it does
        /// not.
        ForwardingOptIn = "forwarding-opt-in",
        /// Can be configured to send the response head before the upstream responds:
        /// `deployment.commits_at_once`.
        CommitDeadline = "commit-deadline",
        /// Admits callers by a bearer token in `Authorization` that is not a gateway key.
        BearerAdmission = "bearer-admission",
        /// Answers requests of browsers from the pages of configured origins.
        Browsers = "browsers",
        /// Gives clients sessions in the session-based protocol versions.
        Sessions = "sessions",
        /// Accepts HTTP/2 with prior knowledge on the same port (RFC 9113 §3.3).
        Http2 = "http2",
        /// Accepts a token for one server, in the field that `credentials.server-token-header`
        /// names.
        ServerTokens = "server-tokens",
        /// Accepts messages up to the length of `surfaces.message-bytes`.
        MessageLimit = "message-limit",
        /// Serves metrics in Prometheus' text format at the URL of `surfaces.metrics`.
        Metrics = "metrics",
        /// Writes a log line about each request, which `surfaces.audit` describes.
        Audit = "audit",
        /// Serves more than one server; declared by a route with `{server}`.
        MultipleServers = "multiple-servers",
        /// Serves several servers with one request; declared by `[aggregate]`.
        AggregateEndpoints = "aggregate-endpoints",
        /// Serves the servers that a request selects; declared by `[aggregate]`, if the sets of
        /// servers are not fixed.
        ServerSelection = "server-selection",
        /// Serves named sets of servers; declared by a route of `[aggregate]`.
        Toolsets = "toolsets",
    }
}

impl Feature {
    /// The key of a description that declares the feature in place of the list `features`.
    #[must_use]
    pub const fn declaring_key(self) -> Option<&'static str> {
        match self {
            Self::ServerTokens => Some("credentials.server-token-header"),
            Self::MessageLimit => Some("surfaces.message-bytes"),
            Self::Metrics => Some("surfaces.metrics"),
            Self::Audit => Some("surfaces.audit"),
            Self::MultipleServers => Some("a route with {server}"),
            Self::AggregateEndpoints => Some("[aggregate]"),
            Self::ServerSelection => {
                Some("narrowing-header or a route with {servers} in [aggregate]")
            }
            Self::Toolsets => Some("a route with {toolset} in [aggregate]"),
            _ => None,
        }
    }
}
