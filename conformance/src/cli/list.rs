//! `list`: one line for each thing that there is.

use std::fmt::Write as _;

use super::{Exit, What, print};
use crate::{
    cases::{
        axis::Start,
        behaviour::Behaviours,
        matrix::{Axes, matrix_cases},
        rule::RuleBook,
        scenario::Scenario,
    },
    catalogue::{Catalogue, Requirement, Status, release},
    implementations,
    implementations::{DEFAULT, Implementation, builtin},
    judge::disclosure::table::Table,
    model_gateway,
};

/// Lists.
pub(super) fn list(what: What) -> Exit {
    print(&match what {
        What::Requirements => Catalogue::embedded().iter().map(requirement).collect(),
        What::MatrixCases => all_cells(),
        What::Scenarios => Scenario::embedded()
            .iter()
            .map(|scenario| format!("{:<44} {}\n", scenario.id, scenario.description))
            .collect(),
        What::Behaviours => {
            let line = |behaviour: &crate::cases::behaviour::Behaviour| {
                format!(
                    "{:<24} {:<13} {}\n",
                    behaviour.name,
                    behaviour.class.as_str(),
                    behaviour.description
                )
            };
            Behaviours::embedded().all().map(line).collect()
        }
        What::Implementations => implementations(),
        What::Taint => Table::embedded().rendered(),
        What::Release => release::text(),
    });
    Exit::Expected
}

fn requirement(requirement: &Requirement) -> String {
    let judged = match requirement.status() {
        Status::Covered => {
            let rules = RuleBook::embedded().citing(&requirement.id).count();
            let scenarios = Scenario::embedded()
                .iter()
                .filter(|scenario| scenario.requirements().any(|id| id == requirement.id))
                .count();
            let count = |n: usize, word: &str| match n {
                0 => None,
                1 => Some(format!("1 {word}")),
                n => Some(format!("{n} {word}s")),
            };
            let by: Vec<String> = [count(rules, "rule"), count(scenarios, "scenario")]
                .into_iter()
                .flatten()
                .collect();
            format!(
                "judged by {}",
                if by.is_empty() { "nothing".to_owned() } else { by.join(" and ") }
            )
        }
        Status::NotYet(reason) => format!("not judged yet: {reason}"),
        Status::Excluded(reason) => format!("cannot be judged: {reason}"),
    };
    let kind = if requirement.core() { "core" } else { "recommended" };
    format!(
        "{:<7}  {:<10}  {kind:<11}  {}\n         {judged}\n",
        requirement.id, requirement.level, requirement.statement
    )
}

fn all_cells() -> String {
    let routes: Vec<String> = builtin::ROUTES.iter().map(|route| (*route).to_owned()).collect();
    // The reference implementation is built in, so it is there.
    let starts: Vec<Start> = Implementation::resolve(DEFAULT, None)
        .map(|target| target.starts().collect())
        .unwrap_or_default();
    let (matrix_cases, excluded) = matrix_cases(Axes::embedded(), &starts, &routes);
    let mut text: String =
        matrix_cases.iter().map(|matrix_case| format!("{matrix_case}\n")).collect();
    let _ = writeln!(text, "\n{} matrix cases; left out:", matrix_cases.len());
    for excluded in excluded {
        let _ = writeln!(
            text,
            "{:>8}  {}\n          because {}",
            excluded.count, excluded.pattern, excluded.reason
        );
    }
    text
}

fn implementations() -> String {
    let mut text = String::from(
        "builtin:reference        this project's own gateway, in process\nbuiltin:model            a second gateway, small and built differently\n",
    );
    for name in implementations::names() {
        let _ = writeln!(text, "{name:<24} implementations/{name}");
    }
    for fault in model_gateway::all() {
        let _ = writeln!(text, "builtin:defect/{:<34} {}", fault.name(), fault.description);
    }
    for variant in model_gateway::variants() {
        let _ = writeln!(text, "builtin:variant/{:<33} {}", variant.name(), variant.description);
    }
    text
}
