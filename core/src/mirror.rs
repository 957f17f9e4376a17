//! Decides whether the header fields that mirror a message agree with it (SEC-11).
//!
//! Only protocol version 2026-07-28 has these fields (Streamable HTTP, "Server Validation"). A
//! proxy that routes on header fields and a server that reads the body could disagree, so a
//! mismatch is rejected. Whether the message is valid otherwise is decided by its server.

use alloc::{borrow::Cow, string::String};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderMap;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    fields::single_line,
    protocol_version::{PROTOCOL_VERSION_FIELD, ProtocolVersion},
};

/// The members of a message that header fields mirror. A member that appears twice is an error,
/// because readers may choose differently.
#[derive(Default, Deserialize)]
struct Message<'m> {
    id: Option<IgnoredAny>,
    #[serde(borrow)]
    method: Option<Cow<'m, str>>,
    #[serde(borrow, default)]
    params: Option<Params<'m>>,
}

#[derive(Default, Deserialize)]
struct Params<'m> {
    #[serde(borrow)]
    name: Option<Cow<'m, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'m, str>>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'m>>,
}

#[derive(Deserialize)]
struct Meta<'m> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Cow<'m, str>>,
}

/// A mirrored field is missing, is repeated, or differs from the body; or the body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// Compares the mirrored fields of a request with its complete body.
///
/// A message that names its protocol version in `_meta` must name it in the version field too. The
/// other fields are required if the version field names 2026-07-28. A notification may omit them,
/// and so may `initialize`, which that version does not have.
///
/// # Errors
/// A mirrored field is missing, is repeated, or differs from the body.
pub fn check_mirrored_fields(headers: &HeaderMap, body: &[u8]) -> Result<(), Mismatch> {
    let is_stateless = ProtocolVersion::V2026_07_28.is_declared_in(headers);
    let Some(message) = parse(body) else {
        return if is_stateless { Err(Mismatch) } else { Ok(()) };
    };
    let params = message.params.unwrap_or_default();

    let version_in_body = params.meta.and_then(|meta| meta.version);
    if version_in_body.is_some() || is_stateless {
        let field = single_text(headers, PROTOCOL_VERSION_FIELD)?;
        require_equal(field, version_in_body.as_deref().or(field))?;
    }
    if !is_stateless {
        return Ok(());
    }
    let method = message.method.as_deref();
    let is_required = message.id.is_some() && method != Some("initialize");
    match single_text(headers, "mcp-method")? {
        None if !is_required || method.is_none() => {}
        field => require_equal(field, method)?,
    }
    let name = match method {
        Some("tools/call" | "prompts/get") => params.name,
        Some("resources/read") => params.uri,
        _ => return Ok(()),
    };
    match single_text(headers, "mcp-name")? {
        None if !is_required => Ok(()),
        field => require_equal(field.map(decode).transpose()?.as_deref(), name.as_deref()),
    }
}

/// Parses a body that is one JSON object with the expected types.
fn parse(body: &[u8]) -> Option<Message<'_>> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(body).ok()
}

fn require_equal(field: Option<&str>, body: Option<&str>) -> Result<(), Mismatch> {
    if field.is_some() && field == body { Ok(()) } else { Err(Mismatch) }
}

/// The only line of a field, as text.
fn single_text<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> Result<Option<&'h str>, Mismatch> {
    let line = single_line(headers, name).map_err(|_| Mismatch)?;
    line.map(|line| line.to_str().map_err(|_| Mismatch)).transpose()
}

/// Decodes the Base64 form that MCP 2026-07-28 has for a value which cannot be a field value.
fn decode(field: &str) -> Result<Cow<'_, str>, Mismatch> {
    let Some(encoded) = field.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="))
    else {
        return Ok(field.into());
    };
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| Mismatch)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
    const CALL: &str =
        r#"{"id":1,"method":"tools/call","params":{"arguments":{"name":"x"},"name":"echo"}}"#;
    const READ: &str =
        r#"{"id":1,"method":"resources/read","params":{"uri":"a://b","name":"echo"}}"#;

    /// Whether the fields agree with the body in a request of version 2026-07-28.
    fn agree(lines: &[(&'static str, &str)], body: &str) -> bool {
        let headers = headers(&[&[VERSION], lines].concat());
        check_mirrored_fields(&headers, body.as_bytes()).is_ok()
    }

    #[test]
    fn fields_that_agree_with_the_body_are_accepted() {
        let call = ("mcp-method", "tools/call");
        assert!(agree(&[call, ("mcp-name", "echo")], CALL));
        assert!(agree(&[call, ("mcp-name", "=?base64?ZWNobw==?=")], CALL));
        assert!(agree(&[("mcp-method", "ping")], r#"{"id":1,"method":"ping"}"#));
        assert!(agree(&[("mcp-method", "resources/read"), ("mcp-name", "a://b")], READ));
        assert!(agree(&[], r#"{"method":"notifications/progress"}"#));
        assert!(agree(&[call], r#"{"method":"tools/call","params":{"name":"echo"}}"#));
        assert!(agree(&[], r#"{"id":1,"method":"initialize","params":{}}"#));
        assert!(agree(&[], r#"{"id":1,"result":{}}"#));
    }

    #[test]
    fn missing_repeated_and_different_fields_are_rejected() {
        let call = ("mcp-method", "tools/call");
        for lines in [
            &[][..],
            &[call],
            &[("mcp-name", "echo")],
            &[("mcp-method", "tools/list"), ("mcp-name", "echo")],
            &[("mcp-method", "TOOLS/CALL"), ("mcp-name", "echo")],
            &[call, ("mcp-name", "Echo")],
            &[call, ("mcp-name", "x")],
            &[call, call, ("mcp-name", "echo")],
            &[call, ("mcp-name", "echo"), ("mcp-name", "x")],
            &[call, ("mcp-name", "=?base64?ZWNobw?=")],
            &[call, ("mcp-name", "=?base64?/w==?=")],
            &[call, ("mcp-name", "\u{e9}")],
            &[call, ("mcp-name", "echo"), ("mcp-protocol-version", "2025-11-25")],
        ] {
            assert!(!agree(lines, CALL), "{lines:?}");
        }
        assert!(!agree(&[("mcp-method", "resources/read"), ("mcp-name", "echo")], READ));
        assert!(!agree(&[("mcp-method", "resources/read")], READ));
    }

    #[test]
    fn a_body_without_one_readable_name_is_rejected() {
        for body in [
            "",
            "[]",
            r#"["tools/call"]"#,
            r#"{"id":1,"method":"tools/call","params":{}}"#,
            r#"{"id":1,"method":"tools/call","params":{"name":7}}"#,
            r#"{"id":1,"method":"tools/list","method":"tools/call","params":{"name":"echo"}}"#,
            r#"{"id":1,"method":"tools/call","params":{"name":"echo","name":"x"}}"#,
            concat!(
                r#"{"id":1,"method":"tools/call","params":{"name":"echo","#,
                r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}}"#,
            ),
        ] {
            assert!(!agree(&[("mcp-method", "tools/call"), ("mcp-name", "echo")], body), "{body}");
        }
    }

    #[test]
    fn session_based_versions_mirror_nothing() {
        let session_based =
            headers(&[("mcp-protocol-version", "2025-11-25"), ("mcp-method", "other")]);
        for body in [
            CALL,
            "",
            "[]",
            r#"{"id":1,"method":"x","params":[1]}"#,
            r#"{"id":1,"method":"x","params":{"name":7}}"#,
        ] {
            assert_eq!(check_mirrored_fields(&session_based, body.as_bytes()), Ok(()));
            assert_eq!(check_mirrored_fields(&headers(&[]), body.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn a_version_in_the_body_must_be_in_the_field_too() {
        let ping = concat!(
            r#"{"id":1,"method":"ping","params":"#,
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        );
        assert_eq!(check_mirrored_fields(&headers(&[]), ping.as_bytes()), Err(Mismatch));
    }

    proptest! {
        #[test]
        fn any_name_is_compared_exactly(
            name in "\\PC{0,12}|=\\?base64\\?[a-z]{0,4}\\?=",
            other in "\\PC{0,12}",
        ) {
            let body = serde_json::json!({
                "id": 1,
                "method": "prompts/get",
                "params": { "name": name },
            });
            for sent in [&name, &other] {
                let encoded = format!("=?base64?{}?=", BASE64_STANDARD.encode(sent));
                let lines = [("mcp-method", "prompts/get"), ("mcp-name", encoded.as_str())];
                prop_assert_eq!(agree(&lines, &body.to_string()), *sent == name);
            }
        }

        #[test]
        fn any_body_is_checked_without_panic(
            body in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let _ = check_mirrored_fields(&headers(&[VERSION]), &body);
        }
    }
}
