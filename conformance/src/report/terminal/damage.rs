//! The sections about damage: what no longer worked, after which cases, and the end of the log.

use std::fmt::Write as _;

use crate::{
    judge::{baseline::Assessment, run_file::Damage},
    trace::printable::printable,
};

/// The largest number of cases and of log lines that a section shows.
const MAX_CASES: usize = 5;
const MAX_LOG_LINES: usize = 8;

/// A section for each damage without an entry in the baseline.
pub(super) fn unexpected(assessment: &Assessment<'_>) -> Vec<String> {
    assessment
        .unexpected_damages
        .iter()
        .map(|damage| in_full("DAMAGE", damage))
        .collect()
}

/// A section for each damage that the baseline expects.
pub(super) fn expected(assessment: &Assessment<'_>) -> Vec<String> {
    let section = |damage: &Damage, reason: &str| {
        in_full("EXPECTED-DAMAGE", damage) + &line("baseline", reason)
    };
    let damages = assessment.expected_damages.iter();
    damages.map(|(damage, entry)| section(damage, &entry.reason)).collect()
}

fn in_full(heading: &str, damage: &Damage) -> String {
    let mut text = format!("{heading}  {}\n", printable(&damage.in_words()));
    for case_id in damage.matrix_cases.iter().take(MAX_CASES) {
        text += &line("after", case_id);
    }
    if damage.matrix_cases.len() > MAX_CASES {
        text += &line("after", &format!("{} more cases", damage.matrix_cases.len() - MAX_CASES));
    }
    for log_line in &damage.log[damage.log.len().saturating_sub(MAX_LOG_LINES)..] {
        text += &line("log", log_line);
    }
    if damage.not_judged > 0 {
        text += &line("not judged", &format!("{} cases", damage.not_judged));
    }
    text
}

fn line(label: &str, value: &str) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "        {label:<10}  {}", printable(value));
    text
}
