//! Decides which CORS fields a response has (CHL-21).

use alloc::{string::String, vec::Vec};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, VARY,
    },
};

use super::PageAccess;

/// The request fields, besides those of [`REQUEST_FIELD_PREFIXES`] and the gateway-key field, that
/// a page may send.
const REQUEST_FIELDS: [&str; 6] = [
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "traceparent",
    "tracestate",
];

/// The prefixes of further request fields that a page may send.
const REQUEST_FIELD_PREFIXES: [&str; 2] = ["mcp-", "x-mcp-"];

/// The response fields, besides those that CORS always exposes, that a page may read.
const EXPOSED_RESPONSE_FIELDS: &str = "www-authenticate, mcp-session-id, retry-after, x-request-id";

impl PageAccess {
    /// The response fields for a CORS preflight request; `None` if the request is not one, or does
    /// not come from a page.
    ///
    /// Of the fields that the page wants to send, the response names those that the gateway reads.
    /// A fixed list would have to name a field for each server and so reveal which servers exist.
    #[must_use]
    pub fn cors_preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
        key_header: &HeaderName,
    ) -> Option<HeaderMap> {
        let is_preflight =
            method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || *self == Self::NoPage {
            return None;
        }
        let requested: Vec<String> = headers
            .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let allowed: Vec<&str> = requested
            .iter()
            .map(String::as_str)
            .filter(|name| is_read(name, key_header))
            .collect();
        let allowed =
            HeaderValue::try_from(allowed.join(", ")).unwrap_or(HeaderValue::from_static(""));
        Some(HeaderMap::from_iter([
            (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE")),
            (ACCESS_CONTROL_ALLOW_HEADERS, allowed),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
        ]))
    }

    /// Adds the fields that let the page read a response of any status, and the response fields
    /// that it needs (CHL-21).
    pub fn add_response_fields(self, response: &mut HeaderMap) {
        let origin = match self {
            Self::NoPage => return,
            Self::Public => HeaderValue::from_static("*"),
            Self::Origin(origin) => {
                response.append(VARY, HeaderValue::from_static("origin"));
                origin
            }
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED_RESPONSE_FIELDS),
        );
    }
}

/// Whether the gateway reads or forwards a request field with this name.
fn is_read(name: &str, key_header: &HeaderName) -> bool {
    name == key_header.as_str()
        || REQUEST_FIELDS.contains(&name)
        || REQUEST_FIELD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preflight_response_names_only_fields_that_the_gateway_reads() {
        let requested = "Authorization,x-key, mcp-param-region,x-mcp-a-authorization,cookie";
        let headers = HeaderMap::from_iter([
            (ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST")),
            (ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static(requested)),
        ]);
        let key = HeaderName::from_static("x-key");
        let preflight = |page: PageAccess, method, headers: &HeaderMap| {
            page.cors_preflight(&method, headers, &key)
        };
        let response = preflight(PageAccess::Public, Method::OPTIONS, &headers).unwrap();
        assert_eq!(
            response[ACCESS_CONTROL_ALLOW_HEADERS],
            "authorization, x-key, mcp-param-region, x-mcp-a-authorization"
        );
        assert_eq!(preflight(PageAccess::NoPage, Method::OPTIONS, &headers), None);
        assert_eq!(preflight(PageAccess::Public, Method::POST, &headers), None);
        assert_eq!(preflight(PageAccess::Public, Method::OPTIONS, &HeaderMap::new()), None);
    }

    #[test]
    fn a_page_may_read_the_response_and_the_exposed_fields() {
        let fields = |access: PageAccess| {
            let mut response = HeaderMap::from_iter([(VARY, HeaderValue::from_static("accept"))]);
            access.add_response_fields(&mut response);
            [ACCESS_CONTROL_ALLOW_ORIGIN, VARY, ACCESS_CONTROL_EXPOSE_HEADERS].map(|name| {
                let lines = response.get_all(name);
                lines.iter().map(|line| line.to_str().unwrap()).collect::<Vec<_>>().join(", ")
            })
        };
        let exposed = EXPOSED_RESPONSE_FIELDS;
        assert_eq!(fields(PageAccess::NoPage), ["", "accept", ""]);
        assert_eq!(fields(PageAccess::Public), ["*", "accept", exposed]);
        let origin = "https://app.example";
        assert_eq!(
            fields(PageAccess::Origin(HeaderValue::from_static(origin))),
            [origin, "accept, origin", exposed]
        );
    }
}
