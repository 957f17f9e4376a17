use super::*;
use proptest::prelude::*;

const KEYS: [&str; 2] = ["sk-alice", "sk-bob"];

fn keyring() -> Keyring {
    let keys = KEYS.iter().map(|key| KeyDigest::of_key(key.as_bytes()));
    Keyring::new(HeaderName::from_static("x-key"), keys.collect())
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
        Authorization::Token(token) => Some(token.as_bytes()),
        Authorization::Absent | Authorization::Unusable => None,
    }
}

#[test]
fn beside_a_key_field_authorization_is_the_upstream_token_byte_for_byte() {
    for key in ["sk-bob", "Bearer sk-bob", "bEARER sk-bob"] {
        let admitted = admit(&[("x-key", key), ("authorization", "bEaReR eyJ.x|y=")]).unwrap();
        assert_eq!(admitted.caller, CallerId(1));
        assert_eq!(forwarded(&admitted.authorization), Some(&b"bEaReR eyJ.x|y="[..]));
    }
}

#[test]
fn a_key_in_authorization_admits_the_caller_and_is_not_forwarded() {
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
fn a_token_for_one_server_is_used_for_that_server_only() {
    let lines = [
        ("authorization", "Bearer sk-alice"),
        ("x-mcp-a.b-authorization", "Bearer one"),
        ("x-mcp-c-authorization", "Basic eDp5"),
    ];
    let admitted = admit(&lines).unwrap();
    assert_eq!(admitted.authorization_for("A.b").and_then(forwarded), Some(&b"Bearer one"[..]));
    let Some(Authorization::Token(token)) = admitted.authorization_for("c") else {
        panic!("server c has no token");
    };
    assert_eq!(token.scheme, AuthScheme::Basic);
    assert_eq!(
        admitted.authorization_for("b").unwrap_or(&admitted.authorization),
        &Authorization::Absent,
        "the gateway key must not be used as a token"
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
        "an unusable value must not be replaced by the other field"
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
fn two_different_valid_keys_are_rejected() {
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
fn a_missing_or_unknown_key_is_rejected() {
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
fn two_credentials_in_one_field_are_rejected() {
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
fn a_value_without_a_token_is_not_forwarded() {
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
    /// CRD-02 to CRD-04: for any field values, no forwarded credential contains a gateway key.
    #[test]
    fn a_key_never_becomes_a_forwarded_credential(
        keys in prop::collection::vec(value(), 0..3),
        authorizations in prop::collection::vec(value(), 0..3),
        alphas in prop::collection::vec(value(), 0..3),
    ) {
        let mut headers = HeaderMap::new();
        for (name, values) in [
            ("x-key", &keys),
            ("authorization", &authorizations),
            ("x-mcp-alpha-authorization", &alphas),
        ] {
            for value in values {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
        }
        if let Ok(admitted) = keyring().admit(&headers) {
            let for_alpha = admitted.authorization_for("alpha").and_then(forwarded);
            let for_all = forwarded(&admitted.authorization);
            for (forwarded, sent) in [(for_alpha, &alphas), (for_all, &authorizations)] {
                let Some(forwarded) = forwarded else { continue };
                let forwarded = str::from_utf8(forwarded).unwrap();
                let has_key = forwarded.split(' ').any(|part| KEYS.contains(&part));
                prop_assert!(!has_key, "forwarded {forwarded}");
                prop_assert_eq!(&vec![forwarded.to_owned()], sent);
            }
            prop_assert!(keys.len() < 2 && alphas.len() < 2);
        }
    }
}

#[test]
fn the_debug_form_of_a_token_does_not_show_it() {
    let admitted = admit(&[("x-key", "sk-alice"), ("authorization", "Bearer hush")]).unwrap();
    assert_eq!(format!("{:?}", admitted.authorization), "Token(UpstreamToken(…))");
}

#[test]
fn a_key_of_two_callers_admits_the_first() {
    let keys = ["a", "b", "a"].map(|key| KeyDigest::of_key(key.as_bytes()));
    let keyring = Keyring::new(HeaderName::from_static("x-key"), keys.to_vec());
    let headers = |key| {
        HeaderMap::from_iter([(HeaderName::from_static("x-key"), HeaderValue::from_static(key))])
    };
    assert_eq!(keyring.admit(&headers("a")).unwrap().caller, CallerId(0));
    assert_eq!(keyring.admit(&headers("b")).unwrap().caller, CallerId(1));
    assert_eq!(keyring.key_of(CallerId(1)), &KeyDigest::of_key(b"b"));
}
