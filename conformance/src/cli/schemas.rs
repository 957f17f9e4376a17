//! `schema`: the JSON Schemas (draft 2020-12) of the published formats.
//!
//! Enumerations, such as the features, are filled in from the code, so that a schema cannot differ
//! from it. The tests validate real files.

use serde_json::{Value, json};

use super::{Exit, print};
use crate::{
    cases::{axis::Strategy, matrix_case::AXES},
    catalogue::{Feature, GatewayKind, Profile, ProtocolVersion},
    judge::Verdict,
};

/// A format with a published schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Published {
    /// The file `implementation.toml`, which describes a gateway
    Implementation,
    /// The file `baseline.toml`, which lists expected failures
    Baseline,
    /// One line of a run file
    RunFile,
    /// The plan file, which `upstreams --plan` writes
    PlanFile,
}

impl Published {
    /// The schema of this format.
    #[must_use]
    pub fn schema(self) -> Value {
        let text = match self {
            Self::Implementation => include_str!("../../schemas/implementation.schema.json"),
            Self::Baseline => include_str!("../../schemas/baseline.schema.json"),
            Self::RunFile => include_str!("../../schemas/run-file.schema.json"),
            Self::PlanFile => include_str!("../../schemas/plan-file.schema.json"),
        };
        let mut schema: Value = serde_json::from_str(text)
            .expect("the schemas are JSON, as a test of this module checks");
        if let Some(target) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
            for (name, definition) in definitions() {
                target.insert(name.to_owned(), definition);
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

/// The definitions that are made from the code.
fn definitions() -> [(&'static str, Value); 8] {
    let enumeration = |names: Vec<String>| json!({ "enum": names });
    let axes: serde_json::Map<String, Value> = AXES
        .iter()
        .map(|axis| ((*axis).to_owned(), json!({ "type": "string" })))
        .collect();
    [
        ("kind", enumeration(GatewayKind::ALL.iter().map(ToString::to_string).collect())),
        (
            "protocol-version",
            enumeration(ProtocolVersion::ALL.iter().map(ToString::to_string).collect()),
        ),
        ("feature", enumeration(Feature::ALL.iter().map(ToString::to_string).collect())),
        ("strategy", enumeration(Strategy::ALL.iter().map(ToString::to_string).collect())),
        ("profile", enumeration(Profile::ALL.iter().map(ToString::to_string).collect())),
        ("verdict", enumeration(Verdict::ALL.iter().map(ToString::to_string).collect())),
        ("requirement", json!({ "type": "string", "pattern": "^[A-Z]+-[0-9]{2}$" })),
        (
            "axes",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": AXES,
                "properties": axes,
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::{
        implementations::Description,
        judge::baseline::Baseline,
        upstreams::{MockUpstreams, PlanFile},
    };

    #[tokio::test]
    async fn a_written_plan_file_matches_the_schema() {
        let upstreams = MockUpstreams::start(1).await.expect("loopback ports are free");
        let control = upstreams.bind_control().await.expect("loopback ports are free");
        let control = control.local_addr().expect("it is bound");
        let plan = serde_json::to_value(PlanFile::new(1, &upstreams, control))
            .expect("a plan can be serialised");
        let validator = validator(Published::PlanFile);
        let violations: Vec<String> =
            validator.iter_errors(&plan).map(|error| error.to_string()).collect();
        assert_eq!(violations, Vec::<String>::new());
        for key in ["format", "random_seed", "host", "listeners", "control", "deployment"] {
            let mut incomplete = plan.clone();
            incomplete.as_object_mut().expect("it is an object").remove(key);
            assert!(!validator.is_valid(&incomplete), "{key}");
            assert!(serde_json::from_value::<PlanFile>(incomplete).is_err(), "{key}");
        }
    }

    fn validator(published: Published) -> jsonschema::Validator {
        jsonschema::validator_for(&published.schema()).expect("the schema is valid")
    }

    fn violations(published: Published, toml: &str) -> Vec<String> {
        let document: Value = toml::from_str(toml).expect("the document is TOML");
        validator(published)
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// The description in the documentation, which contains every section.
    fn documented() -> &'static str {
        let text = include_str!("../../implementations/README.md");
        text.split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .expect("the documentation shows one")
    }

    #[test]
    fn every_schema_is_valid() {
        for published in Published::value_variants() {
            assert!(jsonschema::meta::is_valid(&published.schema()), "{published:?}");
            validator(*published);
        }
    }

    #[test]
    fn real_descriptions_match_the_schema() {
        for text in
            [documented(), include_str!("../../implementations/litellm/implementation.toml")]
        {
            Description::parse("a", text).expect("the parser accepts it");
            assert_eq!(violations(Published::Implementation, text), Vec::<String>::new());
        }
    }

    #[test]
    fn the_schema_contains_every_surface() {
        let keys = |value: &Value| {
            value
                .as_object()
                .expect("the value is an object")
                .keys()
                .cloned()
                .collect::<std::collections::BTreeSet<_>>()
        };
        let parsed = serde_json::to_value(crate::implementations::Surfaces::default())
            .expect("surfaces can be serialised");
        let schema = Published::Implementation.schema();
        assert_eq!(keys(&schema["properties"]["surfaces"]["properties"]), keys(&parsed));
    }

    #[test]
    fn parser_and_schema_reject_the_same_descriptions() {
        for (valid, wrong) in [
            ("name = \"my-gateway\"", "name = \"a b\""),
            ("name = \"my-gateway\"", "name = \"my-gateway\"\ncolour = \"red\""),
            ("routes = [\"/mcp/{server}\"]", "routes = [\"mcp/{server}\"]"),
            ("\"discovery\"", "\"flying\""),
            ("kind = \"forwarding-gateway\"", "kind = \"teapot\""),
            ("strategies = [\"own\"]", "strategies = []"),
            ("key-header = \"x-gateway-key\"", "key-header = \"X-Gateway-Key\""),
            ("[ready]\npath = \"/health\"", "[ready]\npath = \"health\""),
            ("within-s = 60\n", "within-s = \"a minute\"\n"),
        ] {
            let text = documented().replacen(valid, wrong, 1);
            assert_ne!(text, documented(), "{valid}");
            assert!(Description::parse("a", &text).is_err(), "the parser accepts {wrong}");
            assert!(
                !violations(Published::Implementation, &text).is_empty(),
                "the schema accepts {wrong}"
            );
        }
    }

    #[test]
    fn parser_and_schema_accept_and_reject_the_same_baselines() {
        let real = include_str!("../../implementations/litellm/baseline.toml");
        assert_eq!(violations(Published::Baseline, real), Vec::<String>::new());
        for wrong in [
            "[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"fail\"\n",
            "[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"fail\"\nreason = \" \"\n",
            "[[expected-failure]]\nrequirement = \"STA-01\"\nverdict = \"red\"\nreason = \"r\"\n",
            "known = 1\n",
        ] {
            assert!(
                Baseline::parse(wrong).is_err()
                    && !violations(Published::Baseline, wrong).is_empty(),
                "{wrong}"
            );
        }
    }
}
