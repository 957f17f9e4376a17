//! `explain`: everything that the suite knows of one id.

use std::fmt::Write as _;

use super::{Exit, complain, print};
use crate::{
    cases::{
        axis::Start,
        behaviour::{Behaviour, Behaviours},
        matrix::{Axes, matrix_cases, server_of},
        matrix_case::MatrixCase,
        rule::{Accepted, Expectation, RuleBook},
        scenario::Scenario,
    },
    catalogue::{Catalogue, Requirement, Status},
    implementations::builtin,
    judge::disclosure::table::Table,
};

/// The verdicts, and what each means to a reader of the report.
const VERDICTS: [(&str, &str); 10] = [
    (
        "pass",
        "every case that shows anything about the requirement shows that it is met.",
    ),
    (
        "non-strict",
        "an answer that is not wrong and not what was asked for; the rule grades it.",
    ),
    (
        "fail",
        "a MUST that is not met. Of a core requirement it fails the run, unless the baseline knows it.",
    ),
    (
        "warn",
        "a SHOULD that is not met. It does not fail a stranger's run; our own gateway it does.",
    ),
    ("info", "a permission that was not made use of."),
    (
        "not-applicable",
        "the requirement belongs to another profile, or says nothing of any case of the run.",
    ),
    (
        "skip",
        "the case needs an optional feature that the implementation does not declare.",
    ),
    (
        "inconclusive",
        "this case says nothing, because the upstream was never asked; where no case says anything, the requirement is untestable.",
    ),
    (
        "untestable",
        "there is no telling: the positive control failed, or what would show it was never seen. It is as red as a failure.",
    ),
    ("error", "the suite itself failed; exit code 4."),
];

/// Explains a requirement, a verdict, a scenario, an upstream behaviour or a matrix case.
pub(super) fn explain(id: &str) -> Exit {
    let named = id.to_ascii_uppercase();
    if let Some(requirement) = Catalogue::embedded().get(&named) {
        print(&of_requirement(requirement));
    } else if let Some((verdict, says)) = VERDICTS.iter().find(|(verdict, _)| *verdict == id) {
        print(&format!("{verdict}: {says}\n"));
    } else if let Some(scenario) = Scenario::find(id) {
        print(&of_scenario(scenario));
    } else if let Some(behaviour) = Behaviours::embedded().find(id) {
        print(&of_behaviour(behaviour));
    } else if let Some(matrix_case) = find_cell(id) {
        print(&of_matrix_case(&matrix_case));
    } else {
        let says = format!(
            "nothing is called `{id}`\nexpected the id of a requirement, matrix case or scenario, the name of a behaviour, or a verdict; `preflight-conformance list` shows them"
        );
        return complain(Exit::Usage, &says);
    }
    Exit::Expected
}

fn of_requirement(requirement: &Requirement) -> String {
    let Requirement { id, level, strength, statement, sources, observe, impact, .. } = requirement;
    let result = if requirement.core() {
        "core: decides the result of every implementation"
    } else {
        "recommended: decides the result of the reference gateway only"
    };
    let mut text = format!("{id}  {level}  {statement}\n\n");
    let _ = writeln!(text, "  strength   {strength} ({result})");
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
        of_expectation(&mut text, &rule.expectation);
    }
    for scenario in Scenario::embedded() {
        for expectation in scenario
            .expectations
            .iter()
            .filter(|expectation| expectation.requires.contains(id))
        {
            let _ = writeln!(text, "\n  scenario `{}`: {}", scenario.id, scenario.description);
            of_expectation(&mut text, expectation);
        }
    }
    let mut rows = Table::embedded().citing(id).peekable();
    if rows.peek().is_some() {
        let _ = writeln!(
            text,
            "\n  every case, whatever else it shows (`preflight-conformance list taint`)"
        );
    }
    rows.for_each(|row| _ = writeln!(text, "    {row}"));
    text
}

fn of_expectation(text: &mut String, expectation: &Expectation) {
    let mut say = |word: &str, accepted: &Accepted| {
        for (observable, values) in accepted {
            let _ = writeln!(text, "    {word:<10} {observable} = {values}");
        }
    };
    say("given", &expectation.given);
    say("expects", &expectation.expect);
    say("or nearly", &expectation.non_strict);
}

fn of_scenario(scenario: &Scenario) -> String {
    let mut text = format!("{}: {}\n", scenario.id, scenario.description);
    for step in &scenario.steps {
        let what = match &step.send {
            _ if step.follow => "the document that the challenge names".to_owned(),
            crate::cases::scenario::Message::Mcp(method) => method.to_string(),
            crate::cases::scenario::Message::Plain(method) => method.clone(),
        };
        let times = if step.times > 1 {
            format!("{} times ", step.times)
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "\n  {times}{what} to {} with {}, upstream {}",
            step.servers.join(", "),
            step.credentials,
            step.behaviour
        );
    }
    for expectation in &scenario.expectations {
        let _ = writeln!(text, "\n  {}", expectation.requires.join(", "));
        of_expectation(&mut text, expectation);
    }
    text
}

fn of_behaviour(behaviour: &Behaviour) -> String {
    let spellings: Vec<String> = behaviour.spellings().collect();
    format!(
        "{}: {}\n\n  an honest gateway may conclude  {}\n  spelled in matrix cases as             {}\n",
        behaviour.name,
        behaviour.description,
        behaviour.class.as_str(),
        spellings.join(", ")
    )
}

/// The reference implementation's matrix case of that id; a stranger's strategy is `own`.
fn find_cell(id: &str) -> Option<MatrixCase> {
    let routes: Vec<String> = builtin::ROUTES.iter().map(|route| (*route).to_owned()).collect();
    matrix_cases(Axes::embedded(), &Start::all().collect::<Vec<_>>(), &routes)
        .0
        .into_iter()
        .find(|matrix_case| matrix_case.to_string() == id)
}

fn of_matrix_case(matrix_case: &MatrixCase) -> String {
    let mut text = format!("{matrix_case}\n\n");
    let said = |axis: &str, value: &str| {
        let axis = Axes::embedded().iter().find(|known| known.name == axis);
        axis.and_then(|axis| axis.values.get(value)).cloned().unwrap_or_default()
    };
    let upstream = Behaviours::embedded()
        .find(&matrix_case.upstream)
        .map_or("", |behaviour| behaviour.description.as_str());
    for (axis, value, says) in [
        (
            "credentials",
            matrix_case.credentials.as_str(),
            said("credentials", matrix_case.credentials.as_str()),
        ),
        (
            "server",
            matrix_case.server.as_str(),
            said("server", matrix_case.server.as_str()),
        ),
        ("upstream", &matrix_case.upstream, upstream.to_owned()),
        (
            "method",
            matrix_case.method.as_str(),
            said("method", matrix_case.method.as_str()),
        ),
        ("route", &matrix_case.route, format!("driven on `{}`", server_of(matrix_case))),
        (
            "strategy",
            matrix_case.strategy.as_str(),
            said("strategy", matrix_case.strategy.as_str()),
        ),
        (
            "profile",
            matrix_case.profile.as_str(),
            said("profile", matrix_case.profile.as_str()),
        ),
        (
            "protocol-version",
            matrix_case.protocol_version.as_str(),
            said("protocol-version", matrix_case.protocol_version.as_str()),
        ),
    ] {
        let _ = writeln!(text, "  {axis:<12} {value:<24} {says}");
    }
    for rule in RuleBook::embedded().of(matrix_case) {
        let _ =
            writeln!(text, "\n  rule `{}` for {}", rule.id, rule.expectation.requires.join(", "));
        of_expectation(&mut text, &rule.expectation);
    }
    text
}
