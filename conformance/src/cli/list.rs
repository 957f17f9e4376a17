//! `list`: what the suite contains, one entry on each line.

use std::fmt::Write as _;

use super::{Exit, arguments::ListSubject, last_result::LastResult, print, reference, run::cache};
use crate::{
    cases::{
        axis::Start,
        behaviour::{Behaviour, Behaviours},
        matrix::{Axes, MatrixScope, matrix_cases},
        rule::RuleBook,
        scenario::Scenario,
    },
    catalogue::{
        Catalogue, GatewayKind, Profile, ProtocolVersion, Requirement, Status, conditions_in_words,
        release,
    },
    implementations::{self, DEFAULT, Implementation, builtin},
    judge::disclosure::table::Table,
    model_gateway::{Defect, Variant},
};

/// Prints the list.
pub(super) fn list(subject: ListSubject) -> Exit {
    print(&match subject {
        ListSubject::Requirements => Catalogue::embedded().iter().map(requirement).collect(),
        ListSubject::MatrixCases => all_matrix_cases(),
        ListSubject::Scenarios => Scenario::embedded().iter().map(scenario).collect(),
        ListSubject::Behaviours => Behaviours::embedded().all().map(behaviour).collect(),
        ListSubject::Implementations => all_implementations(),
        ListSubject::Disclosure => Table::embedded().rendered(),
        ListSubject::Release => release::text(),
        ListSubject::Reference => reference::text(),
    });
    Exit::Expected
}

fn requirement(requirement: &Requirement) -> String {
    let Requirement {
        id, level, strength, statement, core_for, recommended_for, ..
    } = requirement;
    let sources = requirement.sources.join(" · ");
    let judged = match requirement.status() {
        Status::Covered => judged_by(id),
        Status::NotYet(reason) => format!("not judged yet: {reason}"),
        Status::Excluded(reason) => format!("cannot be judged: {reason}"),
    };
    let mut text = format!("{id:<7}  {level:<10}  {strength:<9}  {statement}\n");
    for (binding, conditions) in [("core for", core_for), ("recommended for", recommended_for)] {
        if !conditions.is_empty() {
            text += &format!("         {binding} {}\n", conditions_in_words(conditions));
        }
    }
    text + &format!("         {sources}\n         {judged}\n")
}

/// The numbers of rules and scenarios that judge a requirement.
fn judged_by(id: &str) -> String {
    let rules = RuleBook::embedded().citing(id).count();
    let scenarios = Scenario::embedded()
        .iter()
        .filter(|scenario| scenario.requirements().any(|judged| judged == id))
        .count();
    let counts: Vec<String> = [(rules, "rule"), (scenarios, "scenario")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| match count {
            1 => format!("1 {noun}"),
            count => format!("{count} {noun}s"),
        })
        .collect();
    if counts.is_empty() {
        "judged by no rule".to_owned()
    } else {
        format!("judged by {}", counts.join(" and "))
    }
}

fn scenario(scenario: &Scenario) -> String {
    format!("{:<44} {}\n", scenario.id, scenario.description)
}

fn behaviour(behaviour: &Behaviour) -> String {
    let Behaviour { name, class, description, .. } = behaviour;
    format!("{name:<24} {:<13} {description}\n", class.as_str())
}

fn all_matrix_cases() -> String {
    let routes: Vec<String> = builtin::ROUTES.iter().map(|route| (*route).to_owned()).collect();
    let starts: Vec<Start> = Implementation::resolve(DEFAULT, None)
        .map(|reference| reference.starts().collect())
        .unwrap_or_default();
    let scope = MatrixScope {
        starts: &starts,
        routes: &routes,
        main_profile: Profile::Seed,
        protocol_versions: ProtocolVersion::ALL,
    };
    let (cases, excluded) = matrix_cases(Axes::embedded(), scope);
    let mut text: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let _ = writeln!(text, "\n{} matrix cases; excluded:", cases.len());
    for excluded in excluded {
        let _ = writeln!(
            text,
            "{:>8}  {}\n          because {}",
            excluded.count, excluded.pattern, excluded.reason
        );
    }
    text
}

/// A table of the described implementations: name, kind, version and result of the last run.
fn described_implementations() -> String {
    let mut text = format!(
        "\n{:<18} {:<18} {:<9} {}\n",
        "described", "kind", "version", "last complete run"
    );
    for name in implementations::names() {
        let Ok(Implementation { version, gateway_kind, .. }) = Implementation::resolve(name, None)
        else {
            continue;
        };
        let kind = gateway_kind.map_or("", GatewayKind::as_str);
        let last = LastResult::in_words(&cache(), name, &version);
        let _ = writeln!(text, "{name:<18} {kind:<18} {version:<9} {last}");
    }
    text.push('\n');
    text
}

fn all_implementations() -> String {
    let mut text = String::from(
        "builtin:reference        the reference gateway of this project\n\
         builtin:model            the model gateway, by which the suite tests itself\n",
    );
    text.push_str(&described_implementations());
    for defect in Defect::all() {
        let _ = writeln!(text, "builtin:defect/{:<34} {}", defect.name, defect.description);
    }
    for variant in Variant::all() {
        let _ = writeln!(text, "builtin:variant/{:<33} {}", variant.name, variant.description);
    }
    text
}
