//! Spells a secret in every encoding that programs use: plain, percent-encoded, hexadecimal, base64
//! and escaped in JSON.
//!
//! It does not know where a secret is searched for. A secret inside a longer text is encoded as it
//! is encoded alone, except in base64, where the encoding depends on the offset modulo three. So
//! there are three base64 spellings; their first and last characters depend on the neighbours and
//! are cut off.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// An encoding of a secret.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Spelling {
    /// Without encoding.
    Plain,
    /// Percent-encoded (RFC 3986 §2.1): the bytes that need it, or every byte.
    Percent,
    /// Two hexadecimal digits for each byte.
    Hex,
    /// Base64 (RFC 4648 §4 and §5), at any offset in the encoded text.
    Base64,
    /// Escaped as in a JSON string: the characters that need it, or every character as `\u` and
    /// four digits.
    Json,
}

impl Spelling {
    /// The name of the encoding in a finding.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Percent => "percent-encoded",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Json => "JSON-escaped",
        }
    }
}

/// Every spelling of a text, except those that are equal to the plain one.
///
/// Each spelling of the start of a text is the start of a spelling of the whole text.
#[must_use]
pub fn spellings(text: &str) -> Vec<(Spelling, String)> {
    let bytes = text.as_bytes();
    let mut all = vec![
        (Spelling::Plain, text.to_owned()),
        (Spelling::Percent, percent(bytes, UPPER, |_| false)),
        (Spelling::Percent, percent(bytes, LOWER, |_| false)),
        (Spelling::Hex, hex(bytes, UPPER, "")),
        (Spelling::Hex, hex(bytes, LOWER, "")),
        (Spelling::Json, escaped(text, UPPER)),
        (Spelling::Json, escaped(text, LOWER)),
    ];
    if !bytes.iter().all(|byte| is_unreserved(*byte)) {
        let minimal = serde_json::Value::from(text).to_string();
        let minimal = minimal.trim_matches('"').to_owned();
        all.extend([
            (Spelling::Percent, percent(bytes, UPPER, is_unreserved)),
            (Spelling::Percent, percent(bytes, LOWER, is_unreserved)),
            (Spelling::Json, minimal.replace('/', "\\/")),
            (Spelling::Json, minimal),
        ]);
    }
    for before in 0..3_usize {
        let encoded = STANDARD_NO_PAD.encode([&[0; 2][..before], text.as_bytes()].concat());
        let (first, last) = ((before * 8).div_ceil(6), (before + text.len()) * 8 / 6);
        let core = encoded.get(first..last).unwrap_or_default();
        if core.contains(['+', '/']) {
            all.push((Spelling::Base64, core.replace('+', "-").replace('/', "_")));
        }
        all.push((Spelling::Base64, core.to_owned()));
    }
    all
}

type Digits = &'static [u8; 16];
const UPPER: Digits = b"0123456789ABCDEF";
const LOWER: Digits = b"0123456789abcdef";

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Two digits for each byte, each pair after `before`.
fn hex(bytes: &[u8], digits: Digits, before: &str) -> String {
    let mut spelled = String::with_capacity(bytes.len() * (before.len() + 2));
    for byte in bytes {
        spelled.push_str(before);
        push_hex(&mut spelled, *byte, digits);
    }
    spelled
}

fn push_hex(spelled: &mut String, byte: u8, digits: Digits) {
    spelled.push(char::from(digits[usize::from(byte >> 4)]));
    spelled.push(char::from(digits[usize::from(byte & 15)]));
}

fn percent(bytes: &[u8], digits: Digits, is_kept: impl Fn(u8) -> bool) -> String {
    let mut spelled = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        if is_kept(*byte) {
            spelled.push(char::from(*byte));
        } else {
            spelled.push('%');
            push_hex(&mut spelled, *byte, digits);
        }
    }
    spelled
}

fn escaped(text: &str, digits: Digits) -> String {
    let mut spelled = String::with_capacity(text.len() * 6);
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        spelled.push_str("\\u");
        push_hex(&mut spelled, high, digits);
        push_hex(&mut spelled, low, digits);
    }
    spelled
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn is_spelled(text: &str, secret: &str) -> bool {
        spellings(secret).iter().any(|(_, spelling)| text.contains(spelling.as_str()))
    }

    proptest! {
        #[test]
        fn every_encoding_of_a_secret_is_found_in_any_surrounding_text(
            secret in "[!-~]{8,40}",
            before in "[ -~]{0,9}",
            after in "[ -~]{0,9}",
        ) {
            let whole = format!("{before}{secret}{after}");
            let hex: String = whole.bytes().map(|byte| format!("{byte:02x}")).collect();
            let percent: String = whole.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let unicode: String =
                whole.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
            let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            prop_assert!(is_spelled(&whole, &secret));
            prop_assert!(is_spelled(&hex, &secret) && is_spelled(&hex.to_uppercase(), &secret));
            prop_assert!(is_spelled(&percent, &secret));
            prop_assert!(is_spelled(&percent.to_lowercase(), &secret));
            prop_assert!(is_spelled(&unicode, &secret));
            prop_assert!(is_spelled(&serde_json::Value::from(whole.as_str()).to_string(), &secret));
            prop_assert!(is_spelled(&STANDARD.encode(&whole), &secret));
            prop_assert!(is_spelled(&URL_SAFE.encode(&whole), &secret));
            // Form encoding also escapes the tilde, and keeps the asterisk.
            prop_assert!(secret.contains(['~', '*']) || is_spelled(&form, &secret), "{form}");
        }

        #[test]
        fn a_spelling_of_a_prefix_is_a_prefix_of_the_spelling(text in "[!-~]{9,40}") {
            let (starts, wholes) = (spellings(&text[..8]), spellings(&text));
            for (spelling, start) in &starts {
                prop_assert!(
                    wholes
                        .iter()
                        .any(|(other, whole)| other == spelling && whole.starts_with(start)),
                    "{spelling:?} {start}"
                );
            }
        }
    }
}
