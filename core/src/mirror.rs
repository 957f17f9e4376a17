//! Decides whether the header fields that mirror a message say what the message says (SEC-11).
//!
//! Only revision 2026-07-28 has them (Streamable HTTP, "Server Validation"). Who routes by a field while the server goes by the body
//! could be told two stories; here such a message ends. Whether it makes sense otherwise is its server's business.

use alloc::{borrow::Cow, string::String};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderMap;
use serde::{Deserialize, de::IgnoredAny};

use super::protocol_version::ProtocolVersion;

/// What is mirrored of a message. A member that stands there twice is an error: each reader could take another one.
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

/// Fields and body do not agree, or nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// Compares the mirroring fields with a whole message.
///
/// A message that states the revision in its `_meta` needs the field as well; everything else is asked of messages that name the
/// revision in the field. A notification may leave fields out, and so may `initialize`, which the revision does not have.
///
/// # Errors
/// A field is missing, is there twice, or does not say what the body says.
pub fn check_mirrored_fields(headers: &HeaderMap, body: &[u8]) -> Result<(), Mismatch> {
    let modern = ProtocolVersion::V2026_07_28.is_declared_in(headers);
    let read = body
        .trim_ascii_start()
        .starts_with(b"{")
        .then(|| serde_json::from_slice::<Message<'_>>(body).ok())
        .flatten();
    let Some(message) = read else {
        return if modern { Err(Mismatch) } else { Ok(()) };
    };
    let params = message.params.unwrap_or_default();

    let stated = params.meta.and_then(|meta| meta.version);
    if stated.is_some() || modern {
        let version = single(headers, "mcp-protocol-version")?;
        same(version, stated.as_deref().or(version))?;
    }
    if !modern {
        return Ok(());
    }
    let method = message.method.as_deref();
    let required = message.id.is_some() && method != Some("initialize");
    match single(headers, "mcp-method")? {
        None if !required || method.is_none() => {}
        written => same(written, method)?,
    }
    let named = match method {
        Some("tools/call" | "prompts/get") => params.name,
        Some("resources/read") => params.uri,
        _ => return Ok(()),
    };
    match single(headers, "mcp-name")? {
        None if !required => Ok(()),
        written => same(written.map(decoded).transpose()?.as_deref(), named.as_deref()),
    }
}

fn same(written: Option<&str>, meant: Option<&str>) -> Result<(), Mismatch> {
    if written.is_some() && written == meant {
        Ok(())
    } else {
        Err(Mismatch)
    }
}

/// The one line of a field.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Mismatch> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().map(|line| line.to_str().map_err(|_| Mismatch)).transpose()?;
    if lines.next().is_some() { Err(Mismatch) } else { Ok(line) }
}

/// What a field says that may be written in the Base64 form, as everything is that a field cannot hold as it stands.
fn decoded(written: &str) -> Result<Cow<'_, str>, Mismatch> {
    let Some(encoded) = written.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="))
    else {
        return Ok(written.into());
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

    fn checked(lines: &[(&'static str, &str)], body: &str) -> bool {
        check_mirrored_fields(&headers(&[&[VERSION], lines].concat()), body.as_bytes()).is_ok()
    }

    #[test]
    fn fields_say_what_the_body_says() {
        let call = ("mcp-method", "tools/call");
        assert!(checked(&[call, ("mcp-name", "echo")], CALL));
        assert!(checked(&[call, ("mcp-name", "=?base64?ZWNobw==?=")], CALL));
        assert!(checked(&[("mcp-method", "ping")], r#"{"id":1,"method":"ping"}"#));
        assert!(checked(
            &[("mcp-method", "resources/read"), ("mcp-name", "a://b")],
            &CALL
                .replace("tools/call", "resources/read")
                .replace(r#""name":"echo""#, r#""uri":"a://b""#)
        ));
        assert!(checked(&[], r#"{"method":"notifications/progress"}"#));
        assert!(checked(&[call], r#"{"method":"tools/call","params":{"name":"echo"}}"#));
        assert!(checked(&[], r#"{"id":1,"method":"initialize","params":{}}"#));
        assert!(checked(&[], r#"{"id":1,"result":{}}"#));
    }

    #[test]
    fn what_does_not_agree_ends_here() {
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
            assert!(!checked(lines, CALL), "{lines:?}");
        }
        for body in [
            "",
            "[]",
            r#"["tools/call"]"#,
            r#"{"id":1,"method":"tools/call","params":{}}"#,
            r#"{"id":1,"method":"tools/call","params":{"name":7}}"#,
            r#"{"id":1,"method":"tools/list","method":"tools/call","params":{"name":"echo"}}"#,
            r#"{"id":1,"method":"tools/call","params":{"name":"echo","name":"x"}}"#,
            r#"{"id":1,"method":"tools/call","params":{"name":"echo","_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}}"#,
        ] {
            assert!(!checked(&[call, ("mcp-name", "echo")], body), "{body}");
        }
        let read = r#"{"id":1,"method":"resources/read","params":{"uri":"a://b","name":"echo"}}"#;
        assert!(!checked(&[("mcp-method", "resources/read"), ("mcp-name", "echo")], read));
        assert!(!checked(&[("mcp-method", "resources/read")], read));
    }

    #[test]
    fn earlier_revisions_mirror_nothing() {
        for body in [
            CALL,
            "",
            "[]",
            r#"{"id":1,"method":"x","params":[1]}"#,
            r#"{"id":1,"method":"x","params":{"name":7}}"#,
        ] {
            assert_eq!(
                check_mirrored_fields(
                    &headers(&[("mcp-protocol-version", "2025-11-25"), ("mcp-method", "other")]),
                    body.as_bytes()
                ),
                Ok(())
            );
            assert_eq!(check_mirrored_fields(&headers(&[]), body.as_bytes()), Ok(()));
        }
        let modern = r#"{"id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        assert_eq!(
            check_mirrored_fields(&headers(&[]), modern.as_bytes()),
            Err(Mismatch),
            "the body alone cannot name the revision"
        );
    }

    proptest! {
        #[test]
        fn a_name_is_compared_whatever_is_in_it(name in "\\PC{0,12}|=\\?base64\\?[a-z]{0,4}\\?=", other in "\\PC{0,12}") {
            let body = serde_json::json!({ "id": 1, "method": "prompts/get", "params": { "name": name } }).to_string();
            for sent in [&name, &other] {
                let encoded = format!("=?base64?{}?=", BASE64_STANDARD.encode(sent));
                prop_assert_eq!(checked(&[("mcp-method", "prompts/get"), ("mcp-name", &encoded)], &body), *sent == name);
            }
        }

        #[test]
        fn any_body_is_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = check_mirrored_fields(&headers(&[VERSION]), &body);
        }
    }
}
