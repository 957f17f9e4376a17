//! The JSON-RPC error codes that the gateway reads or writes besides its own positive ones.

/// JSON-RPC 2.0: the text is not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0: the JSON is not a request.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC 2.0: the method does not exist.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0: a parameter is invalid.
pub const INVALID_PARAMS: i32 = -32602;
/// MCP up to 2025-11-25: the resource does not exist. MCP 2026-07-28 uses [`INVALID_PARAMS`]
/// instead.
pub const RESOURCE_NOT_FOUND: i32 = -32002;
/// MCP 2026-07-28: a header field that mirrors the body differs from it.
pub const HEADER_MISMATCH: i32 = -32020;
/// MCP 2026-07-28: the protocol version is not supported.
pub const UNSUPPORTED_PROTOCOL_VERSION: i32 = -32022;
