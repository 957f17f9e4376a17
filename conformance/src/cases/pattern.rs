//! Says which values are meant: one, several, all that look alike, all but some. Rules, axes and scenarios spell it the same way.
//!
//! A pattern is a value or a list of values. `*` stands for any text; a value behind `!` is taken away. Where nothing is named but
//! what is taken away, everything else is meant. Knows nothing of what the values are values of.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Which values are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    meant: Vec<String>,
    taken_away: Vec<String>,
}

impl Pattern {
    /// The pattern of these values, as a data file would list them.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut pattern = Self::default();
        for value in values {
            match value.strip_prefix('!') {
                Some(value) => pattern.taken_away.push(value.to_owned()),
                None => pattern.meant.push(value.to_owned()),
            }
        }
        pattern
    }

    /// Whether this value is meant.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.matches_one_of(&[value])
    }

    /// Whether something is meant that has several names.
    #[must_use]
    pub fn matches_one_of(&self, names: &[&str]) -> bool {
        let any = |patterns: &[String]| {
            patterns.iter().any(|pattern| names.iter().any(|name| wild(pattern, name)))
        };
        (self.meant.is_empty() || any(&self.meant)) && !any(&self.taken_away)
    }

    /// Each value as it is written, without the `!`.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.meant.iter().chain(&self.taken_away).map(String::as_str)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.meant.is_empty(), self.taken_away.is_empty()) {
            (false, true) => f.write_str(&self.meant.join(" or ")),
            (true, false) => write!(f, "not {}", self.taken_away.join(" nor ")),
            (false, false) => {
                write!(f, "{} but not {}", self.meant.join(" or "), self.taken_away.join(" nor "))
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
            "description": "A value or a list of values. `*` matches any text. A value after `!` is excluded; if every value is excluded, all others match.",
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
            return Err(serde::de::Error::custom("an empty list means nothing at all"));
        }
        Ok(Self::new(values.iter().map(String::as_str)))
    }
}

/// Whether `text` is what `pattern` spells, `*` standing for any text.
pub(crate) fn wild(pattern: &str, text: &str) -> bool {
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
    fn a_star_stands_for_any_text() {
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
            assert_eq!(wild(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_taken_away_is_not_meant() {
        let pattern = Pattern::new(["401-*", "!401-full"]);
        assert!(pattern.matches("401-bare"));
        assert!(!pattern.matches_one_of(&["401-full+oauth", "401-full"]));
        assert!(Pattern::new(["!200"]).matches("401"));
        assert_eq!(pattern.to_string(), "401-* but not 401-full");
        assert_eq!(Pattern::new(["!200", "!202"]).to_string(), "not 200 nor 202");
    }

    #[test]
    fn numbers_and_texts_read_alike() {
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
        fn any_text_matches_itself_with_any_part_starred(text in "[a-z*]{0,12}", from in 0_usize..12, length in 0_usize..12) {
            let text = text.replace('*', "-");
            let from = from.min(text.len());
            let until = (from + length).min(text.len());
            let starred = format!("{}*{}", &text[..from], &text[until..]);
            prop_assert!(wild(&starred, &text));
        }
    }
}
