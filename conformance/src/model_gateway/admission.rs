//! Decides who is calling and which of the presented credentials is the upstream token (CRD-01 to
//! CRD-09, CRD-14 to CRD-16).
//!
//! It does not know which servers the caller may use, or which server receives the token.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION};

use super::{
    caller::{AdmissionError, Caller, GatewayKey},
    gateway::Gateway,
};

impl Gateway {
    /// Identifies the caller and the token for the named server.
    pub(super) fn admit(
        &self,
        server: &str,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<Caller, AdmissionError> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let authorization = lines.next();
        if lines.next().is_some() && !self.decisions.accepts_repeated_authorization() {
            return Err(AdmissionError::Malformed("a credential is given twice"));
        }
        let mut lines = headers.get_all(self.layout.key_header).iter();
        let key_field = lines.next();
        if lines.next().is_some() {
            return Err(AdmissionError::Malformed("a credential is given twice"));
        }
        let bearer = authorization.and_then(bearer_token);
        let Some(key_field) = key_field else {
            // Without the key's own field, `Authorization` can only hold the gateway key.
            let key = bearer.and_then(|bearer| self.key(bearer));
            let key = key.ok_or(AdmissionError::InvalidKey)?;
            let forwarded = self.decisions.forwards_admitting_credential()(key);
            return Ok(Caller { key, token: authorization.filter(|_| forwarded).cloned() });
        };
        let key = self.key(bearer_or_plain(key_field)).ok_or(AdmissionError::InvalidKey)?;
        let other = bearer.and_then(|bearer| self.key(bearer)).filter(|other| *other != key);
        if other.is_some() && self.decisions.rejects_conflicting_keys() {
            return Err(AdmissionError::Malformed("conflicting credentials: two different keys"));
        }
        let presented = self.token_for(server, headers).or(authorization);
        let token = match presented {
            Some(presented) => self.upstream_token(presented)?,
            None => self.decisions.token_from_uri()(uri),
        };
        Ok(Caller { key, token })
    }

    /// The presented credential, if it is an upstream token.
    fn upstream_token(
        &self,
        presented: &HeaderValue,
    ) -> Result<Option<HeaderValue>, AdmissionError> {
        let bearer = bearer_token(presented);
        let is_key = bearer.is_some_and(|bearer| self.key(bearer).is_some());
        if is_key && !self.decisions.forwards_repeated_key() {
            return Ok(None);
        }
        if self.decisions.forwards_unchecked()(presented) {
            return Ok(Some(presented.clone()));
        }
        match bearer {
            None | Some("") => Err(AdmissionError::NoBearerToken),
            Some(token) if !is_b64token(token) => {
                Err(AdmissionError::Malformed("the bearer token is malformed"))
            }
            Some(_) => Ok(Some(presented.clone())),
        }
    }

    /// The token for this server alone, which precedes the token for every server (CRD-11).
    fn token_for<'a>(&self, server: &str, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let (prefix, suffix) =
            self.layout.server_token_header.split_once("{server}").unwrap_or_default();
        let is_token = |name: &HeaderName| {
            name.as_str().starts_with(prefix) && name.as_str().ends_with(suffix)
        };
        let (_, any) = headers.iter().find(|(name, _)| is_token(name))?;
        if self.decisions.forwards_token_of_other_server() {
            return Some(any);
        }
        headers.get(format!("{prefix}{server}{suffix}"))
    }

    /// The gateway key with this text.
    fn key(&self, text: &str) -> Option<GatewayKey> {
        let deployment = &self.deployment;
        let keys = [
            (&deployment.full_key, GatewayKey::Full),
            (&deployment.limited_key, GatewayKey::Limited),
            (&deployment.admission_bearer, GatewayKey::JsonWebToken),
        ];
        keys.into_iter().find(|(known, _)| *known == text).map(|(_, key)| key)
    }
}

/// The token after the scheme `Bearer` in any case. A token of bytes that are not visible ASCII is
/// an invalid token, not another scheme.
fn bearer_token(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    if bytes.len() < 6
        || !bytes[..6].eq_ignore_ascii_case(b"bearer")
        || bytes.get(6).is_some_and(|byte| *byte != b' ')
    {
        return None;
    }
    Some(value.to_str().map_or("\u{fffd}", |text| text[6..].trim_matches(' ')))
}

fn bearer_or_plain(value: &HeaderValue) -> &str {
    bearer_token(value).or_else(|| value.to_str().ok()).unwrap_or_default()
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bearer_scheme_is_case_insensitive_and_a_whole_word() {
        let read =
            |text: &'static str| bearer_token(&HeaderValue::from_static(text)).map(str::to_owned);
        assert_eq!(read("bEaReR tok").as_deref(), Some("tok"));
        assert_eq!(read("Bearer").as_deref(), Some(""));
        assert_eq!(read("Bearer ").as_deref(), Some(""));
        assert_eq!(read("Bearertok"), None);
        assert_eq!(read("Basic dTpw"), None);
    }

    #[test]
    fn two_tokens_in_one_field_are_not_a_token() {
        assert!(!is_b64token("a, Bearer b"));
        assert!(!is_b64token("Bearer a"));
        assert!(!is_b64token("=="));
        assert!(is_b64token("abc.pf1.c1.401-full+oauth/x~y="));
    }
}
