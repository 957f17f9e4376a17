//! Reads a secret from where the configuration says it is: the environment or a file, never the configuration itself.
//!
//! Decides nothing about what the secret is for.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// How environment variables are looked up, so that tests need not set any.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Where a secret is.
#[derive(Clone, Debug)]
pub(super) enum SecretSource {
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "path" }`
    File(String),
    /// `{ sha256 = "hex" }`, for gateway keys only.
    Sha256([u8; 32]),
}

/// What an error about a secret begins with; such an error shows no line of the file.
pub(super) const HUSH: &str = "a secret has to be named, not written";

impl SecretSource {
    /// The secret itself.
    pub(super) fn read(&self, environment: Environment<'_>) -> Result<SecretString, String> {
        let secret = match self {
            Self::Env(name) => environment(name)
                .ok_or_else(|| format!("the environment variable `{name}` is not set"))?,
            Self::File(path) => std::fs::read_to_string(path).map_err(|error| {
                format!("the secret file `{path}` cannot be read: {}", error.kind())
            })?,
            Self::Sha256(_) => return Err("a digest does not give back the secret".to_owned()),
        };
        let secret = SecretString::from(secret.trim());
        let usable = !secret.expose_secret().is_empty()
            && secret.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        if usable {
            Ok(secret)
        } else {
            Err("the secret is empty, or has other characters than visible ASCII".to_owned())
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor)
    }
}

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("where the secret is, for example  { env = \"NAME\" }  or  { file = \"path\" }")
    }

    fn visit_str<E: Error>(self, _secret: &str) -> Result<SecretSource, E> {
        Err(E::custom(HUSH))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let mut place = None;
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            let next = match name.as_str() {
                "env" => SecretSource::Env(value),
                "file" => SecretSource::File(value),
                "sha256" => SecretSource::Sha256(
                    hex(&value)
                        .ok_or_else(|| A::Error::custom("`sha256` is not 64 hexadecimal digits"))?,
                ),
                _ => return Err(A::Error::unknown_field(&name, &["env", "file", "sha256"])),
            };
            if place.replace(next).is_some() {
                return Err(A::Error::custom("a secret is in one place, not in several"));
            }
        }
        place.ok_or_else(|| A::Error::custom("a secret without a place"))
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}
