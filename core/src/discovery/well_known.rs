//! Decides at which well-known URLs the documents of upstreams and authorization servers may be.

use alloc::{format, string::String, vec::Vec};

/// Whether the host of a URL is a loopback address or `localhost`.
#[must_use]
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The well-known URL of the metadata for a URL: the suffix is inserted between authority and path
/// (RFC 8414 §3.1, RFC 9728 §3.1). `None` if the text is not an absolute URL.
#[must_use]
pub fn well_known_url(suffix: &str, about: &str) -> Option<String> {
    let about = url::Url::parse(about).ok().filter(url::Url::has_authority)?;
    let path = about.path().strip_suffix('/').unwrap_or(about.path());
    let origin = about.origin().ascii_serialization();
    Some(format!("{origin}/.well-known/{suffix}{path}"))
}

/// The URLs at which the authorization server metadata of an issuer may be, in the order in which
/// they are tried (RFC 8414 §3.1).
///
/// The upstream chooses the issuer. Only https is fetched, or http on 127.0.0.0/8 if the upstream
/// itself is on loopback.
#[must_use]
pub fn authorization_server_metadata_urls(issuer: &str, upstream: &str) -> Vec<String> {
    let inserted = ["oauth-authorization-server", "openid-configuration"]
        .map(|suffix| well_known_url(suffix, issuer));
    let appended = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let upstream_is_loopback = url::Url::parse(upstream).is_ok_and(|url| is_loopback(&url));
    inserted
        .into_iter()
        .flatten()
        .chain([appended])
        // The URL that is fetched is the parsed one, so that no other parser finds another host.
        .filter_map(|text| url::Url::parse(&text).ok())
        .filter(|url| match url.scheme() {
            "https" => true,
            "http" => upstream_is_loopback && is_ipv4_loopback(url),
            _ => false,
        })
        .map(String::from)
        .collect()
}

/// Whether the host of a URL is an address in 127.0.0.0/8.
fn is_ipv4_loopback(url: &url::Url) -> bool {
    matches!(url.host(), Some(url::Host::Ipv4(address)) if address.is_loopback())
}

/// The URLs at which the protected resource metadata of an upstream may be, in the order in which
/// they are tried (RFC 9728 §3.1).
#[must_use]
pub fn protected_resource_metadata_urls(upstream: &str) -> Vec<String> {
    let Ok(url) = url::Url::parse(upstream) else { return Vec::new() };
    let origin = url.origin().ascii_serialization();
    [upstream, &origin]
        .into_iter()
        .filter_map(|resource| well_known_url("oauth-protected-resource", resource))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_and_localhost_are_loopback() {
        let loopback = |text: &str| is_loopback(&url::Url::parse(text).unwrap());
        for text in ["http://localhost:1/", "http://127.8.0.1/", "http://[::1]/"] {
            assert!(loopback(text), "{text}");
        }
        for text in ["http://localhost.test/", "http://128.0.0.1/", "http://[::2]/", "unix:/run/x"]
        {
            assert!(!loopback(text), "{text}");
        }
    }

    #[test]
    fn the_suffix_is_inserted_between_authority_and_path() {
        let url = |about| well_known_url("oauth-authorization-server", about);
        assert_eq!(
            url("https://as.test/"),
            Some("https://as.test/.well-known/oauth-authorization-server".into())
        );
        assert_eq!(
            url("https://as.test:8443/a/b"),
            Some("https://as.test:8443/.well-known/oauth-authorization-server/a/b".into())
        );
        assert_eq!(
            url("https://user:pw@as.test/a?x#y"),
            Some("https://as.test/.well-known/oauth-authorization-server/a".into())
        );
        assert_eq!(url("mailto:a@b"), None);
        assert_eq!(url("nonsense"), None);
    }

    #[test]
    fn cleartext_metadata_is_fetched_only_between_loopback_addresses() {
        let urls = authorization_server_metadata_urls;
        assert_eq!(
            urls("https://as.test/tenant/", "https://up.test/mcp"),
            [
                "https://as.test/.well-known/oauth-authorization-server/tenant",
                "https://as.test/.well-known/openid-configuration/tenant",
                "https://as.test/tenant/.well-known/openid-configuration",
            ]
        );
        assert_eq!(urls("http://127.0.0.1:9", "http://127.0.0.1:8/mcp").len(), 3);
        assert!(urls("http://127.0.0.1:9", "https://up.test/mcp").is_empty());
        assert!(urls("http://as.test", "http://127.0.0.1:8/mcp").is_empty());
    }

    #[test]
    fn the_host_of_the_issuer_decides_whether_it_is_loopback() {
        let urls = |issuer| authorization_server_metadata_urls(issuer, "http://127.0.0.1:8/mcp");
        for issuer in [
            "http://127.evil.example",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@192.0.2.2",
            "http://127.0.0.1:9@192.0.2.2",
        ] {
            assert_eq!(urls(issuer), [""; 0], "{issuer}");
        }
        assert_eq!(
            urls(r"http://127.0.0.1\@192.0.2.2")[2],
            "http://127.0.0.1/@192.0.2.2/.well-known/openid-configuration"
        );
        assert_eq!(urls("HTTPS://as.test").len(), 3);
    }

    #[test]
    fn upstream_metadata_is_expected_under_the_path_and_then_under_the_origin() {
        assert_eq!(
            protected_resource_metadata_urls("https://up.test/mcp"),
            [
                "https://up.test/.well-known/oauth-protected-resource/mcp",
                "https://up.test/.well-known/oauth-protected-resource",
            ]
        );
        assert!(protected_resource_metadata_urls("up").is_empty());
    }
}
