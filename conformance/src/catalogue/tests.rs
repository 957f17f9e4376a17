//! The catalogue as a whole: its order, the wording of its statements, and what a release has
//! frozen.

use super::*;

#[test]
fn the_requirements_of_each_group_are_numbered_without_gaps() {
    let catalogue = Catalogue::parse(FILES).unwrap();
    let mut last = ("", 0);
    for requirement in catalogue.iter() {
        let (prefix, number) = requirement.id.split_once('-').unwrap();
        let number: u16 = number.parse().unwrap();
        let expected = if prefix == last.0 { last.1 + 1 } else { 1 };
        assert_eq!(number, expected, "{}", requirement.id);
        last = (prefix, number);
    }
}

#[test]
fn every_group_has_a_title() {
    let catalogue = Catalogue::embedded();
    for requirement in catalogue.iter() {
        let prefix = requirement.id.split('-').next().unwrap();
        assert!(catalogue.title(prefix).is_some_and(|title| !title.is_empty()), "{prefix}");
    }
}

/// The texts of a requirement that are sentences: statement, observation, impact, and why it is not
/// judged.
fn sentences(requirement: &Requirement) -> impl Iterator<Item = String> {
    let Requirement { statement, observe, impact, .. } = requirement;
    let reason = match requirement.status() {
        Status::Covered => None,
        Status::NotYet(reason) | Status::Excluded(reason) => Some(reason),
    };
    [statement.clone(), observe.clone()]
        .into_iter()
        .chain(impact.clone())
        .chain(reason)
}

#[test]
fn every_text_is_made_of_sentences() {
    for requirement in Catalogue::embedded().iter() {
        for text in sentences(requirement) {
            assert!(text.starts_with(char::is_uppercase), "{}: {text}", requirement.id);
            assert!(text.ends_with('.'), "{}: {text}", requirement.id);
        }
    }
}

#[test]
fn every_statement_names_the_gateway() {
    for Requirement { id, statement, .. } in Catalogue::embedded().iter() {
        assert!(statement.contains("gateway"), "{id}: {statement}");
    }
}

/// The RFC 2119 keywords of a text, without `NOT`.
fn keywords(text: &str) -> impl Iterator<Item = &str> {
    const KEYWORDS: [&str; 7] =
        ["MUST", "SHALL", "REQUIRED", "SHOULD", "RECOMMENDED", "MAY", "OPTIONAL"];
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| KEYWORDS.contains(word))
}

#[test]
fn every_statement_has_the_keyword_of_its_level_and_no_other() {
    for Requirement { id, level, weaker_level, statement, .. } in Catalogue::embedded().iter() {
        let levels = [Some(*level), *weaker_level];
        for level in levels.iter().flatten() {
            assert!(statement.contains(level.as_str()), "{id} has no `{level}`: {statement}");
        }
        for keyword in keywords(statement) {
            let is_named = |level: &Level| level.as_str().starts_with(keyword);
            assert!(levels.iter().flatten().any(is_named), "{id} has {keyword}: {statement}");
        }
    }
}

#[test]
fn every_statement_names_the_profile_and_the_versions_to_which_it_is_limited() {
    for requirement in Catalogue::embedded().iter() {
        let Requirement { id, statement, profile, since, until, .. } = requirement;
        if let Some(profile) = profile {
            assert!(
                statement.starts_with(&format!("In profile `{profile}`, ")),
                "{id}: {statement}"
            );
        }
        let first = ProtocolVersion::ALL[0];
        let since = since.filter(|since| *since != first);
        for version in since.iter().chain(until) {
            assert!(statement.contains(version.as_str()), "{id}: {version}");
        }
    }
}

/// Whether a word is an abbreviation, or the number of a text, that readers cannot look up.
fn is_private_abbreviation(word: &str) -> bool {
    const ABBREVIATIONS: [&str; 9] = ["GK", "PRM", "m2m", "fwd", "U", "C", "L", "AS", "RS"];
    let is_numbered = |letter| {
        word.strip_prefix(letter).is_some_and(|number: &str| {
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    ABBREVIATIONS.contains(&word) || is_numbered('s') || is_numbered('A')
}

#[test]
fn no_text_has_a_private_abbreviation() {
    for requirement in Catalogue::embedded().iter() {
        let Requirement { id, sources, .. } = requirement;
        for text in sentences(requirement).chain(sources.iter().cloned()) {
            let abbreviation = text
                .split(|c: char| !c.is_alphanumeric())
                .find(|word| is_private_abbreviation(word));
            assert_eq!(abbreviation, None, "{id}: {text}");
        }
    }
}

#[test]
fn a_released_requirement_is_unchanged_in_its_version() {
    for (version, released) in release::RELEASES {
        if *version != env!("CARGO_PKG_VERSION") {
            continue;
        }
        let current: Vec<String> = Catalogue::embedded().iter().map(release::line).collect();
        for line in released.lines() {
            assert!(
                current.iter().any(|current| current == line),
                "releases/{version}.txt has `{line}`, and the catalogue differs; a changed level, \
                 strength, profile or version needs a new version in Cargo.toml (FORMATS.md)"
            );
        }
    }
}

#[test]
fn every_requirement_of_every_release_still_exists() {
    for (version, released) in release::RELEASES {
        for id in released.lines().filter_map(|line| line.split(' ').next()) {
            assert!(
                Catalogue::embedded().get(id).is_some(),
                "releases/{version}.txt has {id}; an id is never removed"
            );
        }
    }
}

#[test]
fn a_requirement_that_contradicts_itself_or_another_is_rejected() {
    fn requirement(id: &str, more: &str) -> String {
        format!(
            "[[requirement]]\nid='{id}'\nlevel='MUST'\nstrength='normative'\n\
             core-for=['any']\nstatement='s'\nsources=['x']\nobserve='o'\n{more}\n"
        )
    }
    let parse = |requirements: &str| {
        Catalogue::parse(&[("a.toml", &format!("prefix='A'\ntitle='t'\n{requirements}"))])
    };
    let error = |requirements: &str| parse(requirements).unwrap_err().to_string();
    assert!(parse(&requirement("A-01", "")).is_ok());
    assert_eq!(
        error(&(requirement("A-01", "") + &requirement("A-01", ""))),
        "requirement A-01 exists twice"
    );
    assert_eq!(
        error(&requirement("A-01", "not-yet='a'\nexcluded='b'")),
        "requirement A-01 has both `not-yet` and `excluded`"
    );
    assert_eq!(
        error(&requirement("AB-01", "")),
        "requirement AB-01 does not begin with the prefix of its file"
    );
    let unknown = error(&requirement("A-01", "colour='red'"));
    assert!(
        unknown.starts_with("requirements/a.toml: ") && unknown.contains("unknown field `colour`")
    );
}

#[test]
fn a_weaker_level_is_weaker_than_the_level() {
    for Requirement { id, level, weaker_level, .. } in Catalogue::embedded().iter() {
        if let Some(weaker) = weaker_level {
            assert!(level.binds() && !weaker.binds(), "{id}: {level}, {weaker}");
        }
    }
}

#[test]
fn every_rule_with_two_levels_judges_both() {
    use crate::cases::{rule::RuleBook, scenario::Scenario};
    let judged = |id: &str, level: Option<Level>| {
        let rules = RuleBook::embedded().iter().map(|rule| &rule.expectation);
        let scenarios = Scenario::embedded().iter().flat_map(|scenario| &scenario.expectations);
        rules
            .chain(scenarios)
            .any(|found| found.level == level && found.requires.iter().any(|known| known == id))
    };
    for Requirement { id, weaker_level, .. } in Catalogue::embedded().iter() {
        if weaker_level.is_some() {
            assert!(judged(id, *weaker_level), "{id}: no rule judges its weaker level");
        }
    }
}

#[test]
fn a_requirement_applies_to_its_profile_and_versions_only() {
    use ProtocolVersion::{V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};
    let applies = |id: &str, profile, version| {
        Catalogue::embedded().get(id).unwrap().applies_to(profile, version)
    };
    assert!(applies("STA-06", Profile::Seed, V2025_11_25));
    assert!(!applies("STA-06", Profile::Mcp, V2025_11_25));
    assert!(applies("STA-15", Profile::Seed, V2026_07_28));
    assert!(!applies("STA-15", Profile::Seed, V2025_11_25));
    assert!(applies("DSC-07", Profile::Seed, V2025_03_26));
    assert!(!applies("DSC-07", Profile::Seed, V2025_06_18));
}
