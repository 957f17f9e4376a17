//! The summary for a pull request or a CI job, in Markdown as GitHub renders it.

use std::fmt::Write as _;

use super::{
    cause::{Cause, causes},
    comparison::{baseline_in_words, explanation_of_result},
    counts_in_words, deciding_findings,
    not_judged::not_judged,
    result_name, totals,
};
use crate::{
    judge::{
        baseline::Assessment,
        effective_verdict::{EffectiveVerdict, EffectiveVerdicts, RequirementRow},
        masking::Masking,
        run_file::{Damage, Run},
        summary::{run_result, verdicts},
    },
    trace::printable::printable,
};

/// The report as Markdown.
pub(super) fn markdown(run: &Run, assessment: &Assessment<'_>) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let mut text = heading(run, assessment);
    text += &totals_table(&rows);
    text += &notices(assessment);
    let causes = causes(run, &effective_verdicts, &rows);
    type Selects = fn(&RequirementRow<'_>) -> bool;
    let tables: [(&str, Selects); 3] = [
        ("Unexpected failures", |row| row.unexpected),
        ("Expected failures", |row| {
            !row.unexpected && row.verdict == EffectiveVerdict::ExpectedFailure
        }),
        ("Recommended, and not met", |row| {
            !row.unexpected && row.verdict != EffectiveVerdict::ExpectedFailure
        }),
    ];
    for (title, belongs) in tables {
        let lines: Vec<String> = causes
            .iter()
            .filter(|cause| belongs(cause.head.row))
            .map(|cause| table_line(run, &effective_verdicts, cause))
            .collect();
        if !lines.is_empty() {
            let _ = write!(
                text,
                "\n### {title}\n\n| requirement | | expected | actual |\n| --- | --- | --- | --- \
                 |\n{}",
                lines.concat()
            );
        }
    }
    text += &masked_refusals(run);
    text += &notes(run);
    text += &reasons_not_judged(run, &rows);
    let header = &run.header;
    let _ = writeln!(
        text,
        "\n<sub>suite {} · catalogue {} · random seed {}</sub>",
        escaped(&header.suite),
        escaped(&header.catalogue),
        header.random_seed
    );
    text
}

fn heading(run: &Run, assessment: &Assessment<'_>) -> String {
    let header = &run.header;
    let result = result_name(run_result(run, &verdicts(run)));
    let explanation = explanation_of_result(run, assessment).unwrap_or_default();
    let interrupted = if run.interrupted { ", stopped before its end" } else { "" };
    let mut text = format!(
        "## Preflight: {} {}\n\n**{result}**{interrupted}{explanation} · {} matrix cases and {} \
         scenarios\n\nBaseline: {}\n\n",
        escaped(&header.implementation),
        escaped(&header.version),
        run.matrix_cases.len(),
        run.scenarios.len(),
        escaped(&baseline_in_words(assessment))
    );
    if !header.filters.is_empty() {
        let _ = writeln!(text, "Partial run: {}\n", code(&header.filters.join(" ")));
    }
    text
}

/// How many refusals are masked in each way, the most harmful first.
fn masked_refusals(run: &Run) -> String {
    let lines = Masking::counts(run);
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "\n### Masked refusals\n\n| masked by | cases |\n| --- | ---: |\n".to_owned();
    for (masking, cases) in lines {
        let _ = writeln!(text, "| {} | {cases} |", masking.description());
    }
    text
}

/// What a reader should know about how the run was made.
fn notes(run: &Run) -> String {
    if run.notes.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = run
        .notes
        .iter()
        .map(|note| format!("- {}\n", escaped(&note.in_words())))
        .collect();
    format!("\n### Notes\n\n{}", lines.concat())
}

/// Why requirements and cases were not judged.
fn reasons_not_judged(run: &Run, rows: &[RequirementRow<'_>]) -> String {
    let lines: Vec<String> = not_judged(run, rows)
        .into_iter()
        .map(|reason| {
            let (requirements, cases) = (reason.requirements, reason.cases);
            format!("| {} | {requirements} | {cases} |\n", escaped(&reason.reason))
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "\n### Not judged\n\n| reason | requirements | cases |\n| --- | ---: | ---: |\n{}",
        lines.concat()
    )
}

fn totals_table(rows: &[RequirementRow<'_>]) -> String {
    let mut text = String::from("| | judged | verdicts |\n| --- | ---: | --- |\n");
    for (name, core) in [("core", true), ("recommended", false)] {
        let totals = totals(rows, core);
        let judged: usize = totals.values().sum();
        let _ = writeln!(text, "| {name} | {judged} | {} |", counts_in_words(&totals, ", "));
    }
    text
}

/// One damage: what no longer worked, the first case that did it, and the end of the log.
fn damage_notice(title: &str, damage: &Damage) -> String {
    let mut text = format!("\n> **{title}** {}", escaped(&damage.in_words()));
    match damage.matrix_cases.split_first() {
        None => {}
        Some((first, [])) => _ = write!(text, " after {}", escaped(first)),
        Some((first, others)) => {
            let _ = write!(text, " after {} and {} more cases", escaped(first), others.len());
        }
    }
    text.push('\n');
    if damage.not_judged > 0 {
        let _ = writeln!(text, "> {} cases were not judged.", damage.not_judged);
    }
    let log = damage.log.iter().map(|line| format!("> <br>log: {}\n", escaped(line)));
    text.extend(log);
    text
}

/// Damage and stale baseline entries, as quotations.
fn notices(assessment: &Assessment<'_>) -> String {
    let mut text = String::new();
    for damage in &assessment.unexpected_damages {
        text += &damage_notice("Damage", damage);
    }
    for (damage, entry) in &assessment.expected_damages {
        text += &damage_notice("Expected damage", damage);
        let _ = writeln!(text, "> Baseline: {}", escaped(&entry.reason));
    }
    for entry in &assessment.stale {
        let _ = writeln!(
            text,
            "\n> **Stale** {} no longer fails: remove the entry from the baseline",
            entry.subject()
        );
    }
    text
}

fn table_line(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    cause: &Cause<'_, '_>,
) -> String {
    let row = cause.head.row;
    let findings = deciding_findings(run, effective_verdicts, row);
    let (expected, actual) = match (row.expected_failures.first(), findings.first()) {
        (Some(entry), _) if !row.unexpected => {
            (entry.verdict().to_string(), escaped(&row.reasons().unwrap_or_default()))
        }
        (_, Some((case_id, finding))) => (
            format!("{} {}", escaped(&finding.observable), escaped(&finding.expected)),
            format!(
                "{}, in {}, for example {}",
                escaped(&finding.actual),
                cause.head.count_in_words(),
                code(case_id)
            ),
        ),
        (_, None) => (String::new(), String::new()),
    };
    let consequences = cause
        .consequences_in_words()
        .map_or_else(String::new, |others| format!("<br>Consequences: {others}"));
    format!(
        "| **{}** {} | {}{consequences} | {expected} | {actual} |\n",
        row.summary.id,
        row.summary.level,
        row.statement().replace('|', "\\|")
    )
}

/// The text as code in a table.
fn code(text: &str) -> String {
    format!("`{}`", printable(text).replace('`', "'").replace('|', "\\|"))
}

/// The text with everything escaped that Markdown or HTML would interpret.
///
/// Texts that come from an implementation must not become markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c => safe.push(c),
        }
    }
    safe
}
