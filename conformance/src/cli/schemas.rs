//! `schema`: the published formats as JSON Schemas (draft 2020-12): descriptions of implementations, baselines, and the lines of run files.
//!
//! What is a closed list in the code is filled in from there, so that a schema cannot fall behind. The tests hold real files to them.

use serde_json::{Value, json};

use super::{Exit, print};
use crate::{
    cases::{axis::Strategy, matrix_case::AXES},
    catalogue::{Feature, Profile},
    judge::Verdict,
};

/// A format that others read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Published {
    /// `implementation.toml`.
    Implementation,
    /// `baseline.toml`.
    Baseline,
    /// One line of a run file.
    RunFile,
}

impl Published {
    /// Its schema.
    #[must_use]
    pub fn schema(self) -> Value {
        let text = match self {
            Self::Implementation => include_str!("../../schemas/implementation.schema.json"),
            Self::Baseline => include_str!("../../schemas/baseline.schema.json"),
            Self::RunFile => include_str!("../../schemas/run-file.schema.json"),
        };
        let mut schema: Value = serde_json::from_str(text)
            .expect("the schemas are JSON, as a test of this module shows");
        if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
            for (name, definition) in closed() {
                definitions.insert(name.to_owned(), definition);
            }
        }
        schema
    }
}

/// Prints the schema of a format.
pub(super) fn schema(published: Published) -> Exit {
    print(&format!("{:#}\n", published.schema()));
    Exit::Expected
}

/// The lists that the code closes.
fn closed() -> [(&'static str, Value); 6] {
    let words = |all: Vec<String>| json!({ "enum": all });
    let axes: serde_json::Map<String, Value> = AXES
        .iter()
        .map(|axis| ((*axis).to_owned(), json!({ "type": "string" })))
        .collect();
    [
        ("feature", words(Feature::ALL.iter().map(ToString::to_string).collect())),
        ("strategy", words(Strategy::ALL.iter().map(ToString::to_string).collect())),
        ("profile", words(Profile::ALL.iter().map(ToString::to_string).collect())),
        ("verdict", words(Verdict::ALL.iter().map(ToString::to_string).collect())),
        ("requirement", json!({ "type": "string", "pattern": "^[A-Z]+-[0-9]{2}$" })),
        (
            "axes",
            json!({ "type": "object", "additionalProperties": false, "required": AXES, "properties": axes }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::{implementations::Description, judge::baseline::Baseline};

    fn validator(published: Published) -> jsonschema::Validator {
        jsonschema::validator_for(&published.schema()).expect("it is a schema")
    }

    fn complaints(published: Published, toml: &str) -> Vec<String> {
        let document: Value = toml::from_str(toml).expect("it is TOML");
        validator(published)
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// The description in the documentation, which shows every section once.
    fn documented() -> &'static str {
        let text = include_str!("../../implementations/README.md");
        text.split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .expect("the documentation shows one")
    }

    #[test]
    fn every_schema_is_one() {
        for published in Published::value_variants() {
            assert!(jsonschema::meta::is_valid(&published.schema()), "{published:?}");
            validator(*published);
        }
    }

    #[test]
    fn real_descriptions_fit() {
        for text in
            [documented(), include_str!("../../implementations/litellm/implementation.toml")]
        {
            Description::parse("a", text).expect("the parser takes it");
            assert_eq!(complaints(Published::Implementation, text), Vec::<String>::new());
        }
    }

    #[test]
    fn no_surface_is_forgotten() {
        let keys = |value: &Value| {
            value
                .as_object()
                .expect("it is an object")
                .keys()
                .cloned()
                .collect::<std::collections::BTreeSet<_>>()
        };
        let parsed = serde_json::to_value(crate::implementations::Surfaces::default())
            .expect("it is plain data");
        let schema = Published::Implementation.schema();
        assert_eq!(keys(&schema["properties"]["surfaces"]["properties"]), keys(&parsed));
    }

    /// What the parser refuses, the schema refuses too.
    #[test]
    fn a_wrong_description_fits_neither() {
        for (right, wrong) in [
            ("name = \"my-gateway\"", "name = \"a b\""),
            ("name = \"my-gateway\"", "name = \"my-gateway\"\ncolour = \"red\""),
            ("routes = [\"/mcp/{server}\"]", "routes = [\"/mcp\"]"),
            ("\"limited-keys\"", "\"flying\""),
            ("strategies = [\"own\"]", "strategies = []"),
            ("key-header = \"x-gateway-key\"", "key-header = \"X-Gateway-Key\""),
            ("[ready]\npath = \"/health\"", "[ready]\npath = \"health\""),
            ("within-s = 60\n", "within-s = \"a minute\"\n"),
        ] {
            let text = documented().replacen(right, wrong, 1);
            assert_ne!(text, documented(), "{right}");
            assert!(Description::parse("a", &text).is_err(), "the parser takes {wrong}");
            assert!(
                !complaints(Published::Implementation, &text).is_empty(),
                "the schema takes {wrong}"
            );
        }
    }

    #[test]
    fn real_baselines_fit_and_wrong_ones_do_not() {
        let real = include_str!("../../implementations/litellm/baseline.toml");
        assert_eq!(complaints(Published::Baseline, real), Vec::<String>::new());
        for wrong in [
            "[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"fail\"\n",
            "[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"fail\"\nreason = \" \"\n",
            "[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"red\"\nreason = \"r\"\n",
            "known = 1\n",
        ] {
            assert!(
                Baseline::parse(wrong).is_err()
                    && !complaints(Published::Baseline, wrong).is_empty(),
                "{wrong}"
            );
        }
    }
}
