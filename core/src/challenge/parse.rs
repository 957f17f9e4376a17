//! Parses the challenges of a `WWW-Authenticate` value (RFC 9110 §11.6.1) leniently.
//!
//! Upstreams send challenges that break the grammar: URLs without quotes, raw bytes, several
//! challenges in one line. The parser skips what it cannot read up to the next comma, so that one
//! malformed challenge does not hide a well-formed one (CHL-15, CHL-17).

use alloc::{string::String, vec, vec::Vec};

/// One challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The authentication scheme, in the case in which it was sent.
    pub scheme: String,
    /// The parameters of the scheme.
    pub parameters: Parameters,
}

/// The parameters of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// A single opaque value (`token68`). It is empty if nothing follows the scheme.
    Token68(String),
    /// At least one pair of a name, in lower case, and its value without quotes.
    List(Vec<(String, String)>),
}

impl Challenge {
    /// Whether the scheme is `Bearer`, in any case (RFC 9110 §11.1).
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer")
    }

    /// The value of a parameter; the first one if several have the name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        match &self.parameters {
            Parameters::Token68(_) => None,
            Parameters::List(list) => {
                list.iter().find(|(listed, _)| listed == name).map(|(_, value)| value.as_str())
            }
        }
    }
}

/// Parses every readable challenge of a field value. Bytes outside ASCII become replacement
/// characters.
///
/// ```
/// use mcp_preflight_core::challenge::parse;
///
/// let found = parse(br#"Basic realm="a, b", Bearer scope=tools , error="invalid_token""#);
/// assert_eq!(found[1].parameter("error"), Some("invalid_token"));
/// ```
#[must_use]
pub fn parse(value: &[u8]) -> Vec<Challenge> {
    let mut rest = Input(value);
    let mut found = Vec::new();
    loop {
        rest.skip_list_separators();
        if rest.0.is_empty() {
            return found;
        }
        match rest.challenge() {
            Some(challenge) => found.push(challenge),
            None => rest.skip_to_comma(),
        }
    }
}

/// The unread rest of a value.
#[derive(Clone, Copy)]
struct Input<'v>(&'v [u8]);

impl<'v> Input<'v> {
    fn challenge(&mut self) -> Option<Challenge> {
        let scheme = text(self.run(is_token)?);
        if !self.at_end_of_item() && !self.0.starts_with(b" ") {
            return None;
        }
        self.skip_spaces();
        if let Some(token68) = self.token68() {
            return Some(Challenge { scheme, parameters: Parameters::Token68(token68) });
        }
        let mut list = vec![self.parameter()?];
        loop {
            // A comma ends a parameter or a challenge. It ends a parameter if another parameter
            // follows.
            let mut ahead = *self;
            ahead.skip_list_separators();
            match ahead.parameter() {
                Some(parameter) => list.push(parameter),
                None => return Some(Challenge { scheme, parameters: Parameters::List(list) }),
            }
            *self = ahead;
        }
    }

    /// A `token68` that reaches to the end of the list item; empty if nothing follows the scheme.
    fn token68(&mut self) -> Option<String> {
        let mut ahead = *self;
        let run = ahead
            .run(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
            .unwrap_or_default();
        let padding = if run.is_empty() {
            &[]
        } else {
            ahead.run(|b| b == b'=').unwrap_or_default()
        };
        ahead.skip_spaces();
        ahead.at_end_of_item().then(|| {
            *self = ahead;
            text(run) + &text(padding)
        })
    }

    fn parameter(&mut self) -> Option<(String, String)> {
        let mut ahead = *self;
        let name = text(ahead.run(is_token)?).to_ascii_lowercase();
        ahead.skip_spaces();
        ahead.0 = ahead.0.strip_prefix(b"=")?;
        ahead.skip_spaces();
        let value = match ahead.0.strip_prefix(b"\"") {
            Some(quoted) => {
                ahead.0 = quoted;
                ahead.quoted()?
            }
            // Beyond the grammar: a URL without quotes, as a test of LiteLLM change #27847 has it.
            None => text(ahead.run(|b| !b.is_ascii_whitespace() && b != b',').unwrap_or_default()),
        };
        ahead.skip_spaces();
        ahead.at_end_of_item().then(|| {
            *self = ahead;
            (name, value)
        })
    }

    /// The rest of a quoted string, without escapes; `None` if the closing quote is missing.
    fn quoted(&mut self) -> Option<String> {
        let mut value = Vec::new();
        let mut bytes = self.0.iter().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.0 = &self.0[at + 1..];
                    return Some(text(&value));
                }
                b'\\' => value.push(*bytes.next()?.1),
                byte => value.push(*byte),
            }
        }
        None
    }

    fn run(&mut self, accepts: impl Fn(u8) -> bool) -> Option<&'v [u8]> {
        let end = self.0.iter().position(|b| !accepts(*b)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        (!run.is_empty()).then_some(run)
    }

    fn skip_spaces(&mut self) {
        self.run(|b| b == b' ' || b == b'\t');
    }

    fn skip_list_separators(&mut self) {
        self.run(|b| b == b' ' || b == b'\t' || b == b',');
    }

    fn skip_to_comma(&mut self) {
        self.run(|b| b != b',');
    }

    fn at_end_of_item(&self) -> bool {
        self.0.first().is_none_or(|b| *b == b',')
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bearer(value: &str) -> Option<Challenge> {
        parse(value.as_bytes()).into_iter().find(Challenge::is_bearer)
    }

    #[test]
    fn a_bearer_challenge_is_found_at_any_position() {
        for value in [
            r#"Bearer realm="r""#,
            r#"bearer realm=r"#,
            r#"Basic realm="a, Bearer b", Bearer realm="r""#,
            r#"Negotiate, Bearer realm="r""#,
            r#"Negotiate YWJj==, BEARER realm = "r""#,
            r#", ,Bearer  realm="r", , scope="s""#,
            r#"Digest a="b", c=d, Bearer realm="r", Basic realm="z""#,
            r#"??? broken, Bearer realm="r""#,
            r#"Basic realm="unclosed, Bearer realm="r""#,
        ] {
            let found =
                bearer(value).unwrap_or_else(|| panic!("{value}: {:?}", parse(value.as_bytes())));
            assert_eq!(found.parameter("realm"), Some("r"), "{value}");
        }
    }

    #[test]
    fn an_unquoted_url_is_parsed() {
        let found =
            bearer("Bearer authorization_uri=https://example.test/auth?a=b, error=invalid_token")
                .unwrap();
        assert_eq!(found.parameter("authorization_uri"), Some("https://example.test/auth?a=b"));
        assert_eq!(found.parameter("error"), Some("invalid_token"));
    }

    #[test]
    fn escapes_are_removed_and_the_first_of_two_equal_names_counts() {
        let found = bearer(r#"Bearer realm="a \"b\" \\c", Realm="second""#).unwrap();
        assert_eq!(found.parameter("realm"), Some(r#"a "b" \c"#));
    }

    fn challenge() -> impl Strategy<Value = Challenge> {
        let parameters = prop_oneof![
            "([A-Za-z0-9._~+/-]{1,12}={0,2})?".prop_map(Parameters::Token68),
            prop::collection::vec(("[a-z_]{1,8}", "[ -~]{0,12}"), 1..4).prop_map(Parameters::List),
        ];
        ("[A-Za-z][A-Za-z0-9-]{0,8}", parameters)
            .prop_map(|(scheme, parameters)| Challenge { scheme, parameters })
    }

    fn written(challenge: &Challenge) -> String {
        let parameters = match &challenge.parameters {
            Parameters::Token68(token) => token.clone(),
            Parameters::List(list) => {
                let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
                list.iter()
                    .map(|(name, value)| format!("{name}=\"{}\"", quoted(value)))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        };
        format!("{} {parameters}", challenge.scheme).trim_end().to_owned()
    }

    proptest! {
        #[test]
        fn a_well_formed_value_is_parsed_completely(
            challenges in prop::collection::vec(challenge(), 0..4),
        ) {
            let line = challenges.iter().map(written).collect::<Vec<_>>().join(", ");
            prop_assert_eq!(parse(line.as_bytes()), challenges);
        }

        #[test]
        fn any_bytes_are_parsed_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            prop_assert!(parse(&bytes).iter().all(|challenge| !challenge.scheme.is_empty()));
        }
    }
}
