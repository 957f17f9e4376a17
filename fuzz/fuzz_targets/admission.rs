//! Admits arbitrary header field values, and checks that no gateway key is forwarded upstream.
//!
//! The input is split at newlines. Its lines become values of the key header field and of
//! `Authorization`, alternately.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use mcp_preflight_core::{
    admission::{Authorization, KeyDigest, Keyring},
    credential::{ServerKind, assign},
};

const KEYS: [&[u8]; 2] = [b"sk-alice", b"sk-bob"];

fuzz_target!(|bytes: &[u8]| {
    let keyring =
        Keyring::new(HeaderName::from_static("x-key"), KEYS.map(KeyDigest::of_key).into());
    let mut headers = HeaderMap::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').take(6).enumerate() {
        let name = if number % 2 == 0 { keyring.header.clone() } else { AUTHORIZATION };
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    let Ok(admitted) = keyring.admit(&headers) else { return };
    assert!(usize::from(admitted.caller.0) < KEYS.len());
    for kind in [
        ServerKind::StaticCredential,
        ServerKind::ClientCredentials,
        ServerKind::NoCredential,
    ] {
        assert!(
            assign(kind, &admitted.authorization)
                .is_ok_and(|credential| credential.forwarded().is_none())
        );
    }
    if let Authorization::Token(token) = &admitted.authorization {
        let sent = token.header_value();
        assert!(sent.is_sensitive());
        assert!(
            sent.as_bytes().split(|byte| *byte == b' ').all(|part| !KEYS.contains(&part)),
            "a gateway key was forwarded"
        );
        assert_eq!(headers.get_all(AUTHORIZATION).iter().count(), 1);
    }
});
