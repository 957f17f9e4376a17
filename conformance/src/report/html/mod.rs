//! The report as one HTML page: requirements, the matrix as a heat map, scenarios and every trace.
//!
//! The page loads nothing. Its content security policy allows only the script and the style that it
//! contains, by their hashes. Texts of an implementation or an upstream server are always escaped.
//! Requirements, matrix and scenarios need no script. The script filters them and shows the traces,
//! which the page contains in compressed form.

mod data;
mod matrix;
mod requirements;
mod scenarios;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{
    comparison::{baseline_in_words, explanation_of_result},
    not_judged::not_judged,
    result_name, totals,
};
use crate::{
    judge::{
        baseline::Assessment,
        effective_verdict::{EffectiveVerdicts, RequirementRow},
        masking::Masking,
        run_file::{Damage, Run},
        summary::{run_result, verdicts},
    },
    trace::printable::printable_lines,
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// The report as HTML.
pub(super) fn html(run: &Run, assessment: &Assessment<'_>) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let result = result_name(run_result(run, &verdicts(run)));
    let header = &run.header;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="content-security-policy" content=(content_security_policy());
                meta name="referrer" content="no-referrer";
                title { "Preflight · " (result) ": " (header.implementation) " " (header.version) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (masthead(run, assessment, &rows, result))
                main {
                    (problems(assessment))
                    (requirements::section(run, &effective_verdicts, &rows))
                    (matrix::section(run, &effective_verdicts, &rows))
                    (scenarios::section(run, &effective_verdicts))
                    (notes(run))
                    (not_judged_section(run, &rows))
                }
                (footer(run))
                dialog #case aria-labelledby="case-title" {}
                noscript {
                    p.noscript { "Traces and filters need JavaScript. The rest of the page does \
                        not." }
                }
                script #data type="application/octet-stream" {
                    (PreEscaped(data::packed(run, &effective_verdicts)))
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    printable_lines(&page.into_string())
}

/// The text with the parts between backticks as code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Allows only the script and the style of the page.
fn content_security_policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; \
         base-uri 'none'; form-action 'none'"
    )
}

fn masthead(
    run: &Run,
    assessment: &Assessment<'_>,
    rows: &[RequirementRow<'_>],
    result: &str,
) -> Markup {
    let header = &run.header;
    let profiles: Vec<&str> = header.profiles.iter().map(|profile| profile.as_str()).collect();
    let strategies: Vec<&str> =
        header.strategies.iter().map(|strategy| strategy.as_str()).collect();
    html! {
        header.masthead {
            p.brand { "Preflight conformance" }
            h1 { (header.implementation) " " span.version { (header.version) } }
            p.result.(result) {
                strong { (result) }
                @if run.interrupted { " · stopped before its end" }
                @if let Some(explanation) = explanation_of_result(run, assessment) {
                    (explanation)
                }
            }
            dl.facts {
                div { dt { "matrix cases" } dd { (run.matrix_cases.len()) } }
                div { dt { "scenarios" } dd { (run.scenarios.len()) } }
                div { dt { "profile" } dd { (profiles.join(", ")) } }
                div { dt { "strategy" } dd { (strategies.join(", ")) } }
                div.wide { dt { "credentials" } dd { (with_code(&header.credential_layout)) } }
                div.wide { dt { "baseline" } dd { (baseline_in_words(assessment)) } }
                @for (masking, cases) in Masking::counts(run) {
                    div {
                        dt { "refusals masked by " (with_code(masking.description())) }
                        dd { (cases) }
                    }
                }
                @if !header.filters.is_empty() {
                    div.wide { dt { "partial run" } dd { code { (header.filters.join(" ")) } } }
                }
            }
            (bar("core", rows, true))
            (bar("recommended", rows, false))
            nav aria-label="sections" {
                a href="#requirements" { "Requirements" }
                a href="#matrix" { "Matrix" }
                a href="#scenarios" { "Scenarios" }
                a href="#not-judged" { "Not judged" }
            }
        }
    }
}

/// The judged requirements as a bar: each part is as wide as the number with that verdict.
fn bar(name: &str, rows: &[RequirementRow<'_>], core: bool) -> Markup {
    let counts = totals(rows, core);
    let total: usize = counts.values().sum();
    let mut x = 0;
    html! {
        figure.bar {
            figcaption {
                b { (name) }
                @for (verdict, count) in counts.iter().rev() {
                    " " span.count { i.dot.(verdict) {} (count) " " (verdict) }
                }
                @if total == 0 { " none judged" }
            }
            svg viewBox={ "0 0 " (total.max(1)) " 1" } preserveAspectRatio="none"
                aria-hidden="true" {
                @for (verdict, count) in counts.iter().rev() {
                    rect.(verdict) x=({ x += count; x - count }) y="0" width=(count) height="1" {}
                }
            }
        }
    }
}

/// What a reader should know about how the run was made.
fn notes(run: &Run) -> Markup {
    html! {
        @if !run.notes.is_empty() {
            section #notes {
                h2 { "Notes" }
                ul {
                    @for note in &run.notes {
                        li { (note.in_words()) }
                    }
                }
            }
        }
    }
}

/// Problems that are about no single requirement: damage and stale baseline entries.
fn problems(assessment: &Assessment<'_>) -> Markup {
    html! {
        @for damage in &assessment.unexpected_damages {
            (damage_section("Damage", damage, None))
        }
        @for (damage, entry) in &assessment.expected_damages {
            (damage_section("Expected damage", damage, Some(&entry.reason)))
        }
        @if !assessment.stale.is_empty() {
            section.trouble {
                h2 { "Stale baseline entries" }
                p { "These failures no longer happen. Remove the entries from the baseline." }
                ul {
                    @for entry in &assessment.stale {
                        li { b { (entry.subject()) } " " (entry.verdict()) ": " (entry.reason()) }
                    }
                }
            }
        }
    }
}

/// One damage: what no longer worked, after which cases, and the end of the log.
fn damage_section(title: &str, damage: &Damage, reason: Option<&str>) -> Markup {
    html! {
        section.trouble {
            h2 { (title) }
            p { (damage.in_words()) }
            @if let Some(reason) = reason { p { "baseline: " (reason) } }
            @if !damage.matrix_cases.is_empty() {
                p { "after" }
                ul { @for case_id in &damage.matrix_cases { li { code { (case_id) } } } }
            }
            @if damage.not_judged > 0 { p { (damage.not_judged) " cases were not judged." } }
            @if !damage.log.is_empty() {
                p { "the end of the log" }
                pre { @for line in &damage.log { (line) "\n" } }
            }
        }
    }
}

/// Why requirements and cases were not judged.
fn not_judged_section(run: &Run, rows: &[RequirementRow<'_>]) -> Markup {
    let reasons = not_judged(run, rows);
    html! {
        @if !reasons.is_empty() {
            section #not-judged {
                h2 { "Not judged" }
                ul {
                    @for reason in &reasons {
                        li { b { (reason.counts_in_words()) } ": " (with_code(&reason.reason)) }
                    }
                }
            }
        }
    }
}

fn footer(run: &Run) -> Markup {
    let header = &run.header;
    html! {
        footer {
            p {
                "The MCP specification forbids a server to pass a client's token through to "
                "another server. The suite tests gateways that do it. The secrets on this page "
                "were made for the run and are valid only for its mock upstream servers."
            }
            p {
                "suite " (header.suite) " · catalogue " code { (header.catalogue) }
                " · random seed " (header.random_seed)
            }
        }
    }
}
