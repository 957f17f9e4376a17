//! Reads the rules: which matrix cases they speak of, what they expect to be observed, and which requirements that shows to be met.
//!
//! Checks that every name in them exists, so that a slip of the pen cannot make a rule pass. Judges nothing.

use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::Deserialize;

use crate::{
    cases::{matrix_case::MatrixCase, pattern::Pattern, selector::Selector},
    catalogue::{Catalogue, Requirement, Status},
};

/// Observables and the values they may have.
pub type Accepted = IndexMap<String, Pattern>;

/// What is expected, and which requirements that shows to be met. Rules and scenarios share it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// The requirements that are met if this is observed, and not met if it is not.
    pub requires: Vec<String>,
    /// Where any of this is not observed, nothing is expected.
    #[serde(default)]
    pub given: Accepted,
    /// What must be observed.
    pub expect: Accepted,
    /// What may be observed instead: not wrong, and not what was asked for.
    #[serde(default)]
    pub non_strict: Accepted,
    /// What else must be there for a verdict; without it, there is none.
    #[serde(default)]
    pub needs: Vec<Need>,
}

/// Evidence without which an observation says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// The server asked for saw a request of this case. A gateway that answers from its own catalogue shows nothing.
    Upstream,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in reports.
    pub id: String,
    /// Which matrix cases it speaks of.
    pub when: Selector,
    /// What it expects of them.
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

static EMBEDDED: LazyLock<RuleBook> = LazyLock::new(|| {
    RuleBook::parse(FILES).expect("the embedded rules parse, as a test of this module shows")
});

impl RuleBook {
    /// The ones that this program was built with.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads and checks files of rules, each with a name for complaints.
    ///
    /// # Errors
    ///
    /// When one is not TOML or has unknown keys, or a rule names what does not exist.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, RuleError> {
        let mut rules: Vec<Rule> = Vec::new();
        for (file, text) in files {
            let parsed: File = toml::from_str(text)
                .map_err(|error| RuleError::Toml { file: (*file).to_owned(), error })?;
            for written in parsed.rule {
                let rule = written.into_rule();
                let wrong = |why: String| Err(RuleError::Rule { id: rule.id.clone(), why });
                if rules.iter().any(|other| other.id == rule.id) {
                    return wrong("exists already".to_owned());
                }
                if let Some((axis, value)) = rule.when.slip() {
                    return wrong(format!("no matrix case has {axis} = `{value}`"));
                }
                if let Err(why) = rule.expectation.check() {
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

    /// The rules that speak of this matrix case.
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

impl Expectation {
    /// Whether everything that it names exists and is judged.
    ///
    /// # Errors
    ///
    /// What is wrong, in words that follow the name of the rule or scenario.
    pub fn check(&self) -> Result<(), String> {
        if self.requires.is_empty() || self.expect.is_empty() {
            return Err("requires nothing or expects nothing".to_owned());
        }
        for id in &self.requires {
            match Catalogue::embedded().get(id).map(Requirement::status) {
                Some(Status::Covered) => {}
                Some(_) => {
                    return Err(format!("cites {id}, which the catalogue says is not judged"));
                }
                None => return Err(format!("cites {id}, which the catalogue does not have")),
            }
        }
        match self.non_strict.keys().find(|name| !self.expect.contains_key(*name)) {
            Some(name) => Err(format!("grades `{name}`, of which it expects nothing")),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    id: String,
    when: Selector,
    requires: Vec<String>,
    #[serde(default)]
    given: Accepted,
    expect: Accepted,
    #[serde(default)]
    non_strict: Accepted,
    #[serde(default)]
    needs: Vec<Need>,
}

impl Written {
    fn into_rule(self) -> Rule {
        let Self { id, when, requires, given, expect, non_strict, needs } = self;
        Rule {
            id,
            when,
            expectation: Expectation { requires, given, expect, non_strict, needs },
        }
    }
}

/// What is wrong with the rules.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// A file is not TOML, or has keys or values that nobody knows.
    #[error("rules/{file}.toml: {error}")]
    Toml {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: toml::de::Error,
    },
    /// A rule names what does not exist.
    #[error("rule `{id}` {why}")]
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
    fn the_embedded_rules_name_nothing_that_does_not_exist() {
        if let Err(error) = RuleBook::parse(FILES) {
            panic!("{error}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let refusal = |rule: &str| {
            let text = format!("[[rule]]\nid = 'r'\nrequires = ['STA-01']\n{rule}");
            RuleBook::parse(&[("test", &text)]).unwrap_err().to_string()
        };
        for (rule, why) in [
            (
                "when = { upstream = '418' }\nexpect = { status = 401 }",
                "rule `r` no matrix case has upstream = `418`",
            ),
            (
                "when = {}\nexpect = { status = 401 }\nnon-strict = { challenge = 'absent' }",
                "rule `r` grades `challenge`, of which it expects nothing",
            ),
        ] {
            assert_eq!(refusal(rule), why);
        }
        let cites = |id: &str| {
            RuleBook::parse(&[(
                "t",
                &format!("[[rule]]\nid='r'\nrequires=['{id}']\nwhen={{}}\nexpect={{status=401}}"),
            )])
        };
        assert!(cites("STA-01").is_ok());
        assert_eq!(
            cites("STA-99").unwrap_err().to_string(),
            "rule `r` cites STA-99, which the catalogue does not have"
        );
        assert_eq!(
            cites("SEC-14").unwrap_err().to_string(),
            "rule `r` cites SEC-14, which the catalogue says is not judged"
        );
    }
}
