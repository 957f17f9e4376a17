//! Writes challenges, and reads those of an upstream's refusal.

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use crate::trace::challenge::{Challenge, parse_leniently};

/// The size limit of a challenge, in bytes (CHL-19).
const SIZE_LIMIT: usize = 4096;

/// The parameters of a challenge, in order.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// How an upstream refused a request.
pub(super) struct UpstreamRefusal<'a> {
    /// The upstream's URL.
    pub(super) url: &'a str,
    /// Whether the refused request had a token.
    pub(super) token_sent: bool,
    /// The fields of the upstream's response.
    pub(super) head: &'a HeaderMap,
}

impl UpstreamRefusal<'_> {
    /// The upstream's challenge field lines.
    pub(super) fn challenges(&self) -> Vec<HeaderValue> {
        self.head.get_all(WWW_AUTHENTICATE).iter().cloned().collect()
    }

    /// The upstream's first Bearer challenge.
    pub(super) fn bearer(&self) -> Option<Challenge> {
        self.head
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .flat_map(|line| parse_leniently(&line).unwrap_or_default())
            .find(|challenge| challenge.is("Bearer"))
    }
}

/// A Bearer challenge with these parameters, except those that cannot be written or that exceed the
/// size limit (CHL-13, CHL-19).
pub(super) fn challenge_value(parameters: &Parameters, quote: &str) -> HeaderValue {
    let mut text = "Bearer".to_owned();
    for (name, value) in parameters {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let comma = if text.contains('=') { "," } else { "" };
        let parameter = format!("{comma} {name}={quote}{value}{quote}");
        let is_visible = value.bytes().all(|byte| matches!(byte, 0x20..0x7f));
        if is_visible && text.len() + parameter.len() <= SIZE_LIMIT {
            text.push_str(&parameter);
        }
    }
    HeaderValue::try_from(text).expect("only visible ASCII is added")
}

/// The challenge of the gateway's own protection space.
pub(super) fn own_challenge() -> HeaderValue {
    HeaderValue::from_static("Bearer realm=\"gateway\"")
}
