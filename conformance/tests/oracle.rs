//! Tests of the rules: they cover the matrix, do not contradict each other, cite every judged
//! requirement, and agree with an independent reference.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use mcp_preflight_conformance::{
    cases::{
        axis::{Credentials, Method, ServerKind, Start, Strategy},
        expectation::Accepted,
        matrix::{self, Axes, MatrixScope},
        matrix_case::MatrixCase,
        pattern::Pattern,
        rule::{Rule, RuleBook},
    },
    catalogue::{Catalogue, Profile, ProtocolVersion, Status},
    judge::observables::Observable,
};
use proptest::prelude::*;

#[path = "oracle/reference.rs"]
mod reference;
#[path = "oracle/table.rs"]
mod table;

/// Statuses that distinguish the accepted sets.
const STATUSES: &[&str] = &[
    "200", "202", "204", "299", "301", "302", "307", "308", "400", "401", "403", "404", "405",
    "406", "407", "410", "415", "418", "429", "500", "501", "502", "503", "504", "none",
];

/// Observations of a gateway without other errors, so that a rule with such a condition is binding.
const CORRECT: &[(&str, &str)] = &[
    ("redirect-target-contacted", "none"),
    ("forwarded-schemes", "one"),
    ("response-head-time", "within-probe-deadline"),
    ("ending", "complete"),
    ("key-disclosure", "none"),
    ("servers-contacted", "all"),
    ("upstream-credential", "server-credential"),
];

static CASES: LazyLock<Vec<MatrixCase>> = LazyLock::new(|| {
    let routes = [
        "/mcp/{server}",
        "/mcp/{server}/",
        "/{server}/mcp",
        "/{server}/mcp/",
        "/mcp",
        "/mcp/{servers}",
    ]
    .map(str::to_owned);
    let cases = |start: Start, main_profile| {
        let scope = MatrixScope {
            starts: &[start],
            routes: &routes,
            main_profile,
            protocol_versions: ProtocolVersion::ALL,
        };
        matrix::matrix_cases(Axes::embedded(), scope).0
    };
    // An implementation runs every case in its main profile, and each profile can be the main one.
    // The cases of other profiles are among them.
    Start::all().flat_map(|start| cases(start, start.profile)).collect()
});

fn holds_for_correct_gateway(given: &Accepted) -> bool {
    given.iter().all(|(name, pattern)| {
        CORRECT
            .iter()
            .any(|(name_of_correct, value)| name_of_correct == name && pattern.matches(value))
    })
}

/// The rules that bind a matrix case independently of other observations.
fn binding(matrix_case: &MatrixCase) -> impl Iterator<Item = &'static Rule> {
    let rules: Vec<&'static Rule> = RuleBook::embedded()
        .iter()
        .filter(|rule| rule.when.matches(matrix_case))
        .collect();
    rules
        .into_iter()
        .filter(|rule| holds_for_correct_gateway(&rule.expectation.given))
}

/// The values of an observable that every binding rule of a matrix case accepts; including
/// tolerated values if `graded`.
fn accepted<'v>(
    matrix_case: &MatrixCase,
    observable: &str,
    values: &[&'v str],
    graded: bool,
) -> BTreeSet<&'v str> {
    let rules: Vec<&Rule> = binding(matrix_case).collect();
    accepted_by(&rules, observable, values, graded)
}

/// The values of an observable that each of these rules accepts; including tolerated values if
/// `graded`. Empty if no rule judges the observable.
fn accepted_by<'v>(
    rules: &[&Rule],
    observable: &str,
    values: &[&'v str],
    graded: bool,
) -> BTreeSet<&'v str> {
    let patterns: Vec<(&Pattern, Option<&Pattern>)> = rules
        .iter()
        .filter_map(|rule| {
            let strict = rule.expectation.expect.get(observable)?;
            Some((strict, rule.expectation.non_strict.get(observable)))
        })
        .collect();
    let fits = |value: &str| {
        patterns.iter().all(|(strict, loose)| {
            strict.matches(value) || graded && loose.is_some_and(|loose| loose.matches(value))
        })
    };
    if patterns.is_empty() {
        BTreeSet::new()
    } else {
        values.iter().copied().filter(|value| fits(value)).collect()
    }
}

/// The values that an observable can have, with details as the rules write them.
fn values_of(observable: &str) -> Vec<String> {
    let vocabulary = Observable::find(observable)
        .expect("rules are checked for such names when they are read")
        .values;
    if vocabulary.contains(&"100..599") {
        return STATUSES.iter().map(ToString::to_string).collect();
    }
    let expectations = || RuleBook::embedded().iter().map(|rule| &rule.expectation);
    let written = expectations()
        .flat_map(|expectation| expectation.expect.get(observable))
        .flat_map(Pattern::values);
    vocabulary
        .iter()
        .copied()
        .chain(written)
        .map(|value| value.replace('*', ""))
        .collect()
}

#[test]
fn every_matrix_case_has_a_status_rule() {
    for matrix_case in CASES.iter() {
        assert!(
            binding(matrix_case).any(|rule| rule.expectation.expect.contains_key("status")),
            "no rule judges the status of {matrix_case}: \
             name its behaviour in a rule of conformance/cases/rules/"
        );
    }
}

#[test]
fn no_two_rules_contradict() {
    // The values of an observable are the same for every case.
    let mut values_by_observable: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for matrix_case in CASES
        .iter()
        .filter(|matrix_case| ["/mcp/{server}", "/mcp"].contains(&matrix_case.route.as_str()))
    {
        let rules: Vec<&Rule> = RuleBook::embedded().of(matrix_case).collect();
        let (binding, conditional): (Vec<&Rule>, Vec<&Rule>) = rules
            .iter()
            .partition(|rule| holds_for_correct_gateway(&rule.expectation.given));
        let observables: BTreeSet<&String> =
            rules.iter().flat_map(|rule| rule.expectation.expect.keys()).collect();
        for observable in observables {
            let values =
                values_by_observable.entry(observable).or_insert_with(|| values_of(observable));
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let bound = accepted_by(&binding, observable, &values, false);
            assert!(
                !bound.is_empty()
                    || !binding.iter().any(|rule| rule.expectation.expect.contains_key(observable)),
                "{matrix_case}: {observable}"
            );
            // A rule with other conditions must leave a possible value, too.
            for rule in &conditional {
                let Some(pattern) = rule.expectation.expect.get(observable) else {
                    continue;
                };
                let left = |value: &&str| {
                    pattern.matches(value) && (bound.is_empty() || bound.contains(value))
                };
                assert!(values.iter().any(left), "{matrix_case}: {observable} by {}", rule.id);
            }
        }
    }
}

#[test]
fn every_rule_selects_a_matrix_case() {
    for rule in RuleBook::embedded().iter() {
        assert!(CASES.iter().any(|matrix_case| rule.when.matches(matrix_case)), "{}", rule.id);
    }
}

/// Every `requires` in a file of scenarios.
fn cited(value: &toml::Value, ids: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| match value.as_array() {
            Some(list) if key == "requires" => {
                ids.extend(list.iter().filter_map(|id| id.as_str().map(str::to_owned)));
            }
            _ => cited(value, ids),
        }),
        toml::Value::Array(list) => list.iter().for_each(|value| cited(value, ids)),
        _ => {}
    }
}

#[test]
fn exactly_the_judged_requirements_are_cited() {
    let mut ids: BTreeSet<String> = RuleBook::embedded()
        .iter()
        .flat_map(|rule| rule.expectation.requires.clone())
        .collect();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/cases/scenarios")).unwrap()
    {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            cited(&toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap(), &mut ids);
        }
    }
    for requirement in Catalogue::embedded().iter() {
        let judged = requirement.status() == Status::Covered;
        assert_eq!(
            ids.remove(&requirement.id),
            judged,
            "{} must be cited if and only if it is judged",
            requirement.id
        );
    }
    assert_eq!(ids, BTreeSet::new());
}

#[test]
fn the_rules_agree_with_the_reference() {
    for matrix_case in CASES.iter() {
        compare(matrix_case).unwrap();
    }
}

fn compare(matrix_case: &MatrixCase) -> Result<(), TestCaseError> {
    let (statuses, saw) = reference::decide(matrix_case);
    let rules = accepted(matrix_case, "status", STATUSES, false);
    prop_assert_eq!(
        rules,
        statuses.into_iter().collect::<BTreeSet<_>>(),
        "status of {}, by the rules (left) and by tests/oracle/reference.rs (right)",
        matrix_case
    );
    let simple = [
        "no-request",
        "token",
        "no-credential",
        "server-credential",
        "gateway-key",
        "altered-token",
        "other",
    ];
    let rules = accepted(matrix_case, "upstream-credential", &simple, false);
    prop_assert_eq!(
        rules,
        saw.into_iter().collect::<BTreeSet<_>>(),
        "credential in {}, by the rules (left) and by tests/oracle/reference.rs (right)",
        matrix_case
    );
    Ok(())
}

proptest! {
    #[test]
    fn route_and_strategy_do_not_change_the_expectation(
        at in any::<prop::sample::Index>(),
        route in "/[a-z]{0,8}/\\{server\\}(/mcp)?/?",
        strategy in prop::sample::select(Strategy::ALL),
    ) {
        let matrix_case = MatrixCase { route, strategy, ..at.get(&CASES).clone() };
        compare(&matrix_case)?;
    }
}

proptest! {
    /// One to eight servers; the matrix has only cases with three.
    #[test]
    fn the_order_of_servers_does_not_matter(
        outcomes in prop::collection::vec(
            prop::sample::select(&reference::Outcome::ALL[..]),
            1..=8,
        ),
        method in prop::sample::select(
            &[Method::Initialize, Method::ToolsList, Method::ToolsCall][..],
        ),
        profile in prop::sample::select(Profile::ALL),
        shuffled in any::<prop::sample::Index>(),
    ) {
        let like = CASES
            .iter()
            .find(|matrix_case| matrix_case.server == ServerKind::Aggregate)
            .expect("the matrix has matrix cases of several servers");
        let behaviours: Vec<&str> = outcomes.iter().map(|outcome| outcome.behaviour()).collect();
        let matrix_case = MatrixCase {
            credentials: Credentials::KeyAndToken,
            upstream: behaviours.join(","),
            method,
            profile,
            ..like.clone()
        };
        compare(&matrix_case)?;
        let names = accepted_if_401(&matrix_case);
        let names_no_server =
            method == Method::ToolsCall || reference::named(&outcomes).is_none();
        prop_assert_eq!(names.is_empty(), names_no_server, "{}", matrix_case);
        // The status of a message to all servers does not depend on their order.
        let mut turned = outcomes.clone();
        turned.rotate_left(shuffled.index(outcomes.len()));
        prop_assert_eq!(
            reference::several(profile, &outcomes),
            reference::several(profile, &turned)
        );
    }
}

/// The patterns that rules require of the server that a challenge names.
fn accepted_if_401(matrix_case: &MatrixCase) -> Vec<&'static Pattern> {
    RuleBook::embedded()
        .iter()
        .filter(|rule| rule.when.matches(matrix_case))
        .filter_map(|rule| rule.expectation.expect.get("challenge-names"))
        .collect()
}

#[test]
fn decision_table() {
    insta::assert_snapshot!(table::render(&CASES));
}

/// The accepted observations of a matrix case, as a line of the table.
fn expectation(matrix_case: &MatrixCase) -> String {
    let strict = accepted(matrix_case, "status", STATUSES, false);
    let graded: Vec<&str> = accepted(matrix_case, "status", STATUSES, true)
        .difference(&strict)
        .copied()
        .collect();
    let mut line = format!("{:<24}", table::statuses(&strict.into_iter().collect::<Vec<_>>()));
    line.push_str(&format!(
        "{:<20}",
        if graded.is_empty() {
            String::new()
        } else {
            format!("or {}", table::statuses(&graded))
        }
    ));
    let saw = accepted(
        matrix_case,
        "upstream-credential",
        &["no-request", "token", "no-credential", "server-credential"],
        false,
    );
    line.push_str(&format!("{:<20}", saw.into_iter().collect::<Vec<_>>().join(" ")));
    let answer = accepted(matrix_case, "status", STATUSES, false);
    let challenges: Vec<&str> = ["401", "403"]
        .into_iter()
        .filter(|status| answer.contains(status))
        .flat_map(|status| challenge(matrix_case, status))
        .collect();
    line.push_str(&challenges.join(" "));
    line.trim_end().to_owned()
}

/// The accepted values of `challenge` for a response with this status.
fn challenge(matrix_case: &MatrixCase, status: &str) -> Vec<&'static str> {
    let is_about_status = |rule: &&Rule| {
        rule.expectation.given.get("status").is_some_and(|given| given.matches(status))
    };
    let patterns: Vec<&Pattern> = RuleBook::embedded()
        .of(matrix_case)
        .filter(is_about_status)
        .filter_map(|rule| rule.expectation.expect.get("challenge"))
        .collect();
    let fits = |value: &&str| {
        !patterns.is_empty() && patterns.iter().all(|pattern| pattern.matches(value))
    };
    ["well-formed", "unquoted", "malformed: x", "absent"]
        .into_iter()
        .filter(fits)
        .collect()
}

/// The methods of a group of matrix cases, as the table names them.
fn methods(all: &BTreeSet<Method>) -> String {
    if all.len() == Method::ALL.len() {
        return "every method".to_owned();
    }
    all.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ")
}
