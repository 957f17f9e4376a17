//! `explain`: what the suite knows about one id.

use std::fmt::Write as _;

use super::{Exit, print, report_error};
use crate::{
    cases::{
        axis::Start,
        behaviour::{Behaviour, Behaviours},
        expectation::{Accepted, Expectation},
        matrix::{Axes, MatrixScope, matrix_cases, server_of},
        matrix_case::{AXES, MatrixCase},
        rule::RuleBook,
        scenario::Scenario,
    },
    catalogue::{Catalogue, ProtocolVersion, Requirement, Status, conditions_in_words},
    implementations::builtin,
    judge::{disclosure::table::Table, effective_verdict::EffectiveVerdict},
};

/// Explains a requirement, a verdict, a scenario, a mock behaviour or a matrix case.
pub(super) fn explain(id: &str) -> Exit {
    match explanation(id) {
        Some(text) => {
            print(&text);
            Exit::Expected
        }
        None => report_error(
            Exit::Usage,
            &format!(
                "unknown id `{id}`\n\
                 expected the id of a requirement, matrix case or scenario, a mock behaviour, or \
                 a verdict; `preflight-conformance list` shows them"
            ),
        ),
    }
}

fn explanation(id: &str) -> Option<String> {
    if let Some(requirement) = Catalogue::embedded().get(&id.to_ascii_uppercase()) {
        return Some(explain_requirement(requirement));
    }
    if let Some(verdict) = EffectiveVerdict::ALL.iter().find(|verdict| verdict.as_str() == id) {
        return Some(format!("{verdict}: {}\n", verdict.description()));
    }
    if let Some(scenario) = Scenario::find(id) {
        return Some(explain_scenario(scenario));
    }
    if let Some(behaviour) = Behaviours::embedded().find(id) {
        return Some(explain_behaviour(behaviour));
    }
    find_matrix_case(id).map(|matrix_case| explain_matrix_case(&matrix_case))
}

fn explain_requirement(requirement: &Requirement) -> String {
    let Requirement { id, level, strength, statement, sources, observe, impact, .. } = requirement;
    let mut text = format!("{id}  {level}  {statement}\n\n");
    let _ = writeln!(text, "  strength   {strength}");
    if let Some(weaker) = requirement.weaker_level {
        let _ = writeln!(text, "  also       {weaker}, in a part of the statement");
    }
    for (label, conditions) in [
        ("core for   ", &requirement.core_for),
        ("recommended", &requirement.recommended_for),
    ] {
        if !conditions.is_empty() {
            let _ = writeln!(text, "  {label} {}", conditions_in_words(conditions));
        }
    }
    if let Some(reason) = &requirement.others_because {
        let _ = writeln!(text, "  others     {reason}");
    }
    let _ = writeln!(text, "  sources    {}", sources.join(" · "));
    let _ = writeln!(text, "  observe    {observe}");
    if let Some(impact) = impact {
        let _ = writeln!(text, "  impact     {impact}");
    }
    match requirement.status() {
        Status::Covered => {}
        Status::NotYet(reason) => _ = writeln!(text, "  not yet    {reason}"),
        Status::Excluded(reason) => _ = writeln!(text, "  excluded   {reason}"),
    }
    for rule in RuleBook::embedded().citing(id) {
        let _ = writeln!(text, "\n  rule `{}`", rule.id);
        text += &expectation_lines(&rule.expectation);
    }
    for scenario in Scenario::embedded() {
        let expectations = scenario.expectations.iter();
        for expectation in expectations.filter(|expectation| expectation.requires.contains(id)) {
            let _ = writeln!(text, "\n  scenario `{}`: {}", scenario.id, scenario.description);
            text += &expectation_lines(expectation);
        }
    }
    text + &disclosure_lines(id)
}

/// The rows of the disclosure table that judge a requirement in every case.
fn disclosure_lines(id: &str) -> String {
    let rows: Vec<String> =
        Table::embedded().citing(id).map(|row| format!("    {row}\n")).collect();
    if rows.is_empty() {
        return String::new();
    }
    let title = "every case, by the disclosure table (`preflight-conformance list disclosure`)";
    format!("\n  {title}\n{}", rows.concat())
}

fn expectation_lines(expectation: &Expectation) -> String {
    let lines = |label: &str, accepted: &Accepted| -> String {
        let lines = accepted
            .iter()
            .map(|(observable, values)| format!("    {label:<10} {observable} = {values}\n"));
        lines.collect()
    };
    lines("given", &expectation.given)
        + &lines("expected", &expectation.expect)
        + &lines("non-strict", &expectation.non_strict)
}

fn explain_scenario(scenario: &Scenario) -> String {
    let mut text = format!("{}: {}\n", scenario.id, scenario.description);
    for step in &scenario.steps {
        let _ = writeln!(text, "\n  {}", step);
    }
    for expectation in &scenario.expectations {
        let _ = writeln!(text, "\n  {}", expectation.requires.join(", "));
        text += &expectation_lines(expectation);
    }
    text
}

fn explain_behaviour(behaviour: &Behaviour) -> String {
    let Behaviour { name, description, class, .. } = behaviour;
    let names: Vec<String> = behaviour.spellings().collect();
    format!(
        "{name}: {description}\n\n  correct probe outcome   {}\n  names in matrix cases   {}\n",
        class.as_str(),
        names.join(", ")
    )
}

/// The matrix case with this id, with any start and the routes of the reference gateway.
fn find_matrix_case(id: &str) -> Option<MatrixCase> {
    let routes: Vec<String> = builtin::ROUTES.iter().map(|route| (*route).to_owned()).collect();
    Start::all()
        .flat_map(|start| {
            let scope = MatrixScope {
                starts: &[start],
                routes: &routes,
                main_profile: start.profile,
                protocol_versions: ProtocolVersion::ALL,
            };
            matrix_cases(Axes::embedded(), scope).0
        })
        .find(|case| case.to_string() == id)
}

fn explain_matrix_case(matrix_case: &MatrixCase) -> String {
    let mut text = format!("{matrix_case}\n\n");
    for axis in AXES {
        let value = matrix_case.value(axis);
        let description = describe_value(matrix_case, axis, value);
        let _ = writeln!(text, "  {axis:<16} {value:<24} {description}");
    }
    for rule in RuleBook::embedded().of(matrix_case) {
        let requirements = rule.expectation.requires.join(", ");
        let _ = writeln!(text, "\n  rule `{}` for {requirements}", rule.id);
        text += &expectation_lines(&rule.expectation);
    }
    text
}

fn describe_value(matrix_case: &MatrixCase, axis: &str, value: &str) -> String {
    match axis {
        "upstream" => Behaviours::embedded()
            .find(value)
            .map_or_else(String::new, |behaviour| behaviour.description.clone()),
        "route" => format!("the server is `{}`", server_of(matrix_case)),
        _ => Axes::embedded()
            .iter()
            .find(|known| known.name == axis)
            .and_then(|known| known.values.get(value).cloned())
            .unwrap_or_default(),
    }
}
