//! One page with the whole run in it: the verdict on each requirement, the matrix as a heat map, and every case's trace on both faces.
//!
//! It loads nothing and may load nothing: its policy forbids all but the script and the style that it carries, by their hashes. What
//! an implementation or an upstream said is only ever text in it. Requirements, matrix and scenarios are there without a script; the
//! script filters them and opens traces, which are carried compressed.

mod data;
mod matrix;
mod requirements;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::word;
use crate::judge::{baseline::Assessment, run_file::Run};
use crate::judge::{
    effective_verdict::{EffectiveVerdict, EffectiveVerdicts, Row},
    summary::{outcome, verdicts},
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub(super) fn html(run: &Run, assessment: &Assessment<'_>) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let result = word(outcome(run, &verdicts(run)));
    let header = &run.header;
    let title = format!("{result}: {} {}", header.implementation, header.version);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="content-security-policy" content=(policy());
                meta name="referrer" content="no-referrer";
                title { "Preflight · " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (masthead(run, &rows, result))
                main {
                    (troubles(run, assessment))
                    (requirements::section(run, &effective_verdicts, &rows))
                    (matrix::section(run, &effective_verdicts, &rows))
                    (matrix::scenarios(run, &effective_verdicts))
                }
                footer {
                    p {
                        "Forwarding a client's token is itself against the MCP specification; the suite tests the practice because it exists. "
                        "Secrets on this page belong to mock upstreams and opened nothing else."
                    }
                    p { "suite " (header.suite) " · catalogue " code { (header.catalogue) } " · random seed " (header.random_seed) }
                }
                dialog #case aria-labelledby="case-title" {}
                noscript { p.noscript { "Traces and filters need JavaScript; everything else is above." } }
                script #data type="application/octet-stream" { (PreEscaped(data::packed(run, &effective_verdicts))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Text in which what stands between backticks is code.
fn rich(text: &str) -> Markup {
    html! { @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// Nothing but what the page itself carries.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    )
}

fn masthead(run: &Run, rows: &[Row<'_>], result: &str) -> Markup {
    let header = &run.header;
    let strategies: Vec<&str> =
        header.strategies.iter().map(|strategy| strategy.as_str()).collect();
    html! {
        header.masthead {
            p.brand { "Preflight conformance" }
            h1 { (header.implementation) " " span.version { (header.version) } }
            p.result.(result) {
                strong { (result) }
                @if run.interrupted { " · stopped before its end" }
            }
            dl.facts {
                div { dt { "matrix-cases" } dd { (run.matrix_cases.len()) } }
                div { dt { "scenarios" } dd { (run.scenarios.len()) } }
                div { dt { "profile" } dd { (header.profiles.iter().map(|profile| profile.as_str()).collect::<Vec<_>>().join(", ")) } }
                div { dt { "strategy" } dd { (strategies.join(", ")) } }
                div.wide { dt { "credentials" } dd { (rich(&header.credential_layout)) } }
                @if !header.filters.is_empty() {
                    div.wide { dt { "only a part" } dd { code { (header.filters.join(" ")) } } }
                }
            }
            (bar("core", rows, true))
            (bar("recommended", rows, false))
            nav aria-label="sections" {
                a href="#requirements" { "Requirements" }
                a href="#matrix" { "Matrix" }
                a href="#scenarios" { "Scenarios" }
            }
        }
    }
}

/// How the judged requirements stand, as a bar whose parts are as wide as they are many.
fn bar(name: &str, rows: &[Row<'_>], core: bool) -> Markup {
    let of = || rows.iter().filter(|row| row.judged() && row.verdict.core == core);
    let all = of().count();
    let counts: Vec<(EffectiveVerdict, usize)> = EffectiveVerdict::ALL
        .iter()
        .rev()
        .map(|standing| (*standing, of().filter(|row| row.standing == *standing).count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    let mut from = 0;
    html! {
        figure.bar {
            figcaption {
                b { (name) }
                @for (standing, count) in &counts { " " span.count { i.dot.(standing) {} (count) " " (standing) } }
                @if all == 0 { " none judged" }
            }
            svg viewBox={ "0 0 " (all.max(1)) " 1" } preserveAspectRatio="none" aria-hidden="true" {
                @for (standing, count) in &counts {
                    rect.(standing) x=({ from += count; from - count }) y="0" width=(count) height="1" {}
                }
            }
        }
    }
}

/// What is about no single requirement: damage, and a baseline that the run departs from.
fn troubles(run: &Run, assessment: &Assessment<'_>) -> Markup {
    html! {
        @for damage in &run.damages {
            section.trouble {
                h2 { "Damage" }
                p { (damage.description) }
                @if !damage.matrix_cases.is_empty() { ul { @for matrix_case in &damage.matrix_cases { li { code { (matrix_case) } } } } }
            }
        }
        @if !assessment.stale.is_empty() {
            section.trouble {
                h2 { "Stale baseline" }
                p { "These no longer happen: take them out of the baseline." }
                ul { @for known in &assessment.stale { li { b { (known.requirement) } " " (known.verdict) ": " (known.reason) } } }
            }
        }
    }
}
