//! Reads a secret from its source: an environment variable or a file, never the configuration
//! itself.
//!
//! What the secret is used for is decided elsewhere.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::error::Diagnostic;
use toml::Spanned;

/// Looks up an environment variable. Tests pass a function instead of changing the environment.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The source of a secret.
#[derive(Clone, Debug)]
pub(super) enum SecretSource {
    /// `{ env = "NAME" }`
    Env(String),
    /// `{ file = "path" }`
    File(String),
    /// `{ sha256 = "hex" }`, which is allowed for gateway keys only.
    Sha256([u8; 32]),
}

/// The error for a secret that is written in the configuration. Its line is not shown.
pub(super) const INLINE_SECRET: &str = "a secret must not be written in the configuration";

/// What a value with the name of a secret may be.
pub(super) const EXPECTED_SOURCE: &str =
    "a source of the secret, for example  { env = \"NAME\" }  or  { file = \"path\" }";

/// Reads the secret of an entry.
pub(super) fn read_secret(
    source: &Spanned<SecretSource>,
    environment: Environment<'_>,
) -> Result<SecretString, Diagnostic> {
    source.get_ref().read(environment).map_err(|found| {
        Diagnostic::at(
            source.span(),
            found,
            "expected an environment variable or a file \
            that contains only visible ASCII characters",
        )
    })
}

impl SecretSource {
    /// Reads the secret. The error tells what was found.
    fn read(&self, environment: Environment<'_>) -> Result<SecretString, String> {
        let secret = match self {
            Self::Env(name) => environment(name)
                .ok_or_else(|| format!("the environment variable `{name}` is not set"))?,
            Self::File(path) => std::fs::read_to_string(path).map_err(|error| {
                format!("the secret file `{path}` cannot be read: {}", error.kind())
            })?,
            Self::Sha256(_) => return Err("`sha256` is allowed for gateway keys only".to_owned()),
        };
        let secret = SecretString::from(secret.trim());
        let is_usable = !secret.expose_secret().is_empty()
            && secret.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        if is_usable {
            Ok(secret)
        } else {
            Err("the secret is empty or contains characters other than visible ASCII".to_owned())
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretSourceVisitor)
    }
}

struct SecretSourceVisitor;

impl<'de> Visitor<'de> for SecretSourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED_SOURCE)
    }

    fn visit_str<E: Error>(self, _secret: &str) -> Result<SecretSource, E> {
        Err(E::custom(INLINE_SECRET))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let mut source = None;
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            let next = match name.as_str() {
                "env" => SecretSource::Env(value),
                "file" => SecretSource::File(value),
                "sha256" => SecretSource::Sha256(
                    parse_hex(&value)
                        .ok_or_else(|| A::Error::custom("`sha256` is not 64 hexadecimal digits"))?,
                ),
                _ => return Err(A::Error::unknown_field(&name, &["env", "file", "sha256"])),
            };
            if source.replace(next).is_some() {
                return Err(A::Error::custom("a secret with several sources"));
            }
        }
        source.ok_or_else(|| A::Error::custom("a secret without a source"))
    }
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, position) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[position..position + 2], 16).ok()?;
    }
    Some(bytes)
}
