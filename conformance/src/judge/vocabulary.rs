//! Checks that rules and scenarios name only existing observables and possible values.
//!
//! Without the check, a typing error could make a rule pass.

use super::observables::Observable;
use crate::cases::{expectation::Expectation, pattern::wildcard_match};

/// Checks every observable and value of an expectation.
///
/// # Errors
///
/// The first mistake, as a predicate whose subject is the rule or scenario.
pub fn check(expectation: &Expectation) -> Result<(), String> {
    let Expectation { given, expect, non_strict, .. } = expectation;
    for (name, pattern) in given.iter().chain(expect).chain(non_strict) {
        let Some(observable) = Observable::find(name) else {
            let known: Vec<&str> = Observable::all().map(|known| known.name).collect();
            return Err(format!(
                "names the unknown observable `{name}`, expected one of {}",
                known.join(", ")
            ));
        };
        let is_possible =
            |written: &str| observable.values.iter().any(|value| can_match(value, written));
        if let Some(value) = pattern.values().find(|value| !is_possible(value)) {
            let known = observable.values.join(", ");
            return Err(format!(
                "expects `{value}`, which is not a value of `{name}`, expected one of {known}"
            ));
        }
    }
    Ok(())
}

/// Whether a value of an observable can match what a rule writes.
fn can_match(value: &str, written: &str) -> bool {
    match value {
        "100..599" => written.len() <= 3 && written.chars().all(|c| c.is_ascii_digit() || c == '*'),
        _ => {
            wildcard_match(written, value)
                || wildcard_match(value, written)
                || (value.contains('*') && written.contains('*'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{rule::RuleBook, scenario::Scenario};

    #[test]
    fn rules_and_scenarios_name_existing_observables_and_possible_values() {
        for rule in RuleBook::embedded().iter() {
            check(&rule.expectation).unwrap_or_else(|why| panic!("rule `{}` {why}", rule.id));
        }
        for scenario in Scenario::embedded() {
            for expectation in &scenario.expectations {
                check(expectation).unwrap_or_else(|why| panic!("scenario `{}` {why}", scenario.id));
            }
        }
    }

    #[test]
    fn a_typing_error_is_reported() {
        for (expect, why) in [
            ("stature = 401", "names the unknown observable `stature`"),
            (
                "challenge = 'wellformed'",
                "expects `wellformed`, which is not a value of `challenge`",
            ),
            ("status = 'teapot'", "expects `teapot`, which is not a value of `status`"),
        ] {
            let expectation: Expectation =
                toml::from_str(&format!("requires = ['STA-01']\nexpect = {{ {expect} }}")).unwrap();
            let error = check(&expectation).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
