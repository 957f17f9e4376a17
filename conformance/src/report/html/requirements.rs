//! The list of requirements: those that are not met first, then all others by group.

use indexmap::{IndexMap, IndexSet};
use maud::{Markup, html};

use super::with_code;
use crate::{
    catalogue::{Binding, Catalogue, Requirement, Status, conditions_in_words},
    judge::{
        effective_verdict::{EffectiveVerdict, EffectiveVerdicts, RequirementRow},
        run_file::Run,
    },
    report::{
        cause::{Unmet, causes},
        deciding_findings, is_unmet,
        traceability::{defects_that_fail, judged_by},
    },
};

/// The section on requirements.
pub(super) fn section<'a>(
    run: &'a Run,
    effective_verdicts: &EffectiveVerdicts<'a>,
    rows: &[RequirementRow<'a>],
) -> Markup {
    let causes = causes(run, effective_verdicts, rows);
    let mut groups: IndexMap<&str, Vec<&RequirementRow<'_>>> = IndexMap::new();
    for row in rows.iter().filter(|row| !is_unmet(row)) {
        groups.entry(row.group()).or_default().push(row);
    }
    let judged_by = judged_by(run);
    let details = |row: &RequirementRow<'_>, unmet: Option<&UnmetRow<'_>>| {
        let judged_by = judged_by.get(row.summary.id.as_str());
        requirement(run, effective_verdicts, row, judged_by, unmet)
    };
    html! {
        section #requirements {
            h2 { "Requirements" }
            (search_tools())
            @if !causes.is_empty() {
                div.family {
                    h3 { "Not met " span { "by root cause, unexpected failures first" } }
                    @for cause in &causes {
                        (details(cause.head.row, Some(&UnmetRow::of(&cause.head, None))))
                        @for consequence in &cause.consequences {
                            @let head = Some(cause.head.id());
                            (details(consequence.row, Some(&UnmetRow::of(consequence, head))))
                        }
                    }
                }
            }
            @for (prefix, rows) in &groups {
                div.family {
                    h3 {
                        (prefix)
                        @if let Some(title) = Catalogue::embedded().title(prefix) {
                            " " span { (title) }
                        }
                    }
                    @for row in rows { (details(row, None)) }
                }
            }
            p.note #no-match hidden { "No requirement matches." }
        }
    }
}

/// What the page says of a requirement that is not met.
struct UnmetRow<'a> {
    /// How many cases fail, in words.
    failing: String,
    /// The requirement of which it is a consequence.
    head: Option<&'a str>,
}

impl<'a> UnmetRow<'a> {
    fn of(unmet: &Unmet<'_, '_>, head: Option<&'a str>) -> Self {
        Self { failing: unmet.count_in_words(), head }
    }
}

fn search_tools() -> Markup {
    html! {
        div.tools hidden {
            input #find type="search" placeholder="find: STA-05, RFC 9110, redirect …"
                aria-label="find requirements";
            label.check { input #unmet type="checkbox"; " only not met" }
            label.check { input #core type="checkbox"; " only core" }
        }
    }
}

/// One requirement: a summary line that unfolds into the details.
fn requirement(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    row: &RequirementRow<'_>,
    judged_by: Option<&IndexMap<&str, IndexSet<String>>>,
    unmet: Option<&UnmetRow<'_>>,
) -> Markup {
    let head = unmet.and_then(|unmet| unmet.head);
    let summary = &row.summary;
    let Some(requirement) = Catalogue::embedded().get(&summary.id) else {
        return html! {};
    };
    html! {
        details.requirement.consequence[head.is_some()] #(summary.id)
            data-unmet[is_unmet(row)] data-core[summary.core] {
            summary {
                (verdict_chip(row))
                b.id { (summary.id) }
                span.level { (summary.level) }
                span.statement {
                    (with_code(&requirement.statement))
                    @if let Some(unmet) = unmet { " " span.share { (unmet.failing) } }
                }
                @match requirement.binding(&run.gateway_traits()) {
                    Binding::Core => {}
                    Binding::Recommended => span.tag { "recommended" }
                    Binding::None => span.tag { "does not concern this gateway" }
                }
            }
            div.more {
                dl {
                    @if let Some(head) = head {
                        dt { "consequence of" } dd { a href={ "#" (head) } { (head) } }
                    }
                    @if let Some(unmet) = unmet { dt { "failing" } dd { (unmet.failing) } }
                    (details(requirement, row, judged_by))
                }
                (first_case(run, effective_verdicts, row))
                @if row.is_judged() {
                    p {
                        button.show type="button" data-show=(summary.id) hidden {
                            "show in the matrix"
                        }
                    }
                }
            }
        }
    }
}

fn verdict_chip(row: &RequirementRow<'_>) -> Markup {
    if row.is_judged() {
        html! { span.chip.(row.verdict) { (row.verdict) } }
    } else {
        html! { span.chip.(EffectiveVerdict::NotApplicable) { "not judged" } }
    }
}

fn details(
    requirement: &Requirement,
    row: &RequirementRow<'_>,
    judged_by: Option<&IndexMap<&str, IndexSet<String>>>,
) -> Markup {
    let defects: Vec<&str> = defects_that_fail(&requirement.id).collect();
    html! {
        dt { "strength" } dd { (requirement.strength) }
        @for (binding, conditions) in [
            ("core for", &requirement.core_for),
            ("recommended for", &requirement.recommended_for),
        ] {
            @if !conditions.is_empty() {
                dt { (binding) } dd { (conditions_in_words(conditions)) }
            }
        }
        dt { "source" } dd { (requirement.sources.join(" · ")) }
        @if let Some(impact) = &requirement.impact { dt { "impact" } dd { (with_code(impact)) } }
        @for entry in &row.expected_failures { dt { "baseline" } dd { (entry.reason()) } }
        @match requirement.status() {
            Status::Excluded(reason) => { dt { "excluded" } dd { (reason) } }
            Status::NotYet(reason) => { dt { "not judged yet" } dd { (reason) } }
            Status::Covered => {}
        }
        @if let Some(judged_by) = judged_by {
            dt { "judged by" }
            dd { @for (rule, cases) in judged_by { code { (rule) } " (" (cases.len()) ") " } }
            dt { "findings" }
            dd {
                @for (verdict, count) in row.summary.counts.iter().rev() {
                    (count) " " (verdict) " "
                }
            }
        }
        @if !defects.is_empty() {
            dt { "defects that fail it" }
            dd { @for name in defects { code { (name) } " " } }
        }
    }
}

fn first_case(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    row: &RequirementRow<'_>,
) -> Markup {
    let findings = deciding_findings(run, effective_verdicts, row);
    let Some((case_id, finding)) = findings.first() else {
        return html! {};
    };
    html! {
        div.first {
            p {
                (finding.observable) ": expected " b { (finding.expected) }
                ", actual " b { (finding.actual) }
            }
            p { button.open type="button" data-case=(case_id) { (case_id) } }
        }
    }
}
