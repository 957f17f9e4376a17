//! The matrix as a heat map.
//!
//! A row is a mock behaviour. A column is a start of the implementation and a message. The other
//! axes divide the rows into groups.

use indexmap::{IndexMap, IndexSet};
use maud::{Markup, html};

use crate::{
    cases::{
        axis::{Method, Start},
        behaviour::Behaviours,
        matrix::Axes,
        matrix_case::{AXES, MatrixCase},
    },
    judge::{
        effective_verdict::{EffectiveVerdict, EffectiveVerdicts, RequirementRow},
        run_file::{JudgedMatrixCase, Run},
    },
};

/// The axes that make a row or a column.
const ROW_AND_COLUMN_AXES: [&str; 4] = ["upstream", "method", "strategy", "profile"];
/// With more columns than this, the column titles are written vertically.
const MAX_WIDE_COLUMNS: usize = 8;

/// How the implementation was started, and what was sent.
type Column = (Start, Method);
/// The axes that divide the rows into groups, with the values of one group.
type Group<'a> = Vec<(&'static str, &'a str)>;
/// The rows of a group by mock behaviour. A case has its index in the run, by which the script
/// finds it.
type Rows<'a> = IndexMap<&'a str, Vec<(usize, &'a JudgedMatrixCase)>>;

/// The rows and columns of the heat map.
struct HeatMap<'a> {
    columns: Vec<Column>,
    groups: IndexMap<Group<'a>, Rows<'a>>,
    /// The axes with more than one value in the run.
    varying_axes: Vec<&'static str>,
    /// Whether a start is shown with its profile.
    several_profiles: bool,
}

impl<'a> HeatMap<'a> {
    fn new(run: &'a Run) -> Self {
        let mut columns: IndexSet<Column> = IndexSet::new();
        let mut groups: IndexMap<Group<'a>, Rows<'a>> = IndexMap::new();
        for (index, judged) in run.matrix_cases.iter().enumerate() {
            columns.insert(column(judged));
            let group = AXES
                .iter()
                .filter(|axis| !ROW_AND_COLUMN_AXES.contains(axis))
                .map(|axis| (*axis, judged.matrix_case.value(axis)))
                .collect();
            groups
                .entry(group)
                .or_default()
                .entry(judged.matrix_case.value("upstream"))
                .or_default()
                .push((index, judged));
        }
        columns.sort_unstable();
        Self {
            columns: columns.into_iter().collect(),
            groups,
            varying_axes: AXES.into_iter().filter(|axis| values(run, axis).len() > 1).collect(),
            several_profiles: run.header.profiles.len() > 1,
        }
    }

    /// The starts with their numbers of columns.
    fn starts(&self) -> IndexMap<Start, usize> {
        let mut starts = IndexMap::new();
        for (start, _) in &self.columns {
            *starts.entry(*start).or_default() += 1;
        }
        starts
    }

    fn start_label(&self, start: &Start) -> String {
        if self.several_profiles {
            start.to_string()
        } else {
            start.strategy.to_string()
        }
    }

    /// Whether a column is the first one of its start, except the leftmost one.
    fn begins_start(&self, index: usize) -> bool {
        index > 0 && self.columns[index - 1].0 != self.columns[index].0
    }

    fn head(&self) -> Markup {
        html! {
            thead {
                tr {
                    td {}
                    @for (start, width) in self.starts() {
                        th.start scope="colgroup" colspan=(width)
                            title=[description("strategy", start.strategy.as_str())] {
                            (self.start_label(&start))
                        }
                    }
                }
                tr.methods {
                    th scope="col" { "upstream" }
                    @for (index, (_, method)) in self.columns.iter().enumerate() {
                        th.first-of-start[self.begins_start(index)] scope="col"
                            title=[description("method", method.as_str())] {
                            span { (method) }
                        }
                    }
                }
            }
        }
    }

    fn group_title(&self, group: &Group<'_>) -> Markup {
        html! {
            tr.group {
                th colspan=(self.columns.len() + 1) scope="rowgroup" {
                    div.group-name {
                        @for (axis, value) in group {
                            @if self.varying_axes.contains(axis) {
                                span title=[description(axis, value)] { (value) } " "
                            }
                        }
                    }
                }
            }
        }
    }

    fn row(
        &self,
        upstream: &str,
        cases: &[(usize, &JudgedMatrixCase)],
        effective_verdicts: &EffectiveVerdicts<'_>,
    ) -> Markup {
        let behaviour = Behaviours::embedded().find(upstream);
        html! {
            tr {
                th scope="row" title=[behaviour.map(|known| known.description.as_str())] {
                    (upstream)
                }
                @for (index, here) in self.columns.iter().enumerate() {
                    td.first-of-start[self.begins_start(index)] {
                        @for (case_index, judged) in cases {
                            @if column(judged) == *here {
                                (square(*case_index, judged, effective_verdicts))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The filters and the heat map.
pub(super) fn section(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    rows: &[RequirementRow<'_>],
) -> Markup {
    let map = HeatMap::new(run);
    html! {
        section #matrix {
            h2 { "Matrix" span.shown #shown {} }
            @if run.matrix_cases.is_empty() { p { "The run contains no matrix case." } }
            @else {
                (filters(run, rows))
                (legend())
                div.scroll tabindex="0" aria-label="heat map" role="region" {
                    table.heat.dense[map.columns.len() > MAX_WIDE_COLUMNS] {
                        (map.head())
                        @for (group, rows) in &map.groups {
                            tbody {
                                (map.group_title(group))
                                @for (upstream, cases) in rows {
                                    (map.row(upstream, cases, effective_verdicts))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn column(judged: &JudgedMatrixCase) -> Column {
    let MatrixCase { profile, strategy, method, .. } = judged.matrix_case;
    (Start { profile, strategy }, method)
}

/// One matrix case; the script sets its title.
fn square(
    index: usize,
    judged: &JudgedMatrixCase,
    effective_verdicts: &EffectiveVerdicts<'_>,
) -> Markup {
    let verdict = effective_verdicts.of_case(&judged.matrix_case.to_string(), &judged.findings);
    let class = verdict.map_or("none", EffectiveVerdict::as_str);
    html! { button.sq.(class) type="button" data-index=(index) aria-label=(class) {} }
}

/// The description of an axis value.
fn description(axis: &str, value: &str) -> Option<String> {
    let axis = Axes::embedded().iter().find(|known| known.name == axis)?;
    axis.values.get(value).cloned()
}

/// The values that an axis has in a run.
fn values<'a>(run: &'a Run, axis: &str) -> IndexSet<&'a str> {
    run.matrix_cases.iter().map(|judged| judged.matrix_case.value(axis)).collect()
}

fn filters(run: &Run, rows: &[RequirementRow<'_>]) -> Markup {
    html! {
        form.tools #filters hidden {
            label {
                "requirement"
                select name="requirement" {
                    option value="" { "all" }
                    @for row in rows.iter().filter(|row| row.is_judged()) {
                        option value=(row.summary.id) { (row.summary.id) " " (row.verdict) }
                    }
                }
            }
            @for axis in AXES {
                @let values = values(run, axis);
                @if values.len() > 1 { (axis_filter(axis, &values)) }
            }
            button type="reset" { "reset" }
        }
    }
}

/// A text field for the mock behaviour, which has many values, and a list for any other axis.
fn axis_filter(axis: &str, values: &IndexSet<&str>) -> Markup {
    html! {
        label {
            (axis)
            @if axis == "upstream" {
                input name=(axis) type="search" list="upstreams" placeholder="401, sse, never …";
                datalist #upstreams { @for value in values { option value=(value) {} } }
            } @else {
                select name=(axis) {
                    option value="" { "all" }
                    @for value in values { option value=(value) { (value) } }
                }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        div.legend #legend role="group" aria-label="show only matrix cases with these verdicts" {
            @for verdict in EffectiveVerdict::ALL.iter().rev() {
                button type="button" data-verdict=(verdict) aria-pressed="false" disabled {
                    i.sq.(verdict) aria-hidden="true" {} (verdict) " " span.n {}
                }
            }
        }
    }
}
