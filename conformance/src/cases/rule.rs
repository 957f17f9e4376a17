//! Reads `rules/*.toml`: what is expected of which matrix cases.
//!
//! It checks that every name in a rule exists, so that a rule with a typing error cannot pass. It
//! judges nothing.

use serde::Deserialize;

use crate::{
    cases::{expectation::Expectation, matrix_case::MatrixCase, selector::Selector},
    catalogue::embedded::Embedded,
};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name in reports.
    pub id: String,
    /// The matrix cases that the rule applies to.
    pub when: Selector,
    /// What is expected of these cases.
    pub expectation: Expectation,
}

/// Every rule, in the order of the files.
#[derive(Clone, Debug)]
pub struct RuleBook {
    rules: Vec<Rule>,
}

/// Each file's name and text.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("credentials", include_str!("../../cases/rules/credentials.toml")),
    ("gating", include_str!("../../cases/rules/gating.toml")),
    ("probe", include_str!("../../cases/rules/probe.toml")),
    ("refusal", include_str!("../../cases/rules/refusal.toml")),
    ("failure", include_str!("../../cases/rules/failure.toml")),
    ("challenge", include_str!("../../cases/rules/challenge.toml")),
    ("streaming", include_str!("../../cases/rules/streaming.toml")),
    ("aggregate", include_str!("../../cases/rules/aggregate.toml")),
    ("disclosure", include_str!("../../cases/rules/disclosure.toml")),
    ("stateless", include_str!("../../cases/rules/stateless.toml")),
];

static EMBEDDED: Embedded<RuleBook> =
    Embedded::new(|| RuleBook::parse(FILES).map_err(|error| error.to_string()));

impl RuleBook {
    /// The rules that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        EMBEDDED.get()
    }

    /// Reads and checks files of rules. The first element of each pair is the file's name in
    /// errors.
    ///
    /// # Errors
    ///
    /// If a file is not TOML or has unknown keys, or if a rule names something unknown.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, RuleError> {
        let mut rules: Vec<Rule> = Vec::new();
        for (file, text) in files {
            let parsed: File = toml::from_str(text)
                .map_err(|error| RuleError::Toml { file: (*file).to_owned(), error })?;
            for WrittenRule { id, when, expectation } in parsed.rule {
                let rule = Rule { id, when: when.or(&parsed.defaults.when), expectation };
                let wrong = |why: String| Err(RuleError::Rule { id: rule.id.clone(), why });
                if rules.iter().any(|other| other.id == rule.id) {
                    return wrong("duplicate id".to_owned());
                }
                if let Err(why) = rule.when.check().and_then(|()| rule.expectation.check()) {
                    return wrong(why);
                }
                rules.push(rule);
            }
        }
        Ok(Self { rules })
    }

    /// Every rule.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rules that apply to this matrix case.
    pub fn of<'a>(&'a self, matrix_case: &'a MatrixCase) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| rule.when.matches(matrix_case))
    }

    /// The rules that cite this requirement.
    pub fn citing<'a>(&'a self, requirement: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules
            .iter()
            .filter(move |rule| rule.expectation.requires.iter().any(|id| id == requirement))
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// Default keys of the rules of this file.
    #[serde(default)]
    defaults: Defaults,
    /// The rules.
    rule: Vec<WrittenRule>,
}

/// Default keys of the rules of a file.
#[derive(Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Defaults {
    /// Patterns for the axes that a rule's own `when` does not name.
    when: Selector,
}

/// A rule as it is written in a file.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenRule {
    /// The name in reports.
    id: String,
    /// The matrix cases that the rule applies to. The default is all.
    #[serde(default)]
    when: Selector,
    #[serde(flatten)]
    expectation: Expectation,
}

/// The JSON Schema of a file of rules, from which the reference is generated.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(File)
}

/// The keys of a rule, for errors about unknown keys. serde does not list them, because a flattened
/// field supplies some of them.
const RULE_KEYS: &str = "`id`, `when`, `requires`, `level`, `given`, `expect`, \
    `non-strict`, `needs`, `features`, `profiles`, `only-for`";

fn accepted_keys(error: &toml::de::Error) -> String {
    let message = error.message();
    if message.starts_with("unknown field") && !message.contains("expected") {
        format!("expected one of {RULE_KEYS}\n")
    } else {
        String::new()
    }
}

/// Why a file of rules is invalid.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// A file is not TOML, or has unknown keys or values.
    #[error("rules/{file}.toml: {error}{}", accepted_keys(error))]
    Toml {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: toml::de::Error,
    },
    /// A rule is contradictory or names something unknown.
    #[error("rule `{id}`: {why}")]
    Rule {
        /// The rule.
        id: String,
        /// What is wrong with it.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_overrides_the_defaults_of_its_file_for_each_axis() {
        let rule = |when: &str| {
            let text = format!(
                "defaults.when = {{ server = 'static', method = 'get' }}\n\
                 [[rule]]\nid = 'r'\nrequires = ['STA-01']\nwhen = {{ {when} }}\n\
                 expect = {{ status = 401 }}"
            );
            RuleBook::parse(&[("test", &text)]).unwrap().rules.remove(0)
        };
        let fits = |when: &str, axis: &str, value: &str| rule(when).when.matches_value(axis, value);
        assert!(fits("", "method", "get") && !fits("", "method", "delete"));
        assert!(fits("method = '*'", "method", "delete"));
        assert!(!fits("method = '*'", "server", "forwarding"));
    }

    #[test]
    fn embedded_rules_contain_no_unknown_names() {
        if let Err(error) = RuleBook::parse(FILES) {
            panic!("{error}");
        }
    }

    #[test]
    fn unknown_or_contradictory_names_are_reported() {
        let error_of = |rule: &str| {
            let text = format!("[[rule]]\nid = 'r'\nrequires = ['STA-01']\n{rule}");
            RuleBook::parse(&[("test", &text)]).unwrap_err().to_string()
        };
        for (rule, why) in [
            (
                "when = { upstream = '418' }\nexpect = { status = 401 }",
                "rule `r`: no matrix case has upstream = `418`, expected one of 200-json, 200-sse",
            ),
            (
                "when = {}\nexpect = { status = 401 }\nnon-strict = { challenge = 'absent' }",
                "rule `r`: has `challenge` in `non-strict`, but not in `expect`",
            ),
        ] {
            assert!(error_of(rule).starts_with(why), "{}", error_of(rule));
        }
        assert!(
            error_of("whenever = {}\nexpect = { status = 401 }")
                .contains("unknown field `whenever`")
        );
        assert!(
            error_of("whenever = {}\nexpect = { status = 401 }")
                .contains("expected one of `id`, `when`")
        );
        let cites = |id: &str| {
            RuleBook::parse(&[(
                "t",
                &format!("[[rule]]\nid='r'\nrequires=['{id}']\nwhen={{}}\nexpect={{status=401}}"),
            )])
        };
        assert!(cites("STA-01").is_ok());
        assert_eq!(
            cites("STA-99").unwrap_err().to_string(),
            "rule `r`: cites STA-99, which the catalogue does not have"
        );
        assert_eq!(
            cites("SEC-14").unwrap_err().to_string(),
            "rule `r`: cites SEC-14, which the catalogue says is not judged"
        );
    }
}
