//! Decides who is calling and which of the presented credentials is meant for the upstream (CRD-01 to 09, 14, 16).
//!
//! Knows nothing of servers: what the caller may use, and whether its token goes anywhere, is decided later.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::fault::Switch;
use super::gateway::Gateway;

/// Someone who holds a gateway key.
pub(super) struct Caller {
    /// Whose it is: what sessions are bound to.
    pub(super) holder: Holder,
    /// Whether the key opens every server, or all but those that the plan does not grant.
    pub(super) everything: bool,
    /// The `Authorization` to hand on, byte for byte.
    pub(super) token: Option<HeaderValue>,
}

/// Whom the plan gave a key to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Full,
    Limited,
    Bearer,
}

/// Why a request goes no further.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    /// Credentials that contradict each other or are no credentials: 400.
    Malformed(&'static str),
    /// No valid gateway key: 401, the gateway's own.
    Stranger,
    /// A valid key beside an `Authorization` that holds no token of a scheme that is forwarded: 401.
    NoToken,
}

impl Gateway {
    /// Who is calling a server of that name, and with which token for it.
    pub(super) fn admit(
        &self,
        name: &str,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<Caller, Refusal> {
        let first_wins = self.has(Switch::TwoAuthorizationLinesFirstWins);
        let authorization =
            single(headers, AUTHORIZATION.as_str(), first_wins).map_err(Refusal::Malformed)?;
        let key = single(headers, self.places.key_header, false).map_err(Refusal::Malformed)?;
        let bearer = authorization.and_then(bearer);

        let Some(key) = key else {
            // Without the key's own header, `Authorization` can only be the key, and then it is nothing else.
            let holder = bearer.and_then(|bearer| self.opens(bearer)).ok_or(Refusal::Stranger)?;
            let forwarded = if holder == Holder::Bearer {
                Switch::ForwardsAdmission
            } else {
                Switch::KeyInAuthorizationForwarded
            };
            let token = authorization.filter(|_| self.has(forwarded)).cloned();
            return Ok(Caller { holder, everything: holder == Holder::Full, token });
        };
        let key = bearer_or_plain(key);
        let holder = self.opens(key).ok_or(Refusal::Stranger)?;
        if bearer
            .and_then(|bearer| self.opens(bearer))
            .is_some_and(|other| other != holder)
            && !self.has(Switch::GuessesBetweenKeys)
        {
            return Err(Refusal::Malformed("conflicting credentials: two different keys"));
        }
        let for_server = self.for_server(name, headers);
        let bearer = for_server.map_or(bearer, self::bearer);
        let token = match for_server.or(authorization) {
            None if self.has(Switch::TakesTokenFromQuery) => token_in_query(uri),
            None => None,
            Some(_)
                if bearer.is_some_and(|bearer| self.opens(bearer).is_some())
                    && !self.has(Switch::SameKeyForwarded) =>
            {
                None
            }
            Some(whole) if self.has(Switch::ForwardsMalformedToken) => Some(whole.clone()),
            Some(whole)
                if whole.as_bytes().starts_with(b"Basic ") && self.has(Switch::ForwardsBasic) =>
            {
                Some(whole.clone())
            }
            Some(whole) => match bearer {
                None | Some("") => return Err(Refusal::NoToken),
                Some(token) if !is_b64token(token) => {
                    return Err(Refusal::Malformed("the bearer token is malformed"));
                }
                Some(_) => Some(whole.clone()),
            },
        };
        Ok(Caller { holder, everything: holder == Holder::Full, token })
    }

    /// The credential for that server alone, which wins over the one for every server (CRD-11).
    fn for_server<'a>(&self, name: &str, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let (before, behind) =
            self.places.server_token_header.split_once("{server}").unwrap_or_default();
        let is_one = |header: &HeaderName| {
            header.as_str().starts_with(before) && header.as_str().ends_with(behind)
        };
        let crossed = headers
            .iter()
            .find(|(header, _)| is_one(header))
            .filter(|_| self.has(Switch::CrossesTokens));
        crossed
            .map(|(_, value)| value)
            .or_else(|| headers.get(format!("{before}{name}{behind}")))
    }

    /// Whose key it is; `None` where it opens nothing.
    fn opens(&self, key: &str) -> Option<Holder> {
        let keys = [
            (&self.deployment.full_key, Holder::Full),
            (&self.deployment.limited_key, Holder::Limited),
        ];
        keys.into_iter()
            .chain([(&self.deployment.admission_bearer, Holder::Bearer)])
            .find(|(known, _)| *known == key)
            .map(|(_, holder)| holder)
    }
}

/// The value of a field that may be there once: neither RFC 9110 §11.6.2 nor a key header is a list.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &str,
    first_wins: bool,
) -> Result<Option<&'a HeaderValue>, &'static str> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next();
    if lines.next().is_some() && !first_wins {
        return Err("a credential is given twice");
    }
    Ok(first)
}

/// What follows the scheme, where the scheme is `Bearer` in any case. Bytes that are not visible ASCII make no bearer, but no other scheme either.
fn bearer(value: &HeaderValue) -> Option<&str> {
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
    bearer(value).or_else(|| value.to_str().ok()).unwrap_or_default()
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

fn token_in_query(uri: &Uri) -> Option<HeaderValue> {
    let token = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("access_token="))?;
    HeaderValue::try_from(format!("Bearer {token}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_read_in_any_case_and_only_as_a_word() {
        let read = |text: &'static str| bearer(&HeaderValue::from_static(text)).map(str::to_owned);
        assert_eq!(read("bEaReR tok").as_deref(), Some("tok"));
        assert_eq!(read("Bearer").as_deref(), Some(""));
        assert_eq!(read("Bearer ").as_deref(), Some(""));
        assert_eq!(read("Bearertok"), None);
        assert_eq!(read("Basic dTpw"), None);
    }

    #[test]
    fn two_tokens_in_one_line_are_no_token() {
        assert!(!is_b64token("a, Bearer b"));
        assert!(!is_b64token("Bearer a"));
        assert!(!is_b64token("=="));
        assert!(is_b64token("abc.pf1.c1.401-full+oauth/x~y="));
    }
}
