//! The kinds of gateways for which the suite has presets.

use serde::{Deserialize, Serialize};

use super::named_values::named_values;

named_values! {
    /// The kind of a gateway. Each kind has a preset in `presets/`.
    GatewayKind {
        /// A plain reverse proxy: it passes requests and responses on as they are.
        Relay = "relay",
        /// A gateway with its own keys that forwards the caller's token, such as LiteLLM.
        ForwardingGateway = "forwarding-gateway",
        /// An MCP server that calls upstream servers, built on an SDK.
        SdkProxy = "sdk-proxy",
        /// A gateway with stored lists of tools and a configured credential for each server.
        Catalogue = "catalogue",
    }
}
