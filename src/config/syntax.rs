//! Turns an error of the TOML parser into a diagnostic with an example of what to write.

use super::{
    error::Diagnostic,
    example::example,
    secret::{EXPECTED_SOURCE, INLINE_SECRET},
};

/// Keys that have another name now.
const RENAMED_KEYS: [(&str, &str); 1] = [("era", "protocol_version")];

/// The least similarity of two names, from 0 to 1, at which one is taken for a misspelling of the
/// other.
const MIN_SIMILARITY: f64 = 0.8;

/// The diagnostic for an error of the TOML parser or of the file's structure.
pub(super) fn diagnostic(text: &str, error: &toml::de::Error) -> Diagnostic {
    let diagnostic = describe(text, error);
    Diagnostic { span: error.span(), ..diagnostic }
}

fn describe(text: &str, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim();
    if message.contains(INLINE_SECRET) {
        let expected = format!("expected {EXPECTED_SOURCE}");
        return Diagnostic::without_span(INLINE_SECRET, expected).hiding_line();
    }
    let message = message
        .replace("unknown variant", "unknown value")
        .replace("a sequence", "a list")
        .replace("u64", "a whole number");
    let (found, expected) = match message.split_once(", expected ") {
        Some((found, expected)) => (found, Some(expected)),
        None => (message.as_str(), None),
    };
    let meant = unknown_key(found).and_then(|key| intended_key(key, expected.unwrap_or_default()));
    let advice = match (meant, expected) {
        (Some(key), _) => format!("expected `{key}`"),
        (None, Some(expected)) => format!("expected {expected}"),
        (None, None) => "expected TOML as in preflight.example.toml".to_owned(),
    };
    let key = error.span().map(|span| key_of_line(text, span.start)).unwrap_or_default();
    let line = example(meant.unwrap_or(key));
    let expected = if line.is_empty() {
        advice
    } else {
        format!("{advice}, for example  {line}")
    };
    Diagnostic::without_span(found.replace('\n', " "), expected)
}

/// The key in serde's message about an unknown one.
fn unknown_key(found: &str) -> Option<&str> {
    found.strip_prefix("unknown field `")?.strip_suffix('`')
}

/// The key that was probably meant, out of serde's list of keys in backticks.
fn intended_key<'k>(unknown: &str, keys: &'k str) -> Option<&'k str> {
    if let Some((_, renamed)) = RENAMED_KEYS.iter().find(|(old, _)| *old == unknown) {
        return Some(renamed);
    }
    let similarities = keys
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|key| (strsim::jaro_winkler(unknown, key), key));
    similarities
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, key)| key)
}

/// The key in the line at a byte position.
fn key_of_line(text: &str, position: usize) -> &str {
    let start = text[..position.min(text.len())].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].split(['=', '\n']).next().unwrap_or_default().trim()
}
