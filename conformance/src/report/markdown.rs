//! The summary for a pull request or a job's page, in Markdown as GitHub takes it.

use std::fmt::Write as _;

use super::{
    json::{first, totals},
    word,
};
use crate::judge::{baseline::Assessment, run_file::Run};
use crate::judge::{
    effective_verdict::{EffectiveVerdict, EffectiveVerdicts, Row},
    summary::{outcome, verdicts},
};

/// The summary.
pub(super) fn markdown(run: &Run, assessment: &Assessment<'_>) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let header = &run.header;
    let mut text = format!(
        "## Preflight: {} {}\n\n",
        escaped(&header.implementation),
        escaped(&header.version)
    );
    let result = word(outcome(run, &verdicts(run)));
    let interrupted = if run.interrupted { ", stopped before its end" } else { "" };
    let _ = writeln!(
        text,
        "**{result}**{interrupted} · {} matrix cases and {} scenarios\n",
        run.matrix_cases.len(),
        run.scenarios.len()
    );
    if !header.filters.is_empty() {
        let _ = writeln!(text, "Only a part of the suite: `{}`\n", header.filters.join(" "));
    }
    text.push_str("| | judged | stands as |\n| --- | ---: | --- |\n");
    for (name, core) in [("core", true), ("recommended", false)] {
        let totals = totals(&rows, core);
        let of: Vec<String> = EffectiveVerdict::ALL
            .iter()
            .rev()
            .filter_map(|standing| Some(format!("{} {standing}", totals.get(standing.as_str())?)))
            .collect();
        let _ =
            writeln!(text, "| {name} | {} | {} |", totals.values().sum::<usize>(), of.join(", "));
    }
    for damage in &run.damages {
        let _ = writeln!(text, "\n> **Damage** {}", escaped(&damage.description));
    }
    for stale in &assessment.stale {
        let _ = writeln!(
            text,
            "\n> **Stale** {} no longer happens: take the entry out of the baseline",
            stale.requirement
        );
    }
    table(
        &mut text,
        "Not as expected",
        rows.iter().filter(|row| row.unexpected),
        run,
        &effective_verdicts,
    );
    let known =
        |row: &&Row<'_>| row.standing == EffectiveVerdict::ExpectedFailure && !row.unexpected;
    table(&mut text, "Known failures", rows.iter().filter(known), run, &effective_verdicts);
    let advice = |row: &&Row<'_>| {
        matches!(
            row.standing,
            EffectiveVerdict::Recommended | EffectiveVerdict::Warn | EffectiveVerdict::NonStrict
        ) && !row.unexpected
    };
    table(
        &mut text,
        "Recommended, and not met",
        rows.iter().filter(advice),
        run,
        &effective_verdicts,
    );
    let _ = writeln!(
        text,
        "\n<sub>suite {} · catalogue {} · random seed {}</sub>",
        header.suite, header.catalogue, header.random_seed
    );
    text
}

fn table<'a, 'b: 'a>(
    text: &mut String,
    title: &str,
    rows: impl Iterator<Item = &'a Row<'b>>,
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(
        text,
        "\n### {title}\n\n| requirement | | expected | actual |\n| --- | --- | --- | --- |"
    );
    for row in rows {
        let (expected, actual) = match (row.known, first(run, effective_verdicts, row)) {
            (Some(known), _) if !row.unexpected => {
                (known.verdict.to_string(), escaped(&known.reason))
            }
            (_, Some((case, finding))) => (
                format!("{} {}", finding.observable, escaped(&finding.expected)),
                format!("{} in `{}`", escaped(&finding.actual), case.replace('|', "\\|")),
            ),
            (_, None) => (String::new(), String::new()),
        };
        let _ = writeln!(
            text,
            "| **{}** {} | {} | {expected} | {actual} |",
            row.verdict.id,
            row.verdict.level,
            row.statement().replace('|', "\\|")
        );
    }
}

/// Text that stays text in a table: what an implementation says must not become markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
