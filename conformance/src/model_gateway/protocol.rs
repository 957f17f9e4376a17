//! Names the header fields and versions of MCP that the model gateway uses.

use http::header::HeaderName;

/// The header field of a session id.
pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The header field of the protocol version.
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The protocol version of the gateway's own session-based requests.
pub(super) const SESSION_BASED_VERSION: &str = "2025-11-25";

/// The first stateless protocol version.
pub(super) const STATELESS_VERSION: &str = "2026-07-28";
