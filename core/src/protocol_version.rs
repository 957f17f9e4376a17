//! The MCP protocol versions that the gateway knows.
//!
//! Versions up to 2025-11-25 are session-based, versions from 2026-07-28 are stateless. Which
//! version a client or a server speaks is decided elsewhere.

use http::HeaderMap;

/// The request header field that names the protocol version of a message.
pub const PROTOCOL_VERSION_FIELD: &str = "mcp-protocol-version";

/// An MCP protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
pub enum ProtocolVersion {
    /// Session-based: `initialize` opens a session. The `MCP-Protocol-Version` field does not exist
    /// yet.
    #[serde(rename = "2025-03-26")]
    V2025_03_26,
    /// Session-based: every request after `initialize` carries `MCP-Protocol-Version`.
    #[serde(rename = "2025-06-18")]
    V2025_06_18,
    /// Session-based, with the rules of 2025-06-18 for the version field.
    #[serde(rename = "2025-11-25")]
    V2025_11_25,
    /// Stateless: `server/discover` replaces `initialize`, and every request carries its version in
    /// `_meta`.
    #[serde(rename = "2026-07-28")]
    V2026_07_28,
}

impl ProtocolVersion {
    /// Every version that the gateway knows, the newest first.
    pub const ALL: [Self; 4] =
        [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26];

    /// The newest session-based version. `initialize` is answered with it if the client requests an
    /// unknown or a stateless version.
    pub const NEWEST_SESSION_BASED: Self = Self::V2025_11_25;

    /// The version with this name, or `None` if the gateway does not know it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// The name of the version in the protocol: a date.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether messages of this version stand alone, without `initialize` and without a session.
    #[must_use]
    pub const fn is_stateless(self) -> bool {
        match self {
            Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => false,
            Self::V2026_07_28 => true,
        }
    }

    /// Whether one line of the `MCP-Protocol-Version` field of a request names this version.
    #[must_use]
    pub fn is_declared_in(self, headers: &HeaderMap) -> bool {
        headers
            .get_all(PROTOCOL_VERSION_FIELD)
            .iter()
            .any(|version| version == self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn parse_reads_what_as_str_writes() {
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::parse(version.as_str()), Some(version));
        }
        assert_eq!(ProtocolVersion::parse("2024-11-05"), None);
    }

    #[test]
    fn only_the_newest_version_is_stateless() {
        let stateless = ProtocolVersion::ALL.map(ProtocolVersion::is_stateless);
        assert_eq!(stateless, [true, false, false, false]);
    }

    #[test]
    fn any_line_of_the_field_can_declare_the_version() {
        let lines = ["2025-11-25", "2026-07-28"].map(|version| {
            (
                HeaderName::from_static(PROTOCOL_VERSION_FIELD),
                HeaderValue::from_static(version),
            )
        });
        let headers = lines.into_iter().collect();
        assert!(ProtocolVersion::V2026_07_28.is_declared_in(&headers));
        assert!(ProtocolVersion::V2025_11_25.is_declared_in(&headers));
        assert!(!ProtocolVersion::V2025_06_18.is_declared_in(&headers));
    }
}
