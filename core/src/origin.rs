//! Decides whether the page that a browser calls from may use the gateway, and what the browser is told (SEC-03, CHL-21).
//!
//! A page is known by its `Origin`; what is no browser sends none. Who is calling is not looked at: this comes before admission
//! (STA-19), so that a page whose name was rebound to this machine learns nothing.

use alloc::{format, string::String, vec::Vec};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE,
        ORIGIN, VARY,
    },
};

use super::{discovery::ExternalUrl, route::Route};

/// An origin as browsers write it: scheme, host and port, without a default port (RFC 6454 §6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin; `null` is nobody's.
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
        let all = |text: &str, marks: &[u8]| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || marks.contains(&b))
        };
        (all(scheme, b"+-.") && all(authority, b"-._:[]"))
            .then(|| Self(format!("{scheme}://{authority}")))
    }

    /// Whether it is on the machine of whoever looks at it.
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

/// The origins whose pages may use the gateway.
#[derive(Clone, Debug)]
pub struct AllowedOrigins {
    own: Option<Origin>,
    allowed: Vec<Origin>,
}

/// Where a request comes from, as far as browsers are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageAccess {
    /// Not from a page.
    None,
    /// From a page that may use the gateway.
    Allowed(HeaderValue),
    /// From whichever page, for what every page may read: discovery documents, which hold nothing that a stranger may not see.
    Any,
}

impl AllowedOrigins {
    /// The gateway's own origin and those of the configuration.
    #[must_use]
    pub fn new(external: &ExternalUrl, allowed: &[Origin]) -> Self {
        Self { own: Origin::parse(&external.0), allowed: allowed.to_vec() }
    }

    /// Judges where a request comes from; `None` is a page that may not use the gateway, or nobody knows which.
    ///
    /// A gateway on loopback may be used by every page on loopback: tools have their pages there, and the name of a page that was
    /// rebound to this machine is still not one of these.
    #[must_use]
    pub fn page_access(&self, route: &Route<'_>, headers: &HeaderMap) -> Option<PageAccess> {
        if matches!(
            route,
            Route::ProtectedResourceMetadata(_) | Route::AuthorizationServerMetadata(_)
        ) {
            return Some(PageAccess::Any);
        }
        let mut lines = headers.get_all(ORIGIN).iter();
        let Some(line) = lines.next() else { return Some(PageAccess::None) };
        let origin = line.to_str().ok().and_then(Origin::parse).filter(|_| lines.next().is_none());
        let both_loopback = |origin: &Origin| {
            origin.is_loopback() && self.own.as_ref().is_some_and(Origin::is_loopback)
        };
        let known = |origin: &Origin| {
            self.own.as_ref() == Some(origin)
                || self.allowed.contains(origin)
                || both_loopback(origin)
        };
        origin.filter(known).map(|_| PageAccess::Allowed(line.clone()))
    }
}

impl PageAccess {
    /// What to answer where a browser asks before it lets the page send a request, and `None` where this is no such question. Of the
    /// fields asked for it names those that the gateway reads, so that no list of servers has to be told.
    #[must_use]
    pub fn cors_preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
        key_header: &HeaderName,
    ) -> Option<HeaderMap> {
        let asks = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || *self == Self::None {
            return None;
        }
        let reads = |name: &&str| {
            let known = [
                AUTHORIZATION.as_str(),
                CONTENT_TYPE.as_str(),
                ACCEPT.as_str(),
                key_header.as_str(),
            ];
            let family = ["mcp-", "x-mcp-"].iter().any(|prefix| name.starts_with(prefix));
            known.contains(name)
                || family
                || ["last-event-id", "traceparent", "tracestate"].contains(name)
        };
        let asked = headers
            .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let asked = asked
            .flat_map(|line| line.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect::<Vec<_>>();
        let names = asked.iter().map(String::as_str).filter(reads).collect::<Vec<_>>().join(", ");
        let names = HeaderValue::try_from(names).unwrap_or(HeaderValue::from_static(""));
        Some(HeaderMap::from_iter([
            (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE")),
            (ACCESS_CONTROL_ALLOW_HEADERS, names),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
        ]))
    }

    /// Tells the browser that the page may read an answer, whatever its status, and the fields that lead it on (CHL-21).
    pub fn add_response_fields(self, response: &mut HeaderMap) {
        let origin = match self {
            Self::None => return,
            Self::Any => HeaderValue::from_static("*"),
            Self::Allowed(origin) => {
                response.append(VARY, HeaderValue::from_static("origin"));
                origin
            }
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("www-authenticate, mcp-session-id, retry-after, x-request-id"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::route::{Endpoint, ServerEndpoint},
        *,
    };
    use proptest::prelude::*;

    const SERVER: Route<'static> = Route::Mcp(Endpoint::SingleServer(ServerEndpoint {
        server: "a",
        server_first: false,
        trailing_slash: false,
    }));

    fn page(own: &str, lines: &[&str]) -> Option<PageAccess> {
        let origins = AllowedOrigins::new(
            &ExternalUrl(own.to_owned()),
            &[Origin::parse("https://app.example").unwrap()],
        );
        origins.page_access(
            &SERVER,
            &lines
                .iter()
                .map(|line| (ORIGIN, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
                .collect(),
        )
    }

    #[test]
    fn an_origin_is_a_scheme_and_an_authority_and_nothing_else() {
        for (text, without_port) in [
            ("HTTP://App.example:80", "http://app.example"),
            ("https://app.example:443", "https://app.example"),
        ] {
            assert_eq!(Origin::parse(text), Some(Origin(without_port.to_owned())));
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
    fn a_page_is_our_own_or_allowed_or_beside_us_on_loopback() {
        let public = "https://gw.example";
        assert_eq!(page(public, &[]), Some(PageAccess::None));
        for origin in [public, "https://app.example", "https://app.example:443"] {
            assert_eq!(
                page(public, &[origin]),
                Some(PageAccess::Allowed(HeaderValue::from_str(origin).unwrap()))
            );
        }
        for origin in [
            "http://localhost:6274",
            "http://127.0.0.1",
            "https://[::1]:8443",
            "http://127.9.8.7:1",
        ] {
            assert_ne!(page("http://127.0.0.1:8080", &[origin]), None, "{origin}");
            assert_eq!(
                page(public, &[origin]),
                None,
                "{origin} is another machine to a public gateway"
            );
        }
    }

    #[test]
    fn what_only_looks_like_it_is_foreign() {
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
                assert_eq!(page(own, &[line]), None, "{line} at {own}");
            }
        }
        assert_eq!(page("https://gw.example", &["https://gw.example", "https://gw.example"]), None);
    }

    #[test]
    fn a_preflight_names_the_fields_that_are_read_and_no_others() {
        let headers = HeaderMap::from_iter([
            (ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST")),
            (
                ACCESS_CONTROL_REQUEST_HEADERS,
                HeaderValue::from_static(
                    "Authorization,x-key, mcp-param-region,x-mcp-a-authorization,cookie",
                ),
            ),
        ]);
        let key = HeaderName::from_static("x-key");
        let told = PageAccess::Any.cors_preflight(&Method::OPTIONS, &headers, &key).unwrap();
        assert_eq!(
            told[ACCESS_CONTROL_ALLOW_HEADERS],
            "authorization, x-key, mcp-param-region, x-mcp-a-authorization"
        );
        assert_eq!(PageAccess::None.cors_preflight(&Method::OPTIONS, &headers, &key), None);
        assert_eq!(PageAccess::Any.cors_preflight(&Method::POST, &headers, &key), None);
        assert_eq!(PageAccess::Any.cors_preflight(&Method::OPTIONS, &HeaderMap::new(), &key), None);
    }

    #[test]
    fn a_page_may_read_the_answer_and_what_leads_on() {
        let told = |page: PageAccess| {
            let mut response = HeaderMap::from_iter([(VARY, HeaderValue::from_static("accept"))]);
            page.add_response_fields(&mut response);
            let all = |name| {
                response
                    .get_all(name)
                    .iter()
                    .map(|line| line.to_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            [all(ACCESS_CONTROL_ALLOW_ORIGIN), all(VARY), all(ACCESS_CONTROL_EXPOSE_HEADERS)]
        };
        let led = "www-authenticate, mcp-session-id, retry-after, x-request-id";
        assert_eq!(told(PageAccess::None), ["", "accept", ""]);
        assert_eq!(told(PageAccess::Any), ["*", "accept", led]);
        assert_eq!(
            told(PageAccess::Allowed(HeaderValue::from_static("https://app.example"))),
            ["https://app.example", "accept, origin", led]
        );
    }

    proptest! {
        /// Whatever is sent, only an origin that was written down is let in, or one on this machine to a gateway on this machine.
        #[test]
        fn nobody_else_comes_in(text in "(https?|ws)://[a-z0-9.@:/\\[\\]-]{0,24}|\\PC{0,20}") {
            let Ok(line) = HeaderValue::from_str(&text) else { return Ok(()) };
            let origins = AllowedOrigins::new(&ExternalUrl("https://gw.example".into()), &[]);
            let headers = HeaderMap::from_iter([(ORIGIN, line)]);
            let expected = ["https://gw.example", "https://gw.example:443"].contains(&text.to_ascii_lowercase().as_str());
            prop_assert_eq!(origins.page_access(&SERVER, &headers).is_some(), expected);
        }
    }
}
