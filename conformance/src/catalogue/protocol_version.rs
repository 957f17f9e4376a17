//! The MCP protocol versions that clients and servers speak.

use serde::{Deserialize, Serialize};

use super::named_values::named_values;

named_values! {
    /// The revision of MCP that a client speaks, or a server. Older ones are less than newer ones.
    #[derive(Default)]
    ProtocolVersion {
        /// Sessions opened by `initialize`, and no version header.
        V2025_03_26 = "2025-03-26",
        /// As before, with a version header after `initialize`.
        V2025_06_18 = "2025-06-18",
        /// As before; the revision that is spoken unless said otherwise.
        #[default]
        V2025_11_25 = "2025-11-25",
        /// No sessions: `_meta` on every request, mirrored in header fields.
        V2026_07_28 = "2026-07-28",
    }
}
