//! The scenarios, each with a button for every start in which it ran.

use indexmap::IndexMap;
use maud::{Markup, html};

use crate::{
    cases::{axis::Start, scenario::Scenario},
    judge::{
        effective_verdict::{EffectiveVerdict, EffectiveVerdicts},
        idle_gap,
        run_file::Run,
        whole_output,
    },
};

/// One run of a scenario.
struct ScenarioRun {
    case_id: String,
    start: Start,
    verdict: &'static str,
}

/// The section on scenarios.
pub(super) fn section(run: &Run, effective_verdicts: &EffectiveVerdicts<'_>) -> Markup {
    let mut scenarios: IndexMap<&str, Vec<ScenarioRun>> = IndexMap::new();
    for judged in &run.scenarios {
        let case_id = judged.id();
        let verdict = effective_verdicts.of_case(&case_id, &judged.findings);
        scenarios.entry(&judged.scenario).or_default().push(ScenarioRun {
            start: judged.start,
            verdict: verdict.map_or("none", EffectiveVerdict::as_str),
            case_id,
        });
    }
    html! {
        section #scenarios {
            h2 { "Scenarios" }
            @if scenarios.is_empty() { p { "The run contains no scenario." } }
            @else {
                ul.scenarios {
                    @for (id, runs) in &scenarios {
                        li {
                            div { b { (id) } p { (description(id)) } }
                            div.starts { @for run in runs { (button(run)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The description of a scenario, or of a check that runs beside the scenarios.
fn description(id: &str) -> &'static str {
    match id {
        whole_output::ID => "Searches the whole output of the implementation for every secret.",
        idle_gap::ID => "Checks which requests reach the upstream servers when no case is running.",
        _ => Scenario::find(id).map_or("", |scenario| scenario.description.as_str()),
    }
}

fn button(run: &ScenarioRun) -> Markup {
    let ScenarioRun { case_id, start, verdict } = run;
    html! {
        button.open.chip.(verdict) type="button" data-case=(case_id) { (start) " · " (verdict) }
    }
}
