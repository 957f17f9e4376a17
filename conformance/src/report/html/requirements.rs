//! The list of requirements, what is not met first and the rest by family, each with its verdict, its sources and the first case that
//! decided it.

use indexmap::{IndexMap, IndexSet};
use maud::{Markup, html};

use super::{super::json::first, rich};
use crate::judge::effective_verdict::{EffectiveVerdict, EffectiveVerdicts, Row};
use crate::{
    catalogue::{Catalogue, Status},
    judge::run_file::Run,
    model_gateway,
};

/// The whole list.
pub(super) fn section(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    rows: &[Row<'_>],
) -> Markup {
    let (mut unmet, met): (Vec<&Row<'_>>, Vec<&Row<'_>>) =
        rows.iter().partition(|row| is_unmet(row));
    unmet.sort_by_key(|row| std::cmp::Reverse(row.standing));
    let mut families: IndexMap<&str, Vec<&Row<'_>>> = IndexMap::new();
    for row in met {
        families.entry(row.family()).or_default().push(row);
    }
    let mut judges: IndexMap<&str, IndexMap<&str, IndexSet<String>>> = IndexMap::new();
    for (about, finding) in run.findings() {
        judges
            .entry(&finding.requirement)
            .or_default()
            .entry(&finding.rule)
            .or_default()
            .insert(about);
    }
    let group = |name: &str, title: Option<&str>, rows: &[&Row<'_>]| {
        html! {
            div.family {
                h3 { (name) @if let Some(title) = title { " " span { (title) } } }
                @for row in rows { (requirement(run, effective_verdicts, row, judges.get(row.verdict.id.as_str()))) }
            }
        }
    };
    html! {
        section #requirements {
            h2 { "Requirements" }
            div.tools hidden {
                input #find type="search" placeholder="find: STA-05, RFC 9110, redirect …" aria-label="find requirements";
                label.check { input #unmet type="checkbox"; " only what is not met" }
                label.check { input #binding type="checkbox"; " only core" }
            }
            @if !unmet.is_empty() { (group("Not met", Some("or not as it was asked for; the gravest first"), &unmet)) }
            @for (family, rows) in &families { (group(family, Catalogue::embedded().title(family), rows)) }
            p.nothing #nothing-found hidden { "Nothing is like that." }
        }
    }
}

/// Whether a reader who looks for what is wrong looks for this row.
fn is_unmet(row: &Row<'_>) -> bool {
    row.judged() && row.standing > EffectiveVerdict::Info
}

fn requirement(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    row: &Row<'_>,
    judges: Option<&IndexMap<&str, IndexSet<String>>>,
) -> Markup {
    let verdict = &row.verdict;
    let Some(requirement) = Catalogue::embedded().get(&verdict.id) else {
        return html! {};
    };
    let standing = if row.judged() {
        row.standing
    } else {
        EffectiveVerdict::NotApplicable
    };
    html! {
        details.requirement #(verdict.id) data-unmet[is_unmet(row)] data-core[verdict.core] {
            summary {
                span.chip.(standing) { @if row.judged() { (row.standing) } @else { "not judged" } }
                b.id { (verdict.id) }
                span.level { (verdict.level) }
                span.statement { (rich(&requirement.statement)) }
                @if !verdict.core { span.tag { "recommended" } }
            }
            div.more {
                dl {
                    dt { "source" } dd { (requirement.sources.join(" · ")) }
                    @if let Some(impact) = &requirement.impact { dt { "impact" } dd { (rich(impact)) } }
                    @if let Some(known) = row.known { dt { "known" } dd { (known.reason) } }
                    @match requirement.status() {
                        Status::Excluded(reason) => { dt { "not judged" } dd { (reason) } }
                        Status::NotYet(reason) => { dt { "not yet" } dd { (reason) } }
                        Status::Covered => {}
                    }
                    @if let Some(judges) = judges {
                        dt { "judged by" }
                        dd { @for (rule, cases) in judges { code { (rule) } " (" (cases.len()) ") " } }
                        dt { "findings" }
                        dd { @for (verdict, count) in verdict.counts.iter().rev() { (count) " " (verdict) " " } }
                    }
                    @let killers: Vec<&str> = model_gateway::all().iter().filter(|fault| fault.fails.contains(&verdict.id)).map(model_gateway::Fault::name).collect();
                    @if !killers.is_empty() { dt { "noticed with" } dd { @for name in killers { code { (name) } " " } } }
                }
                @if let Some((case, finding)) = first(run, effective_verdicts, row) {
                    div.first {
                        p { (finding.observable) ": expected " b { (finding.expected) } ", actual " b { (finding.actual) } }
                        p { button.open type="button" data-case=(case) { (case) } }
                    }
                }
                @if row.judged() { p { button.show type="button" data-show=(verdict.id) hidden { "show in the matrix" } } }
            }
        }
    }
}
