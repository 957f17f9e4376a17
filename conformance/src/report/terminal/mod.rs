//! The report for a terminal: failures in full first, then other problems in short, then counts.

mod also_failing;
mod damage;
mod overview;

use std::fmt::Write as _;

use self::also_failing::also_failing;
use super::{
    cause::{Cause, Unmet, causes},
    deciding_findings,
    failure::{UnexpectedFailures, labelled},
};
use crate::{
    judge::{Finding, baseline::Assessment, effective_verdict::EffectiveVerdicts, run_file::Run},
    trace::printable::{printable, printable_lines},
};

/// Which requirements the report lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Only those that are not met.
    #[default]
    Problems,
    /// Every requirement that was judged.
    AllRequirements,
}

/// How the report is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminalOptions {
    /// Which requirements are listed.
    pub verbosity: Verbosity,
    /// The terminal's width in columns, to which lists are cut; `None` cuts nothing. Failures are
    /// never cut.
    pub width: Option<usize>,
}

/// The report for a terminal.
#[must_use]
pub fn terminal(run: &Run, assessment: &Assessment<'_>, options: TerminalOptions) -> String {
    let effective_verdicts = EffectiveVerdicts::new(run, assessment);
    let rows = effective_verdicts.rows(run);
    let causes = causes(run, &effective_verdicts, &rows);
    let width = options.width;
    let mut sections = vec![overview::header(run, assessment)];
    sections.extend(damage::unexpected(assessment));
    sections.extend(failures(run, assessment, &causes, width));
    sections.extend(damage::expected(assessment));
    sections.push(fit(&other_problems(run, &effective_verdicts, &causes), width));
    sections.push(stale_entries(assessment));
    if options.verbosity == Verbosity::AllRequirements {
        sections.push(fit(&overview::requirements(&rows), width));
    }
    sections.push(overview::masked_refusals(run));
    sections.push(overview::notes(run));
    sections.push(fit(&overview::not_judged(run, &rows), width));
    sections.push(fit(&overview::groups(&rows), width));
    sections.push(overview::totals(run, assessment, &rows, &causes));
    sections.retain(|section| !section.is_empty());
    printable_lines(&sections.join("\n"))
}

/// One unexpected failure of each root cause in full, and the other requirements that it violates.
fn failures(
    run: &Run,
    assessment: &Assessment<'_>,
    causes: &[Cause<'_, '_>],
    width: Option<usize>,
) -> Vec<String> {
    let failing = causes.iter().filter(|cause| cause.head.row.unexpected);
    let sections = failing.filter_map(|cause| {
        let id = cause.head.id();
        let failures = UnexpectedFailures::of_requirement(id, run, assessment)?;
        let mut text = failures.first.in_full(run);
        text += &labelled("failing", &failures.count_in_words());
        if let Some(others) = also_failing(&failures) {
            text += &labelled("also failing", &others);
        }
        Some(text + &fit(&consequences(cause), width))
    });
    sections.collect()
}

/// One line for each requirement that fails because of the same defect.
fn consequences(cause: &Cause<'_, '_>) -> String {
    let lines = cause.consequences.iter().map(|consequence| {
        let row = consequence.row;
        let id = consequence.in_short(cause.head.row);
        labelled("consequence", &format!("{id}  {}  {}", row.summary.level, row.statement()))
    });
    lines.collect()
}

/// Expected failures, advisories, warnings and non-strict values: a few lines for each root cause.
fn other_problems(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    causes: &[Cause<'_, '_>],
) -> String {
    let mut text = String::new();
    for cause in causes.iter().filter(|cause| !cause.head.row.unexpected) {
        text += &other_problem(run, effective_verdicts, &cause.head);
        for consequence in &cause.consequences {
            let row = consequence.row;
            let id = consequence.in_short(cause.head.row);
            let _ = writeln!(text, "      consequence: {id}  {}", row.statement());
            for entry in &row.expected_failures {
                let _ = writeln!(text, "          baseline: {}", entry.reason());
            }
        }
    }
    text
}

/// One requirement that is not met: two lines, or the reasons of its baseline entries.
fn other_problem(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    unmet: &Unmet<'_, '_>,
) -> String {
    let row = unmet.row;
    let verdict = row.verdict.as_str().to_uppercase();
    let (id, level) = (&row.summary.id, row.summary.level);
    let mut text = format!("{verdict}  {id}  {level}  {}\n", row.statement());
    for entry in &row.expected_failures {
        let _ = writeln!(text, "      baseline: {}", entry.reason());
    }
    if !row.expected_failures.is_empty() {
        return text;
    }
    let findings = deciding_findings(run, effective_verdicts, row);
    let Some((case_id, finding)) = findings.first() else {
        return text;
    };
    let Finding { observable, expected, actual, .. } = finding;
    let count = unmet.count_in_words();
    let line = format!(
        "{observable}: expected {expected}, actual {actual}, in {count}, for example {case_id}"
    );
    let _ = writeln!(text, "      {}", printable(&line));
    text
}

fn stale_entries(assessment: &Assessment<'_>) -> String {
    let mut text = String::new();
    for entry in &assessment.stale {
        let _ = writeln!(
            text,
            "STALE  {}  {}  {}\n       this failure no longer happens: remove the entry from the \
             baseline",
            entry.subject(),
            entry.verdict(),
            entry.reason()
        );
    }
    text
}

/// The text with each line cut to the width of the terminal.
fn fit(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let mut fitted = String::new();
    for line in text.lines() {
        if line.chars().count() <= width {
            fitted.push_str(line);
        } else {
            fitted.extend(line.chars().take(width.saturating_sub(1)));
            fitted.push('…');
        }
        fitted.push('\n');
    }
    fitted
}
