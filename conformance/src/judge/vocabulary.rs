//! Checks that rules and scenarios name only observables and values that exist, so that a typing error cannot make a rule pass.

use super::observables::Observable;
use crate::cases::{pattern::wild, rule::Expectation};

/// Whether every observable that an expectation names exists and can have the value that is expected of it.
///
/// # Errors
///
/// The first mistake, in words that follow the name of the rule or scenario.
pub fn check(expectation: &Expectation) -> Result<(), String> {
    let Expectation { given, expect, non_strict, .. } = expectation;
    for (name, pattern) in given.iter().chain(expect).chain(non_strict) {
        let Some(observable) = Observable::find(name) else {
            return Err(format!("knows no observable `{name}`"));
        };
        if let Some(value) = pattern
            .written()
            .find(|written| !observable.values.iter().any(|value| may_say(value, written)))
        {
            return Err(format!("`{name}` never says `{value}`"));
        }
    }
    Ok(())
}

/// Whether something that an observable says can fit what a rule writes.
fn may_say(value: &str, written: &str) -> bool {
    match value {
        "100..599" => written.len() <= 3 && written.chars().all(|c| c.is_ascii_digit() || c == '*'),
        _ => {
            wild(written, value)
                || wild(value, written)
                || (value.contains('*') && written.contains('*'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{rule::RuleBook, scenario::Scenario};

    #[test]
    fn rules_and_scenarios_name_only_observables_and_values_that_exist() {
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
            ("stature = 401", "knows no observable `stature`"),
            ("challenge = 'wellformed'", "`challenge` never says `wellformed`"),
            ("status = 'teapot'", "`status` never says `teapot`"),
        ] {
            let expectation: Expectation =
                toml::from_str(&format!("requires = ['STA-01']\nexpect = {{ {expect} }}")).unwrap();
            assert_eq!(check(&expectation).unwrap_err(), why);
        }
    }
}
