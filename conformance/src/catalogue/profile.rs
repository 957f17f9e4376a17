//! The profiles that an implementation can be judged by.

use serde::{Deserialize, Serialize};

use super::named_values::named_values;

named_values! {
    /// A set of behaviours that an implementation can choose as a whole. A requirement of another
    /// profile is not applicable to it.
    #[derive(Default)]
    Profile {
        /// A challenge with the gateway's own discovery URL, a bare 403, any refusal refuses.
        #[default]
        Seed = "seed",
        /// What the MCP specification asks of a server.
        Mcp = "mcp",
        /// Upstream challenges relayed untouched.
        Transparent = "transparent",
    }
}
