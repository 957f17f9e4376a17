//! The report for a terminal: failures in full first, then other problems in short, then counts.

mod also_failing;
mod damage;
mod overview;

use std::fmt::Write as _;

use self::also_failing::also_failing;
use super::{
    deciding_findings,
    failure::{UnexpectedFailures, labelled},
    is_unmet,
};
use crate::judge::{
    baseline::Assessment,
    effective_verdict::{EffectiveVerdicts, RequirementRow},
    run_file::Run,
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
    let width = options.width;
    let mut sections = vec![overview::header(run, assessment)];
    sections.extend(damage::unexpected(assessment));
    sections.extend(failures(run, assessment, &rows));
    sections.extend(damage::expected(assessment));
    sections.push(fit(&other_problems(run, &effective_verdicts, &rows), width));
    sections.push(stale_entries(assessment));
    if options.verbosity == Verbosity::AllRequirements {
        sections.push(fit(&overview::requirements(&rows), width));
    }
    sections.push(overview::masked_refusals(run));
    sections.push(overview::notes(run));
    sections.push(fit(&overview::not_judged(run, &rows), width));
    sections.push(fit(&overview::groups(&rows), width));
    sections.push(overview::totals(run, assessment, &rows));
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

/// One unexpected failure of each requirement in full.
fn failures(run: &Run, assessment: &Assessment<'_>, rows: &[RequirementRow<'_>]) -> Vec<String> {
    let failing = rows.iter().filter(|row| row.unexpected);
    let sections = failing.filter_map(|row| {
        let failures = UnexpectedFailures::of_requirement(&row.summary.id, run, assessment)?;
        let mut text = failures.first.in_full(run);
        text += &labelled("failing", &failures.count_in_words());
        if let Some(others) = also_failing(&failures) {
            text += &labelled("also failing", &others);
        }
        Some(text)
    });
    sections.collect()
}

/// Expected failures, advisories, warnings and non-strict values: two lines for each requirement.
fn other_problems(
    run: &Run,
    effective_verdicts: &EffectiveVerdicts<'_>,
    rows: &[RequirementRow<'_>],
) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| is_unmet(row) && !row.unexpected) {
        let verdict = row.verdict.as_str().to_uppercase();
        let (id, level) = (&row.summary.id, row.summary.level);
        let _ = writeln!(text, "{verdict}  {id}  {level}  {}", row.statement());
        for entry in &row.expected_failures {
            let _ = writeln!(text, "      baseline: {}", entry.reason());
        }
        if !row.expected_failures.is_empty() {
            continue;
        }
        let findings = deciding_findings(run, effective_verdicts, row);
        let Some((case_id, finding)) = findings.first() else { continue };
        let count = match findings.len() {
            1 => "in".to_owned(),
            count => format!("in {count} cases, the first is"),
        };
        let _ = writeln!(
            text,
            "      {}: expected {}, actual {}, {count} {case_id}",
            finding.observable, finding.expected, finding.actual
        );
    }
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
