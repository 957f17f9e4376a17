//! The list of requirements: those that are not met first, then all others by group.

use std::cmp::Reverse;

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
        deciding_findings, is_unmet,
        traceability::{defects_that_fail, judged_by},
    },
};

/// The section on requirements.
pub(super) fn section(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    rows: &[RequirementRow<'_>],
) -> Markup {
    let (mut unmet, others): (Vec<&RequirementRow<'_>>, Vec<&RequirementRow<'_>>) =
        rows.iter().partition(|row| is_unmet(row));
    unmet.sort_by_key(|row| Reverse(row.verdict));
    let mut groups: IndexMap<&str, Vec<&RequirementRow<'_>>> = IndexMap::new();
    for row in others {
        groups.entry(row.group()).or_default().push(row);
    }
    let judged_by = judged_by(run);
    let group = |name: &str, title: Option<&str>, rows: &[&RequirementRow<'_>]| {
        html! {
            div.family {
                h3 { (name) @if let Some(title) = title { " " span { (title) } } }
                @for row in rows {
                    @let judged_by = judged_by.get(row.summary.id.as_str());
                    (requirement(run, effective_verdicts, row, judged_by))
                }
            }
        }
    };
    html! {
        section #requirements {
            h2 { "Requirements" }
            (search_tools())
            @if !unmet.is_empty() { (group("Not met", Some("most severe first"), &unmet)) }
            @for (prefix, rows) in &groups {
                (group(prefix, Catalogue::embedded().title(prefix), rows))
            }
            p.note #no-match hidden { "No requirement matches." }
        }
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
) -> Markup {
    let summary = &row.summary;
    let Some(requirement) = Catalogue::embedded().get(&summary.id) else {
        return html! {};
    };
    html! {
        details.requirement #(summary.id) data-unmet[is_unmet(row)] data-core[summary.core] {
            summary {
                (verdict_chip(row))
                b.id { (summary.id) }
                span.level { (summary.level) }
                span.statement { (with_code(&requirement.statement)) }
                @match requirement.binding(&run.gateway_traits()) {
                    Binding::Core => {}
                    Binding::Recommended => span.tag { "recommended" }
                    Binding::None => span.tag { "does not concern this gateway" }
                }
            }
            div.more {
                dl { (details(requirement, row, judged_by)) }
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
