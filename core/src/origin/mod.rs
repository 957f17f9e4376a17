//! Decides whether the web page that sends a request may use the gateway (SEC-03), and which CORS
//! fields the response has (CHL-21).
//!
//! A page is known by its `Origin` field. Clients other than browsers send none. The check comes
//! before admission (STA-19), so that a page whose host name was rebound to this machine (DNS
//! rebinding) learns nothing.

mod cors;

use alloc::{format, string::String, vec::Vec};

use http::{HeaderMap, HeaderValue, header::ORIGIN};

use crate::{discovery::ExternalUrl, fields::single_line, route::Route};

/// An origin in the form that browsers send: scheme, host and port, without the scheme's default
/// port (RFC 6454 §6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Parses an origin. `None` if the text is not an origin; `null` is not one.
    ///
    /// ```
    /// use mcp_preflight_core::origin::Origin;
    ///
    /// assert_eq!(Origin::parse("https://App.example:443"), Origin::parse("https://app.example"));
    /// assert_eq!(Origin::parse("https://app.example/"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let default_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        (is_made_of(scheme, b"+-.") && is_made_of(authority, b"-._:[]"))
            .then(|| Self(format!("{scheme}://{authority}")))
    }

    /// Whether the host is a loopback address or `localhost`.
    fn is_loopback(&self) -> bool {
        let authority = self.0.split_once("://").map_or("", |(_, authority)| authority);
        let host = authority
            .rsplit_once(':')
            .filter(|(_, port)| !port.contains(']'))
            .map_or(authority, |(host, _)| host);
        let in_127 =
            host.starts_with("127.") && host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        in_127 || host == "localhost" || host == "[::1]"
    }
}

/// Whether a text is not empty and has only letters, digits and these characters.
fn is_made_of(text: &str, characters: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || characters.contains(&b))
}

/// The origins whose pages may use the gateway.
#[derive(Clone, Debug)]
pub struct AllowedOrigins {
    own: Option<Origin>,
    configured: Vec<Origin>,
}

/// What the page that sends a request may do with the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageAccess {
    /// The request does not come from a page.
    NoPage,
    /// The page of this origin may read the response.
    Origin(HeaderValue),
    /// Every page may read the response, because metadata documents are public.
    Public,
}

impl AllowedOrigins {
    /// Allows the gateway's own origin and the origins of the configuration.
    #[must_use]
    pub fn new(external: &ExternalUrl, configured: &[Origin]) -> Self {
        Self {
            own: Origin::parse(&external.0),
            configured: configured.to_vec(),
        }
    }

    /// Decides about the page that sends a request. `None` if the page may not use the gateway, or
    /// if its origin is unclear.
    ///
    /// Every page on loopback may use a gateway on loopback, because development tools serve their
    /// pages there. A page whose host name was rebound to this machine has another origin, so it
    /// may not.
    #[must_use]
    pub fn page_access(&self, route: &Route<'_>, headers: &HeaderMap) -> Option<PageAccess> {
        if matches!(
            route,
            Route::ProtectedResourceMetadata(_) | Route::AuthorizationServerMetadata(_)
        ) {
            return Some(PageAccess::Public);
        }
        let Some(line) = single_line(headers, ORIGIN).ok()? else {
            return Some(PageAccess::NoPage);
        };
        let origin = Origin::parse(line.to_str().ok()?)?;
        self.allows(&origin).then(|| PageAccess::Origin(line.clone()))
    }

    fn allows(&self, origin: &Origin) -> bool {
        let both_are_loopback =
            origin.is_loopback() && self.own.as_ref().is_some_and(Origin::is_loopback);
        self.own.as_ref() == Some(origin) || self.configured.contains(origin) || both_are_loopback
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Endpoint, ServerEndpoint};
    use proptest::prelude::*;

    const ROUTE: Route<'static> = Route::Mcp(Endpoint::SingleServer(ServerEndpoint {
        server: "a",
        server_first: false,
        trailing_slash: false,
    }));

    /// The access of a page with these `Origin` lines to a gateway with this URL.
    fn access(own: &str, lines: &[&str]) -> Option<PageAccess> {
        let configured = [Origin::parse("https://app.example").unwrap()];
        let origins = AllowedOrigins::new(&ExternalUrl(own.to_owned()), &configured);
        let headers = lines
            .iter()
            .map(|line| (ORIGIN, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
            .collect();
        origins.page_access(&ROUTE, &headers)
    }

    #[test]
    fn an_origin_is_a_scheme_and_an_authority() {
        for (text, origin) in [
            ("HTTP://App.example:80", "http://app.example"),
            ("https://app.example:443", "https://app.example"),
        ] {
            assert_eq!(Origin::parse(text), Some(Origin(origin.to_owned())));
        }
        for text in [
            "https://",
            "://app.example",
            "h_p://app.example",
            "https://app.example/",
            "https://app.example?",
            "null",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn own_and_configured_origins_are_allowed() {
        let public = "https://gw.example";
        assert_eq!(access(public, &[]), Some(PageAccess::NoPage));
        for origin in [public, "https://app.example", "https://app.example:443"] {
            assert_eq!(
                access(public, &[origin]),
                Some(PageAccess::Origin(HeaderValue::from_str(origin).unwrap()))
            );
        }
    }

    #[test]
    fn loopback_origins_are_allowed_only_on_a_loopback_gateway() {
        for origin in [
            "http://localhost:6274",
            "http://127.0.0.1",
            "https://[::1]:8443",
            "http://127.9.8.7:1",
        ] {
            assert_ne!(access("http://127.0.0.1:8080", &[origin]), None, "{origin}");
            assert_eq!(access("https://gw.example", &[origin]), None, "{origin}");
        }
    }

    #[test]
    fn origins_that_only_look_similar_are_not_allowed() {
        for own in ["https://gw.example", "http://127.0.0.1:8080"] {
            for line in [
                "",
                "null",
                "http://gw.example",
                "https://gw.example/",
                "https://gw.example.evil.example",
                "https://evil.example/https://gw.example",
                "https://gw.example@evil.example",
                "https://app.example:8443",
                "http://localhost.evil.example",
                "http://127.0.0.1.evil.example",
                "http://0.0.0.0:8080",
                "http://[::2]",
                "file://",
                "\u{e9}",
            ] {
                assert_eq!(access(own, &[line]), None, "{line} at {own}");
            }
        }
        let own = "https://gw.example";
        assert_eq!(access(own, &[own, own]), None, "two lines are unclear");
    }

    proptest! {
        /// A public gateway without configured origins allows its own origin and no other.
        #[test]
        fn only_the_own_origin_is_allowed(
            text in "(https?|ws)://[a-z0-9.@:/\\[\\]-]{0,24}|\\PC{0,20}",
        ) {
            let Ok(line) = HeaderValue::from_str(&text) else { return Ok(()) };
            let origins = AllowedOrigins::new(&ExternalUrl("https://gw.example".into()), &[]);
            let headers = HeaderMap::from_iter([(ORIGIN, line)]);
            let is_own = ["https://gw.example", "https://gw.example:443"]
                .contains(&text.to_ascii_lowercase().as_str());
            prop_assert_eq!(origins.page_access(&ROUTE, &headers).is_some(), is_own);
        }
    }
}
