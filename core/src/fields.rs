//! Decides which header fields cross the gateway, in either direction.
//!
//! Upwards by allow-list: cookies, the gateway key, forwarding headers and other servers' credentials have no way through (CRD-03,
//! CRD-10). Downwards everything but what belongs to one connection or to the upstream's own origin. `Authorization`,
//! `WWW-Authenticate` and `Mcp-Session-Id` never cross here; [`credential`](super::credential), [`challenge`](super::challenge) and
//! [`session`](super::session) make them.

use alloc::{string::String, vec::Vec};

use http::{HeaderMap, HeaderName, header};

/// What an upstream may see of a client's header fields.
const UPWARDS: [&str; 11] = [
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

/// What a client does not see of an upstream's: hop-by-hop fields (RFC 9110 §7.6.1), and what speaks for the upstream's origin.
const NOT_DOWNWARDS: [&str; 16] = [
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
];

/// The fields of a client's request that go upstream.
#[must_use]
pub fn request_fields(client: &HeaderMap) -> HeaderMap {
    let named = named_by_connection(client);
    let mut up = HeaderMap::new();
    for name in UPWARDS {
        if named.iter().any(|hop| hop == name) {
            continue;
        }
        for value in client.get_all(name) {
            up.append(HeaderName::from_static(name), value.clone());
        }
    }
    // Parameters that a tool wants mirrored: who does not know them has to hand them on (MCP 2026-07-28, "Custom Headers").
    up.extend(
        client
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("mcp-param-"))
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    up
}

/// The fields of an upstream's response that reach the client.
#[must_use]
pub fn response_fields(upstream: &HeaderMap) -> HeaderMap {
    let named = named_by_connection(upstream);
    let crosses = |name: &HeaderName| {
        let name = name.as_str();
        // Which pages may read an answer is the gateway's to say, for its own origin.
        !NOT_DOWNWARDS.contains(&name)
            && !name.starts_with("access-control-")
            && !named.iter().any(|hop| hop == name)
    };
    upstream
        .iter()
        .filter(|(name, _)| crosses(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether `Connection` declares a credential, or a field that says what a message is, to be for this hop only: to take it out would
/// change who is calling, or for what, without anyone noticing (SEC-06).
#[must_use]
pub fn connection_names_protected_field(client: &HeaderMap, key_header: &HeaderName) -> bool {
    let told = |name: &String| name == "authorization" || name == key_header.as_str();
    named_by_connection(client)
        .iter()
        .any(|name| told(name) || name.starts_with("mcp-") || name.starts_with("x-mcp-"))
}

/// The fields that `Connection` declares to be for this hop only.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lines = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    lines
        .map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_an_upstream_sees_is_a_list() {
        let up = request_fields(&map(&[
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
        assert_eq!(up, map(&[("accept", "application/json"), ("mcp-param-region", "eu")]));
    }

    #[test]
    fn what_is_for_one_hop_stays_on_it() {
        let down = response_fields(&map(&[
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
        assert_eq!(down, map(&[("content-type", "application/json"), ("retry-after", "3")]));
    }

    #[test]
    fn a_credential_is_not_for_one_hop() {
        let key = HeaderName::from_static("x-key");
        for named in [
            "authorization",
            "close, X-Key",
            "\u{e9},Mcp-Session-Id",
            "x-mcp-a-authorization",
            "mcp-param-region",
        ] {
            let headers = HeaderMap::from_iter([(
                header::CONNECTION,
                HeaderValue::from_bytes(named.as_bytes()).unwrap(),
            )]);
            assert!(connection_names_protected_field(&headers, &key), "{named}");
        }
        assert!(!connection_names_protected_field(
            &map(&[("connection", "keep-alive, upgrade, x-hop")]),
            &key
        ));
    }

    proptest! {
        #[test]
        fn nothing_off_the_list_goes_up(names in prop::collection::vec("[a-z][a-z-]{0,24}", 0..12)) {
            let client: HeaderMap = names.iter().map(|n| (n.parse::<HeaderName>().unwrap(), HeaderValue::from_static("x"))).collect();
            prop_assert!(request_fields(&client).keys().all(|name| UPWARDS.contains(&name.as_str()) || name.as_str().starts_with("mcp-param-")));
        }
    }
}
