//! The matrix as a heat map: a row for each way in which an upstream answers, a column for each message, and each way in which the
//! implementation was started.

use indexmap::{IndexMap, IndexSet};
use maud::{Markup, html};

use crate::judge::effective_verdict::{EffectiveVerdict, EffectiveVerdicts, Row};
use crate::{
    cases::{
        axis::{Method, Start},
        behaviour::Behaviours,
        matrix::Axes,
        matrix_case::{AXES, MatrixCase},
        scenario::Scenario,
    },
    judge::run_file::{JudgedMatrixCase, Run},
};

/// The axes that make a row or a column; all others make the groups.
const PLACED: [&str; 4] = ["upstream", "method", "strategy", "profile"];

/// A column: how the implementation was started, and what was sent.
type Column = (Start, Method);
/// A group of rows, by the values of its axes.
type Group<'a> = Vec<(&'static str, &'a str)>;
/// Its rows, by the upstream's behaviour, with the matrix cases of each and their places in the run.
type Rows<'a> = IndexMap<&'a str, Vec<(usize, &'a JudgedMatrixCase)>>;
/// How often a scenario was played: what reports call each play, how it was started, and how it stands.
type Plays = Vec<(String, Start, Option<EffectiveVerdict>)>;

/// The filters and the heat map.
pub(super) fn section(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    rows: &[Row<'_>],
) -> Markup {
    let mut columns: IndexSet<Column> = IndexSet::new();
    let mut groups: IndexMap<Group<'_>, Rows<'_>> = IndexMap::new();
    for (at, judged) in run.matrix_cases.iter().enumerate() {
        let value = |axis| judged.matrix_case.value(axis);
        columns.insert(place(judged));
        let group = AXES
            .iter()
            .filter(|axis| !PLACED.contains(axis))
            .map(|axis| (*axis, value(axis)))
            .collect();
        groups
            .entry(group)
            .or_default()
            .entry(value("upstream"))
            .or_default()
            .push((at, judged));
    }
    columns.sort_unstable();
    let starts: IndexMap<Start, usize> =
        columns.iter().fold(IndexMap::new(), |mut widths, (start, _)| {
            *widths.entry(*start).or_default() += 1;
            widths
        });
    let label = |start: &Start| {
        if run.header.profiles.len() > 1 {
            start.to_string()
        } else {
            start.strategy.to_string()
        }
    };
    let varies = |axis: &str| {
        run.matrix_cases.iter().any(|judged| {
            judged.matrix_case.value(axis) != run.matrix_cases[0].matrix_case.value(axis)
        })
    };
    let varying: Vec<&str> = AXES.into_iter().filter(|axis| varies(axis)).collect();
    html! {
        section #matrix {
            h2 { "Matrix" span.shown #shown {} }
            @if run.matrix_cases.is_empty() { p { "No matrix case was driven." } }
            @else {
                (filters(run, rows))
                (legend())
                div.scroll tabindex="0" aria-label="heat map" role="region" {
                    table.heat.dense[columns.len() > 8] {
                        thead {
                            tr {
                                td {}
                                @for (start, width) in &starts { th.start scope="colgroup" colspan=(width) title=[says("strategy", start.strategy.as_str())] { (label(start)) } }
                            }
                            tr.methods {
                                th scope="col" { "upstream" }
                                @for (at, (start, method)) in columns.iter().enumerate() {
                                    @let begins = at > 0 && columns[at - 1].0 != *start;
                                    th.begins[begins] scope="col" title=[says("method", method.as_str())] { span { (method) } }
                                }
                            }
                        }
                        @for (group, rows) in &groups {
                            tbody {
                                tr.group {
                                    th colspan=(columns.len() + 1) scope="rowgroup" {
                                        div.stick { @for (axis, value) in group.iter().filter(|(axis, _)| varying.contains(axis)) { span title=[says(axis, value)] { (value) } " " } }
                                    }
                                }
                                @for (upstream, matrix_cases) in rows {
                                    tr {
                                        th scope="row" title=[Behaviours::embedded().find(upstream).map(|behaviour| behaviour.description.as_str())] { (upstream) }
                                        @for (at, column) in columns.iter().enumerate() {
                                            @let begins = at > 0 && columns[at - 1].0 != column.0;
                                            td.begins[begins] {
                                                @for (at, judged) in matrix_cases.iter().filter(|(_, judged)| place(judged) == *column) { (square(*at, judged, effective_verdicts)) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn place(judged: &JudgedMatrixCase) -> Column {
    let MatrixCase { profile, strategy, method, .. } = judged.matrix_case;
    (Start { profile, strategy }, method)
}

/// One matrix case of the heat map; the script gives it its title.
fn square(
    at: usize,
    judged: &JudgedMatrixCase,
    effective_verdicts: &EffectiveVerdicts<'_>,
) -> Markup {
    let standing = effective_verdicts.of_all(&judged.matrix_case.to_string(), &judged.findings);
    let class = standing.map_or("none", EffectiveVerdict::as_str);
    html! { button.sq.(class) type="button" data-at=(at) aria-label=(class) {} }
}

fn says(axis: &str, value: &str) -> Option<String> {
    let axis = Axes::embedded().iter().find(|known| known.name == axis)?;
    axis.values.get(value).cloned()
}

fn filters(run: &Run, rows: &[Row<'_>]) -> Markup {
    html! {
        form.tools #filters hidden {
            label { "requirement"
                select name="requirement" {
                    option value="" { "all" }
                    @for row in rows.iter().filter(|row| row.judged()) { option value=(row.verdict.id) { (row.verdict.id) " " (row.standing) } }
                }
            }
            @for axis in AXES {
                @let values: IndexSet<&str> = run.matrix_cases.iter().map(|judged| judged.matrix_case.value(axis)).collect();
                @if values.len() > 1 {
                    label { (axis)
                        @if axis == "upstream" { input name=(axis) type="search" list="upstreams" placeholder="401, sse, never …"; datalist #upstreams { @for value in &values { option value=(value) {} } } }
                        @else { select name=(axis) { option value="" { "all" } @for value in &values { option value=(value) { (value) } } } }
                    }
                }
            }
            button type="reset" { "all of it" }
        }
    }
}

fn legend() -> Markup {
    html! {
        div.legend #legend role="group" aria-label="show only matrix cases that stand as" {
            @for standing in EffectiveVerdict::ALL.iter().rev() {
                button type="button" data-standing=(standing) aria-pressed="false" disabled { i.sq.(standing) aria-hidden="true" {} (standing) " " span.n {} }
            }
        }
    }
}

/// The cases of several steps.
pub(super) fn scenarios(run: &Run, effective_verdicts: &EffectiveVerdicts<'_>) -> Markup {
    let mut by_id: IndexMap<&str, Plays> = IndexMap::new();
    for judged in &run.scenarios {
        let about = judged.id();
        let standing = effective_verdicts.of_all(&about, &judged.findings);
        by_id.entry(&judged.scenario).or_default().push((about, judged.start, standing));
    }
    html! {
        section #scenarios {
            h2 { "Scenarios" }
            @if by_id.is_empty() { p { "None was played." } }
            @else {
                ul.scenarios {
                    @for (id, plays) in &by_id {
                        li {
                            div { b { (id) } p { (Scenario::find(id).map_or("Looks for every secret in all that was written.", |scenario| scenario.description.as_str())) } }
                            div.plays {
                                @for (about, start, standing) in plays {
                                    button.open.chip.(standing.map_or("none", EffectiveVerdict::as_str)) type="button" data-case=(about) { (start) " · " (standing.map_or("none", EffectiveVerdict::as_str)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
