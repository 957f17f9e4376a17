//! Decides who is calling, and which of the credentials in a request is whose.
//!
//! Two kinds arrive: the gateway key, which opens the gateway and must never leave it, and tokens, one for every forwarding server or
//! one for each. What may be the key is treated as the key (CRD-02). Which servers the caller may use is not decided here.

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::access::CallerId;

/// How a caller may present itself to an upstream; nothing else is ever forwarded (CRD-08).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthScheme {
    /// A token (RFC 6750).
    Bearer,
    /// A name and a password (RFC 7617).
    Basic,
}

/// A caller's token for an upstream: the `Authorization` value, byte for byte (CRD-01). It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamToken {
    value: HeaderValue,
    /// By which scheme it is presented.
    pub scheme: AuthScheme,
}

impl UpstreamToken {
    /// The value to send, marked sensitive.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        self.value.clone()
    }
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamToken(…)")
    }
}

/// The SHA-256 of a gateway key; the gateway keeps no key in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDigest(pub [u8; 32]);

impl KeyDigest {
    /// The digest of a key.
    #[must_use]
    pub fn of_key(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

/// The gateway keys, and the header that presents them.
#[derive(Clone, Debug)]
pub struct Keyring {
    /// The header of its own in which a key may come; with or without a `Bearer ` prefix.
    pub header: HeaderName,
    /// One digest for each caller, by position.
    pub keys: Vec<KeyDigest>,
}

/// What a credential header holds once the gateway key has been taken out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Nothing: the header is absent, or it holds a gateway key (CRD-02, CRD-04).
    Absent,
    /// A token for the upstream.
    Token(UpstreamToken),
    /// A header without a token in it: `Bearer` alone, or a scheme that is never forwarded (CRD-08, CRD-14).
    Unusable,
}

/// A caller that may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Who it is.
    pub caller: CallerId,
    /// What it brought for every upstream.
    pub authorization: Authorization,
    /// What it brought for one server, by the server's name in lower case (CRD-11).
    pub for_server: BTreeMap<String, Authorization>,
    /// Whether one of these held a gateway key, which was taken out.
    pub key_removed: bool,
}

impl Admitted {
    /// What was sent for this server alone; it wins over what came for every server (CRD-11).
    #[must_use]
    pub fn authorization_for(&self, server: &str) -> Option<&Authorization> {
        self.for_server.get(&server.to_ascii_lowercase())
    }
}

/// Why a caller does not come in. Nothing has been sent anywhere (CRD-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No gateway key in either place.
    MissingKey,
    /// A gateway key that is not one of ours.
    UnknownKey,
    /// Two `Authorization` lines: nobody can say which one is meant (CRD-06).
    MultipleAuthorizations,
    /// Two lines of the gateway-key header.
    MultipleKeys,
    /// An `Authorization` with bytes that no credential has, or with two credentials in one line (CRD-06, CRD-14).
    MalformedAuthorization,
    /// Two gateway keys, both valid: nobody can say who is calling (CRD-15).
    ConflictingKeys,
}

/// The server whose own credential header this is, in lower case as field names are.
#[must_use]
pub fn server_of_credential_header(header: &HeaderName) -> Option<&str> {
    header.as_str().strip_prefix("x-mcp-")?.strip_suffix("-authorization")
}

impl Keyring {
    /// Admits a caller by its header fields.
    ///
    /// The key counts in its own header or, where that is absent, in `Authorization`. Whatever else `Authorization` and the servers'
    /// own headers hold are tokens, but never if it equals any gateway key, whoever presents it (CRD-01 to CRD-04).
    ///
    /// # Errors
    /// Says why not, in the order in which a gateway may look: form first, then the key (STA-19).
    pub fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Rejection> {
        let key = single(headers, &self.header).ok_or(Rejection::MultipleKeys)?;
        let mut keys = Vec::new();
        let authorization = self.credential(headers, &AUTHORIZATION, &mut keys)?;
        let mut for_server = BTreeMap::new();
        for header in headers.keys() {
            if let Some(server) = server_of_credential_header(header) {
                for_server.insert(server.to_owned(), self.credential(headers, header, &mut keys)?);
            }
        }
        let key = key.or_else(|| headers.get(AUTHORIZATION)).ok_or(Rejection::MissingKey)?;
        let caller = self.caller(after_bearer(key.as_bytes())).ok_or(Rejection::UnknownKey)?;
        if keys.iter().any(|other| *other != caller) {
            return Err(Rejection::ConflictingKeys);
        }
        Ok(Admitted {
            caller,
            authorization,
            for_server,
            key_removed: !keys.is_empty(),
        })
    }

    /// What a credential header holds; a gateway key in it is put aside.
    fn credential(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        keys: &mut Vec<CallerId>,
    ) -> Result<Authorization, Rejection> {
        let Some(value) = single(headers, name).ok_or(Rejection::MultipleAuthorizations)? else {
            return Ok(Authorization::Absent);
        };
        let read = parse(value).ok_or(Rejection::MalformedAuthorization)?;
        let key = self.caller(after_bearer(value.as_bytes())).or_else(|| {
            // A key could hide behind the other scheme: as it stands, or as the name or the password.
            let hidden = value.as_bytes().get(6..)?.trim_ascii();
            let decoded = BASE64_STANDARD.decode(hidden).unwrap_or_default();
            [hidden]
                .into_iter()
                .chain(decoded.splitn(2, |byte| *byte == b':'))
                .find_map(|part| self.caller(part))
        });
        keys.extend(key);
        Ok(if key.is_some() { Authorization::Absent } else { read })
    }

    /// The caller whose key this is. Every key is compared, each in constant time (SEC-14).
    fn caller(&self, presented: &[u8]) -> Option<CallerId> {
        let digest = KeyDigest::of_key(presented);
        let mut found = None;
        for (position, key) in (0..).zip(&self.keys) {
            if bool::from(key.0.ct_eq(&digest.0)) {
                found = found.or(Some(CallerId(position)));
            }
        }
        found
    }
}

/// The one line of a field, `Some(None)` where there is none, `None` where there are several.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a HeaderValue>> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next();
    lines.next().is_none().then_some(first)
}

/// Reads `scheme SP credential` (RFC 9110 §11.4), or `None` where the bytes are not that.
///
/// Tokens outside RFC 6750's alphabet are in use, so a credential is any run of visible ASCII; a comma or a quote would make a second
/// credential or a parameter of it.
fn parse(value: &HeaderValue) -> Option<Authorization> {
    let text = value.to_str().ok()?;
    let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
    let credential = credential.trim_start_matches(' ');
    let scheme_is_token = scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => AuthScheme::Bearer,
        "basic" => AuthScheme::Basic,
        // Another scheme, or a key without one: not ours to read further, and never forwarded.
        _ => return (scheme_is_token || credential.is_empty()).then_some(Authorization::Unusable),
    };
    if credential.is_empty() {
        return Some(Authorization::Unusable);
    }
    if !credential.bytes().all(|b| b.is_ascii_graphic() && !b",\"\\".contains(&b)) {
        return None;
    }
    let mut value = value.clone();
    value.set_sensitive(true);
    Some(Authorization::Token(UpstreamToken { value, scheme }))
}

/// What follows a `Bearer ` prefix, in any case, or the whole of it where there is none.
fn after_bearer(value: &[u8]) -> &[u8] {
    let scheme = value
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    scheme.map_or(value, |(_, rest)| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: [&str; 2] = ["sk-alice", "sk-bob"];

    fn keyring() -> Keyring {
        Keyring {
            header: HeaderName::from_static("x-key"),
            keys: KEYS.iter().map(|key| KeyDigest::of_key(key.as_bytes())).collect(),
        }
    }

    fn admit(lines: &[(&'static str, &str)]) -> Result<Admitted, Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        keyring().admit(&headers)
    }

    fn forwarded(authorization: &Authorization) -> Option<&[u8]> {
        match authorization {
            Authorization::Token(token) => Some(token.value.as_bytes()),
            Authorization::Absent | Authorization::Unusable => None,
        }
    }

    #[test]
    fn with_a_key_beside_it_authorization_is_the_upstream_token_byte_for_byte() {
        for key in ["sk-bob", "Bearer sk-bob", "bEARER sk-bob"] {
            let admitted = admit(&[("x-key", key), ("authorization", "bEaReR eyJ.x|y=")]).unwrap();
            assert_eq!(admitted.caller, CallerId(1));
            assert_eq!(forwarded(&admitted.authorization), Some(&b"bEaReR eyJ.x|y="[..]));
        }
    }

    #[test]
    fn a_key_in_authorization_opens_the_gateway_and_goes_no_further() {
        for lines in [
            &[("authorization", "Bearer sk-alice")][..],
            &[("authorization", "sk-alice")],
            &[("x-key", "sk-alice"), ("authorization", "Bearer sk-alice")],
            &[("x-key", "sk-alice"), ("authorization", "Bearer  sk-alice")],
            &[("x-key", "sk-alice"), ("authorization", "Basic sk-alice")],
            &[("x-key", "sk-alice"), ("authorization", "Basic YW55Ym9keTpzay1hbGljZQ==")],
        ] {
            let admitted = admit(lines).unwrap();
            assert_eq!(
                (admitted.caller, &admitted.authorization),
                (CallerId(0), &Authorization::Absent),
                "{lines:?}"
            );
            assert!(admitted.key_removed);
        }
    }

    #[test]
    fn a_credential_for_one_server_wins_there_and_is_seen_nowhere_else() {
        let lines = [
            ("authorization", "Bearer sk-alice"),
            ("x-mcp-a.b-authorization", "Bearer one"),
            ("x-mcp-c-authorization", "Basic eDp5"),
        ];
        let admitted = admit(&lines).unwrap();
        assert_eq!(admitted.authorization_for("A.b").and_then(forwarded), Some(&b"Bearer one"[..]));
        assert!(
            matches!(admitted.authorization_for("c"), Some(Authorization::Token(token)) if token.scheme == AuthScheme::Basic)
        );
        assert_eq!(
            admitted.authorization_for("b").unwrap_or(&admitted.authorization),
            &Authorization::Absent,
            "the key does not stand in for a token"
        );

        let admitted = admit(&[
            ("x-key", "sk-bob"),
            ("authorization", "Bearer all"),
            ("x-mcp-a-authorization", "Bearer"),
        ])
        .unwrap();
        assert_eq!(
            admitted.authorization_for("a"),
            Some(&Authorization::Unusable),
            "a mistake there is not covered up"
        );
        assert_eq!(
            (admitted.authorization_for("b"), forwarded(&admitted.authorization)),
            (None, Some(&b"Bearer all"[..]))
        );
        let twice = [
            ("x-key", "sk-bob"),
            ("x-mcp-a-authorization", "Bearer 1"),
            ("x-mcp-a-authorization", "Bearer 2"),
        ];
        assert_eq!(admit(&twice), Err(Rejection::MultipleAuthorizations));
    }

    #[test]
    fn two_callers_in_one_request_are_neither() {
        for lines in [
            &[("x-key", "sk-alice"), ("authorization", "Bearer sk-bob")][..],
            &[("x-key", "sk-alice"), ("authorization", "sk-bob")],
            &[("authorization", "Bearer sk-alice"), ("x-mcp-a-authorization", "Bearer sk-bob")],
            &[("x-key", "sk-alice"), ("authorization", "Basic c2stYm9iOg==")],
        ] {
            assert_eq!(admit(lines), Err(Rejection::ConflictingKeys), "{lines:?}");
        }
    }

    #[test]
    fn strangers_stay_out() {
        assert_eq!(admit(&[]), Err(Rejection::MissingKey));
        assert_eq!(admit(&[("authorization", "Bearer eyJ")]), Err(Rejection::UnknownKey));
        assert_eq!(
            admit(&[("x-key", "sk-eve"), ("authorization", "Bearer sk-alice")]),
            Err(Rejection::UnknownKey)
        );
        assert_eq!(
            admit(&[("x-key", ""), ("authorization", "Bearer eyJ")]),
            Err(Rejection::UnknownKey)
        );
    }

    #[test]
    fn two_credentials_in_one_place_are_nobodys() {
        let twice = [
            ("x-key", "sk-alice"),
            ("authorization", "Bearer a"),
            ("authorization", "Bearer b"),
        ];
        assert_eq!(admit(&twice), Err(Rejection::MultipleAuthorizations));
        assert_eq!(
            admit(&[("x-key", "sk-alice"), ("x-key", "sk-alice")]),
            Err(Rejection::MultipleKeys)
        );
        for joined in [
            "Bearer a, Bearer b",
            "Bearer Bearer a",
            "Bearer a b",
            "Bearer a\tb",
            "Bearer \u{e9}",
            "Bearer \"a\"",
        ] {
            assert_eq!(
                admit(&[("x-key", "sk-alice"), ("authorization", joined)]),
                Err(Rejection::MalformedAuthorization),
                "{joined}"
            );
        }
    }

    #[test]
    fn what_is_not_a_bearer_token_is_not_forwarded() {
        for value in ["Bearer", "bearer   ", "Basic", "DPoP eyJ", ""] {
            let admitted = admit(&[("x-key", "sk-alice"), ("authorization", value)]).unwrap();
            assert_eq!(admitted.authorization, Authorization::Unusable, "{value:?}");
        }
    }

    fn value() -> impl Strategy<Value = String> {
        let key = prop::sample::select(KEYS.to_vec());
        let scheme = prop::sample::select(vec![
            "",
            "Bearer ",
            "bearer  ",
            "BEARER ",
            "Basic ",
            "Bearer Bearer ",
        ]);
        let credential = prop_oneof![key.prop_map(str::to_owned), "[!-~]{0,12}", "[ -~]{0,12}"];
        (scheme, credential)
            .prop_map(|(scheme, credential)| format!("{scheme}{credential}").trim().to_owned())
    }

    proptest! {
        /// CRD-02 to CRD-04: whatever is sent, nothing that is forwarded presents a key.
        #[test]
        fn a_key_never_becomes_a_forwarded_credential(
            keys in prop::collection::vec(value(), 0..3),
            authorizations in prop::collection::vec(value(), 0..3),
            alphas in prop::collection::vec(value(), 0..3),
        ) {
            let mut headers = HeaderMap::new();
            for key in &keys { headers.append("x-key", HeaderValue::from_str(key).unwrap()); }
            for line in &authorizations { headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap()); }
            for line in &alphas { headers.append("x-mcp-alpha-authorization", HeaderValue::from_str(line).unwrap()); }
            if let Ok(admitted) = keyring().admit(&headers) {
                for (server, own) in [("alpha", !alphas.is_empty()), ("beta", false)] {
                    if let Some(sent) = admitted.authorization_for(server).and_then(forwarded) {
                        let sent = str::from_utf8(sent).unwrap();
                        prop_assert!(sent.split(' ').all(|part| !KEYS.contains(&part)), "forwarded {sent}");
                        prop_assert_eq!(&vec![sent.to_owned()], if own { &alphas } else { &authorizations });
                    }
                }
                prop_assert!(keys.len() < 2 && alphas.len() < 2);
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = parse(&value);
            }
        }
    }

    #[test]
    fn a_token_cannot_be_printed() {
        let admitted = admit(&[("x-key", "sk-alice"), ("authorization", "Bearer hush")]).unwrap();
        assert_eq!(format!("{:?}", admitted.authorization), "Token(UpstreamToken(…))");
    }
}
