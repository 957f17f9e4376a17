//! Describes a set of cases by few patterns for their ids.
//!
//! The id of a case consists of values that ` / ` separates. A pattern replaces as many of them as
//! possible by `*`. It knows nothing about what the values mean.

use std::collections::BTreeSet;

use crate::cases::pattern::wildcard_match;

const SEPARATOR: &str = " / ";
/// The first characters of the id of a scenario.
const SCENARIO: &str = "scenario ";

/// With more patterns than this, patterns that exclude the other cases are tried.
const MAX_INCLUDING: usize = 4;

/// The values of a [`Pattern`](crate::cases::pattern::Pattern) that matches every wanted case and
/// no other one. Empty if there is no other case.
///
/// If most cases are wanted, it can be shorter to exclude the others.
pub(super) fn covering_patterns(wanted: &BTreeSet<&str>, others: &BTreeSet<&str>) -> Vec<String> {
    if others.is_empty() {
        return Vec::new();
    }
    let including = including_patterns(wanted, others);
    if including.len() <= MAX_INCLUDING {
        return including;
    }
    let excluding = including_patterns(others, wanted);
    if excluding.len() * 2 > including.len() {
        return including;
    }
    excluding.into_iter().map(|pattern| format!("!{pattern}")).collect()
}

/// Patterns that match every wanted case and no other one.
fn including_patterns(wanted: &BTreeSet<&str>, others: &BTreeSet<&str>) -> Vec<String> {
    let mut patterns: Vec<String> = Vec::new();
    let mut remaining = wanted.clone();
    while let Some(id) = remaining.first().copied() {
        let count = |pattern: &String| {
            remaining.iter().filter(|wanted| wildcard_match(pattern, wanted)).count()
        };
        let widest = candidates(id, others).into_iter().max_by_key(count);
        let pattern = widest.unwrap_or_else(|| id.to_owned());
        remaining.retain(|wanted| !wildcard_match(&pattern, wanted));
        patterns.push(pattern);
    }
    without_redundant(patterns, wanted)
}

/// Patterns that match this case and none of the others, as wide as possible.
///
/// Which values can be replaced depends on the order in which that is tried. There is one candidate
/// for each value that is tried last.
fn candidates(id: &str, others: &BTreeSet<&str>) -> Vec<String> {
    let values: Vec<&str> = id.split(SEPARATOR).collect();
    (0..values.len())
        .map(|last| {
            let order = (0..values.len()).rev().filter(|index| *index != last).chain([last]);
            widened(&values, order, others)
        })
        .collect()
}

/// The pattern in which the values are widened in this order, as far as no other case matches.
fn widened(values: &[&str], order: impl Iterator<Item = usize>, others: &BTreeSet<&str>) -> String {
    let matches_none = |text: &str| !others.iter().any(|other| wildcard_match(text, other));
    let mut parts: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    for index in order {
        for wider in wider_values(values[index]) {
            let mut widened = parts.clone();
            widened[index] = wider;
            if matches_none(&widened.join(SEPARATOR)) {
                parts = widened;
                break;
            }
        }
    }
    let short = without_repeated_stars(&parts);
    if matches_none(&short) { short } else { parts.join(SEPARATOR) }
}

/// Patterns for values like this one, the widest first: `*`, `401-*`, `401-full+*`.
fn wider_values(value: &str) -> Vec<String> {
    if value.starts_with(SCENARIO) {
        return vec![format!("{SCENARIO}*")];
    }
    let prefixes = [value.find('-'), value.find('+')];
    let prefixes = prefixes.into_iter().flatten().map(|end| format!("{}*", &value[..=end]));
    ["*".to_owned()].into_iter().chain(prefixes).collect()
}

/// The parts as one pattern in which one `*` stands for several parts.
fn without_repeated_stars(parts: &[String]) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in parts {
        if part != "*" || kept.last() != Some(&"*") {
            kept.push(part);
        }
    }
    kept.join(SEPARATOR)
}

/// The patterns without those whose wanted cases all match another pattern.
fn without_redundant(mut patterns: Vec<String>, wanted: &BTreeSet<&str>) -> Vec<String> {
    let mut index = 0;
    while index < patterns.len() {
        let needed = wanted.iter().any(|id| {
            let matches = |(_, pattern): (usize, &String)| wildcard_match(pattern, id);
            let mut others = patterns.iter().enumerate().filter(|(other, _)| *other != index);
            !others.any(matches)
        });
        if needed {
            index += 1;
        } else {
            patterns.remove(index);
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cases::pattern::Pattern;

    fn covering<'a>(wanted: &[&'a str], others: &[&'a str]) -> Vec<String> {
        covering_patterns(&wanted.iter().copied().collect(), &others.iter().copied().collect())
    }

    #[test]
    fn one_pattern_covers_cases_that_share_a_value_which_no_other_case_has() {
        let wanted = ["key / 401-bare / list / probe", "token / 401-full+a / call / own"];
        let others = ["key / 403-bare / list / probe", "key / 200 / call / own"];
        assert_eq!(covering(&wanted, &others), ["* / 401-* / *"]);
    }

    #[test]
    fn cases_that_share_no_value_get_one_pattern_each() {
        let wanted = ["key / 401-bare / list", "key / 403-bare / call"];
        let others = ["key / 401-bare / call", "key / 403-bare / list"];
        let patterns = covering(&wanted, &others);
        assert_eq!(patterns, ["* / 401-* / list", "* / 403-* / call"]);
    }

    #[test]
    fn scenarios_are_covered_by_their_names() {
        let wanted = ["scenario a / own / mcp", "scenario a / own / seed"];
        assert_eq!(covering(&wanted, &["scenario b / own / seed"]), ["scenario a / *"]);
        assert_eq!(covering(&wanted, &["key / 401-bare / list"]), ["scenario * / *"]);
    }

    #[test]
    fn a_few_other_cases_are_excluded_if_that_is_shorter() {
        let wanted = ["a / one", "b / two", "c / three", "d / four", "e / five"];
        assert_eq!(covering(&wanted, &["a / get", "b / get"]), ["!* / get"]);
    }

    #[test]
    fn no_pattern_is_needed_if_there_is_no_other_case() {
        assert!(covering(&["key / 401-bare"], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn patterns_match_exactly_the_wanted_cases(
            cases in prop::collection::btree_map("[ab] / [ab]-[ab] / [abc]", any::<bool>(), 1..16),
        ) {
            let of = |wanted: bool| {
                let selected = cases.iter().filter(move |(_, is)| **is == wanted);
                selected.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>()
            };
            let (wanted, others) = (of(true), of(false));
            let patterns = covering_patterns(&wanted, &others);
            let pattern = Pattern::new(patterns.iter().map(String::as_str));
            prop_assert!(wanted.iter().all(|id| pattern.matches(id)));
            prop_assert!(!wanted.is_empty() || patterns.is_empty());
            prop_assert!(wanted.is_empty() || !others.iter().any(|id| pattern.matches(id)));
        }
    }
}
