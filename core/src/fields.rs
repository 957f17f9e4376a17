//! Decides which header fields the gateway forwards, in either direction.
//!
//! Request fields are forwarded by an allow-list, which excludes cookies, the gateway key,
//! forwarding fields and credentials for other servers (CRD-03, CRD-10). Response fields are
//! forwarded unless they belong to one connection or to the upstream's own origin. `Authorization`,
//! `WWW-Authenticate` and `Mcp-Session-Id` are never forwarded here:
//! [`credential`](super::credential), [`challenge`](super::challenge) and
//! [`session`](super::session) make them.

use alloc::{string::String, vec::Vec};

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{self, AsHeaderName},
    uri::Authority,
};

/// The request fields that an upstream is sent.
const REQUEST_FIELDS: [&str; 11] = [
    "accept",
    "accept-language",
    "content-encoding",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "traceparent",
    "tracestate",
    "user-agent",
];

/// The response fields that a client is not sent: hop-by-hop fields (RFC 9110 §7.6.1) and fields
/// that a client would apply to the gateway's origin, although they concern the upstream's.
const REMOVED_RESPONSE_FIELDS: [&str; 27] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "mcp-session-id",
    "authentication-info",
    "set-cookie",
    "location",
    "alt-svc",
    "strict-transport-security",
    "clear-site-data",
    "content-security-policy",
    "content-security-policy-report-only",
    "link",
    "nel",
    "origin-agent-cluster",
    "permissions-policy",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
];

/// The fields of a client's request that an upstream is sent.
#[must_use]
pub fn request_fields(client: &HeaderMap) -> HeaderMap {
    let hop_by_hop = named_by_connection(client);
    let mut forwarded = HeaderMap::new();
    for name in REQUEST_FIELDS {
        if hop_by_hop.iter().any(|hop| hop == name) {
            continue;
        }
        for value in client.get_all(name) {
            forwarded.append(HeaderName::from_static(name), value.clone());
        }
    }
    // Fields that mirror tool parameters. An intermediary that does not know them must forward them
    // (MCP 2026-07-28, "Custom Headers").
    forwarded.extend(
        client
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("mcp-param-"))
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    forwarded
}

/// The fields of an upstream's response that the client is sent.
#[must_use]
pub fn response_fields(upstream: &HeaderMap) -> HeaderMap {
    let hop_by_hop = named_by_connection(upstream);
    let is_forwarded = |name: &HeaderName| {
        let name = name.as_str();
        // The gateway decides for its own origin which pages may read a response.
        !REMOVED_RESPONSE_FIELDS.contains(&name)
            && !name.starts_with("access-control-")
            && !hop_by_hop.iter().any(|hop| hop == name)
    };
    upstream
        .iter()
        .filter(|(name, _)| is_forwarded(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether a message has a `Content-Length` beside a transfer coding (RFC 9112 §6.3).
#[must_use]
pub fn has_two_lengths(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) && headers.contains_key(header::TRANSFER_ENCODING)
}

/// Whether the `Host` field of a request is valid: exactly one line in HTTP/1.1, at most one in
/// other versions, and a host with an optional port (RFC 9112 §3.2). An empty value means that the
/// URL has no host.
#[must_use]
pub fn is_host_valid(version: Version, headers: &HeaderMap) -> bool {
    match single_line(headers, header::HOST) {
        Ok(Some(host)) => {
            host.is_empty()
                || Authority::try_from(host.as_bytes())
                    .is_ok_and(|authority| !authority.as_str().contains('@'))
        }
        Ok(None) => version != Version::HTTP_11,
        Err(RepeatedField) => false,
    }
}

/// Whether `Connection` names a credential or a field that describes the message. A proxy would
/// remove such a field, so the caller or the message would change without notice (SEC-06).
#[must_use]
pub fn connection_names_protected_field(client: &HeaderMap, key_header: &HeaderName) -> bool {
    named_by_connection(client).iter().any(|name| {
        name == "authorization"
            || name == key_header.as_str()
            || name.starts_with("mcp-")
            || name.starts_with("x-mcp-")
    })
}

/// A field has several lines, but only one is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatedField;

/// The only line of a field, or `None` if the field is absent.
///
/// # Errors
/// The field has several lines.
pub fn single_line<K: AsHeaderName>(
    headers: &HeaderMap,
    name: K,
) -> Result<Option<&HeaderValue>, RepeatedField> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next();
    if lines.next().is_some() { Err(RepeatedField) } else { Ok(line) }
}

/// The names of hop-by-hop fields in all lines of `Connection`, in lower case.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_listed_request_fields_are_forwarded() {
        let forwarded = request_fields(&map(&[
            ("accept", "application/json"),
            ("authorization", "Bearer t"),
            ("connection", "mcp-name, x"),
            ("cookie", "a=b"),
            ("mcp-name", "echo"),
            ("mcp-param-region", "eu"),
            ("mcp-session-id", "s1"),
            ("proxy-authorization", "Basic x"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-litellm-api-key", "sk"),
            ("x-mcp-beta-authorization", "Bearer b"),
        ]));
        assert_eq!(forwarded, map(&[("accept", "application/json"), ("mcp-param-region", "eu")]));
    }

    #[test]
    fn hop_by_hop_response_fields_are_not_forwarded() {
        let forwarded = response_fields(&map(&[
            ("access-control-allow-credentials", "true"),
            ("connection", "close, X-Hop"),
            ("content-type", "application/json"),
            ("mcp-session-id", "s1"),
            ("proxy-authenticate", "Basic"),
            ("retry-after", "3"),
            ("set-cookie", "a=b"),
            ("www-authenticate", "Bearer"),
            ("x-hop", "1"),
        ]));
        assert_eq!(forwarded, map(&[("content-type", "application/json"), ("retry-after", "3")]));
    }

    #[test]
    fn connection_must_not_name_credentials_or_mcp_fields() {
        let key = HeaderName::from_static("x-key");
        for named in [
            "authorization",
            "close, X-Key",
            "\u{e9},Mcp-Session-Id",
            "x-mcp-a-authorization",
            "mcp-param-region",
        ] {
            let line = HeaderValue::from_bytes(named.as_bytes()).unwrap();
            let headers = HeaderMap::from_iter([(header::CONNECTION, line)]);
            assert!(connection_names_protected_field(&headers, &key), "{named}");
        }
        let harmless = map(&[("connection", "keep-alive, upgrade, x-hop")]);
        assert!(!connection_names_protected_field(&harmless, &key));
    }

    #[test]
    fn a_field_with_two_lines_is_repeated() {
        let mut headers = map(&[("accept", "a")]);
        assert_eq!(single_line(&headers, "host"), Ok(None));
        assert_eq!(single_line(&headers, "accept"), Ok(Some(&HeaderValue::from_static("a"))));
        headers.append("accept", HeaderValue::from_static("a"));
        assert_eq!(single_line(&headers, "accept"), Err(RepeatedField));
    }

    #[test]
    fn a_host_is_one_line_with_a_host() {
        for (lines, valid) in [
            (&[("host", "gateway.example")][..], true),
            (&[("host", "gateway.example:8080")], true),
            (&[("host", "[::1]:8080")], true),
            (&[("host", "")], true),
            (&[], false),
            (&[("host", "a"), ("host", "a")], false),
            (&[("host", "a b")], false),
            (&[("host", "user@a")], false),
            (&[("host", "a/b")], false),
        ] {
            assert_eq!(is_host_valid(Version::HTTP_11, &map(lines)), valid, "{lines:?}");
        }
        assert!(is_host_valid(Version::HTTP_10, &HeaderMap::new()));
        assert!(is_host_valid(Version::HTTP_2, &HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn no_unlisted_request_field_is_forwarded(
            names in prop::collection::vec("[a-z][a-z-]{0,24}", 0..12),
        ) {
            let client: HeaderMap = names
                .iter()
                .map(|name| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_static("x")))
                .collect();
            let listed = |name: &HeaderName| {
                REQUEST_FIELDS.contains(&name.as_str()) || name.as_str().starts_with("mcp-param-")
            };
            prop_assert!(request_fields(&client).keys().all(listed));
        }
    }
}
