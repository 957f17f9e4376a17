//! Reads a field value in the form of `Authorization` (RFC 9110 §11.4).

use core::fmt;

use http::HeaderValue;

/// The authentication schemes of a token that the gateway can forward. It forwards no other scheme
/// (CRD-08).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthScheme {
    /// A bearer token (RFC 6750).
    Bearer,
    /// A user name and a password (RFC 7617).
    Basic,
}

/// A caller's token for an upstream: the `Authorization` value, byte for byte (CRD-01). Its `Debug`
/// form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamToken {
    value: HeaderValue,
    /// The authentication scheme of the value.
    pub scheme: AuthScheme,
}

impl UpstreamToken {
    /// The value to send, marked as sensitive.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        self.value.clone()
    }

    #[cfg(test)]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.value.as_bytes()
    }
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamToken(…)")
    }
}

/// What a credential field contains apart from the gateway key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// No token: the field is absent, or it contains a gateway key (CRD-02, CRD-04).
    Absent,
    /// A token for the upstream.
    Token(UpstreamToken),
    /// A field without a token, for example `Bearer` alone, or a scheme that the gateway never
    /// forwards (CRD-08, CRD-14).
    Unusable,
}

/// The field value is not an authentication scheme and one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads `scheme SP credential` (RFC 9110 §11.4).
///
/// Clients use tokens outside the alphabet of RFC 6750, so a credential is any run of visible ASCII
/// characters. A comma, a quote or a backslash is an error, because it could begin a second
/// credential or a parameter.
pub(super) fn parse(value: &HeaderValue) -> Result<Authorization, Malformed> {
    let text = value.to_str().map_err(|_| Malformed)?;
    let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
    let credential = credential.trim_start_matches(' ');
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => AuthScheme::Bearer,
        "basic" => AuthScheme::Basic,
        // Another scheme, or a gateway key without a scheme. Neither is forwarded, so its
        // credential is not checked.
        _ if credential.is_empty() || is_token(scheme) => return Ok(Authorization::Unusable),
        _ => return Err(Malformed),
    };
    if credential.is_empty() {
        return Ok(Authorization::Unusable);
    }
    if !credential.bytes().all(|b| b.is_ascii_graphic() && !b",\"\\".contains(&b)) {
        return Err(Malformed);
    }
    let mut value = value.clone();
    value.set_sensitive(true);
    Ok(Authorization::Token(UpstreamToken { value, scheme }))
}

/// Whether a text has only the characters of a token (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// The part of a value after a `Bearer ` prefix in any case, or the whole value if it has no such
/// prefix.
pub(super) fn without_bearer(value: &[u8]) -> &[u8] {
    match value.split_at_checked(b"Bearer ".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"Bearer ") => rest.trim_ascii(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = parse(&value);
            }
        }
    }
}
