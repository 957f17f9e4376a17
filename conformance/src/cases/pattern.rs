//! Matches values with patterns. Rules, axes and scenarios use the same syntax.
//!
//! A pattern is a value or a list of values. `*` matches any text. A value after `!` is excluded;
//! if every value is excluded, all others match. It does not know what the values mean.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A set of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Pattern {
    /// The pattern of these values, in the syntax of data files.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut pattern = Self::default();
        for value in values {
            match value.strip_prefix('!') {
                Some(value) => pattern.excluded.push(value.to_owned()),
                None => pattern.included.push(value.to_owned()),
            }
        }
        pattern
    }

    /// Whether the pattern matches this value.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.matches_one_of(&[value])
    }

    /// Whether the pattern matches a value that has several names: one is included and none is
    /// excluded.
    #[must_use]
    pub fn matches_one_of(&self, names: &[&str]) -> bool {
        let any = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| names.iter().any(|name| wildcard_match(pattern, name)))
        };
        (self.included.is_empty() || any(&self.included)) && !any(&self.excluded)
    }

    /// Each value of the pattern, without the `!`.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.included.iter().chain(&self.excluded).map(String::as_str)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.included.is_empty(), self.excluded.is_empty()) {
            (false, true) => f.write_str(&self.included.join(" or ")),
            (true, false) => write!(f, "not {}", self.excluded.join(" nor ")),
            (false, false) => {
                write!(f, "{} but not {}", self.included.join(" or "), self.excluded.join(" nor "))
            }
            (true, true) => f.write_str("anything"),
        }
    }
}

impl schemars::JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A value or a list of values. `*` matches any text. A value after `!` \
                            is excluded; if every value is excluded, all others match.",
            "type": ["string", "integer", "array"]
        })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a value or a list of values")]
        enum Written {
            Number(u16),
            Text(String),
            List(Vec<Value>),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Number(u16),
            Text(String),
        }
        let values = match Written::deserialize(deserializer)? {
            Written::Number(number) => vec![number.to_string()],
            Written::Text(text) => vec![text],
            Written::List(values) => values
                .into_iter()
                .map(|value| match value {
                    Value::Number(number) => number.to_string(),
                    Value::Text(text) => text,
                })
                .collect(),
        };
        if values.is_empty() {
            return Err(serde::de::Error::custom("empty list, expected at least one value"));
        }
        Ok(Self::new(values.iter().map(String::as_str)))
    }
}

/// Whether `pattern` matches `text`. `*` matches any text, every other character itself.
pub(crate) fn wildcard_match(pattern: &str, text: &str) -> bool {
    let Some((start, mut pattern)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    while let Some((part, rest)) = pattern.split_once('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
        pattern = rest;
    }
    text.ends_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn star_matches_any_text() {
        for (pattern, text, expected) in [
            ("401", "401", true),
            ("401", "4010", false),
            ("401-*", "401-full+json-rpc", true),
            ("401-*", "http10-401", false),
            ("*-200", "empty-200", true),
            ("*-success", "success", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("/mcp/{server}", "/mcp/{server}", true),
        ] {
            assert_eq!(wildcard_match(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn excluded_value_does_not_match() {
        let pattern = Pattern::new(["401-*", "!401-full"]);
        assert!(pattern.matches("401-bare"));
        assert!(!pattern.matches_one_of(&["401-full+oauth", "401-full"]));
        assert!(Pattern::new(["!200"]).matches("401"));
        assert_eq!(pattern.to_string(), "401-* but not 401-full");
        assert_eq!(Pattern::new(["!200", "!202"]).to_string(), "not 200 nor 202");
    }

    #[test]
    fn number_and_text_are_the_same_value() {
        #[derive(Deserialize)]
        struct File {
            status: Pattern,
        }
        let read = |text: &str| toml::from_str::<File>(text).map(|file| file.status);
        assert_eq!(read("status = 401").unwrap(), read("status = '401'").unwrap());
        assert_eq!(read("status = [401, '4*']").unwrap(), Pattern::new(["401", "4*"]));
        assert!(read("status = []").is_err());
        assert!(read("status = { a = 1 }").is_err());
    }

    proptest! {
        #[test]
        fn text_matches_itself_with_any_part_replaced_by_a_star(
            text in "[a-z*]{0,12}",
            from in 0_usize..12,
            length in 0_usize..12,
        ) {
            let text = text.replace('*', "-");
            let from = from.min(text.len());
            let until = (from + length).min(text.len());
            let starred = format!("{}*{}", &text[..from], &text[until..]);
            prop_assert!(wildcard_match(&starred, &text));
        }
    }
}
