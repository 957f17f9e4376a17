//! The parts of the terminal report that sum up: the header, requirements, groups and totals.

use std::fmt::Write as _;

use indexmap::IndexMap;

use crate::{
    catalogue::Catalogue,
    judge::{
        baseline::Assessment,
        effective_verdict::RequirementRow,
        masking::Masking,
        run_file::Run,
        summary::{run_result, verdicts},
    },
    report::{
        cause::Cause,
        comparison::{baseline_in_words, explanation_of_result},
        count_verdicts, counts_in_words,
        not_judged::not_judged as reasons_not_judged,
        result_name, totals as count_totals,
    },
    trace::printable::printable,
};

/// What was run, and how.
pub(super) fn header(run: &Run, assessment: &Assessment<'_>) -> String {
    let header = &run.header;
    let strategies: Vec<&str> =
        header.strategies.iter().map(|strategy| strategy.as_str()).collect();
    let profiles: Vec<&str> = header.profiles.iter().map(|profile| profile.as_str()).collect();
    let mut lines = vec![
        format!(
            "{} {} · baseline: {}",
            header.implementation,
            header.version,
            baseline_in_words(assessment)
        ),
        format!("suite {} · random seed {}", header.suite, header.random_seed),
        format!(
            "profile {} · strategy {} · {}",
            profiles.join(", "),
            strategies.join(", "),
            header.credential_layout
        ),
    ];
    if !header.filters.is_empty() {
        lines.push(format!("partial run: {}", header.filters.join(" ")));
    }
    lines.iter().map(|line| format!("{}\n", printable(line))).collect()
}

/// One line for each judged requirement.
pub(super) fn requirements(rows: &[RequirementRow<'_>]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| row.is_judged()) {
        let recommended = if row.summary.core { "" } else { " (recommended)" };
        let _ = writeln!(
            text,
            "{:<16}  {:<7}  {:<10}  {}{recommended}",
            row.verdict.as_str().to_uppercase(),
            row.summary.id,
            row.summary.level,
            row.statement()
        );
    }
    text
}

/// One line for each group of requirements that has a judged one.
pub(super) fn groups(rows: &[RequirementRow<'_>]) -> String {
    let mut groups: IndexMap<&str, Vec<&RequirementRow<'_>>> = IndexMap::new();
    for row in rows {
        groups.entry(row.group()).or_default().push(row);
    }
    groups.retain(|_, rows| rows.iter().any(|row| row.is_judged()));
    let mut text = String::new();
    for (prefix, rows) in groups {
        let title = Catalogue::embedded().title(prefix).unwrap_or_default();
        let subject = title.split(':').next().unwrap_or(title);
        let judged = rows.iter().filter(|row| row.is_judged()).copied();
        let mut counts = counts_in_words(&count_verdicts(judged), " · ");
        let unjudged = rows.iter().filter(|row| !row.is_judged()).count();
        if unjudged > 0 {
            let _ = write!(counts, " · {unjudged} not judged");
        }
        let _ = writeln!(text, "{prefix:<4}  {subject:<20}  {counts}");
    }
    text
}

/// How many refusals are masked in each way, the most harmful first; empty if none is.
pub(super) fn masked_refusals(run: &Run) -> String {
    let counts = Masking::counts(run);
    if counts.is_empty() {
        return String::new();
    }
    let mut text = "MASKED REFUSALS  the most harmful first\n".to_owned();
    for (masking, cases) in counts {
        let noun = if cases == 1 { "case" } else { "cases" };
        let count = format!("{cases} {noun}");
        let _ = writeln!(text, "      {count:<28}  {}", masking.description());
    }
    text
}

/// One line for each note about how the run was made; empty if there is none.
pub(super) fn notes(run: &Run) -> String {
    if run.notes.is_empty() {
        return String::new();
    }
    let mut text = "NOTES\n".to_owned();
    for note in &run.notes {
        let _ = writeln!(text, "      {}", note.in_words());
    }
    text
}

/// One line for each reason why something was not judged; empty if everything was.
pub(super) fn not_judged(run: &Run, rows: &[RequirementRow<'_>]) -> String {
    let reasons = reasons_not_judged(run, rows);
    if reasons.is_empty() {
        return String::new();
    }
    let mut text = "NOT JUDGED\n".to_owned();
    for reason in reasons {
        let _ =
            writeln!(text, "      {:<28}  {}", reason.counts_in_words(), printable(&reason.reason));
    }
    text
}

/// The totals of the run and its result.
pub(super) fn totals(
    run: &Run,
    assessment: &Assessment<'_>,
    rows: &[RequirementRow<'_>],
    causes: &[Cause<'_, '_>],
) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<12}  {value}");
    };
    for (label, core) in [("core", true), ("recommended", false)] {
        let counts = count_totals(rows, core);
        let unjudged =
            rows.iter().filter(|row| row.summary.core == core && !row.is_judged()).count();
        let judged = if counts.is_empty() {
            "none judged".to_owned()
        } else {
            counts_in_words(&counts, " · ")
        };
        if unjudged == 0 {
            line(label, &judged);
        } else {
            line(label, &format!("{judged} · {unjudged} not judged"));
        }
    }
    let judged = rows.iter().filter(|row| row.is_judged()).count();
    let unjudged = rows.len() - judged;
    let noun = if judged == 1 { "requirement" } else { "requirements" };
    line(
        "judged",
        &format!(
            "{judged} {noun}, in {} matrix cases and {} scenarios",
            run.matrix_cases.len(),
            run.scenarios.len()
        ),
    );
    if unjudged > 0 {
        line("not judged", &format!("{unjudged}, for the reasons above"));
    }
    if let Some(causes) = causes_in_words(causes) {
        line("root causes", &causes);
    }
    if run.interrupted {
        line("interrupted", "the run was stopped before its end; the rest was not judged");
    }
    let result = result_name(run_result(run, &verdicts(run)));
    let explanation = explanation_of_result(run, assessment).unwrap_or_default();
    line("result", &format!("{result}{explanation}"));
    text
}

/// The number of root causes of the unmet requirements; `None` if every requirement is met.
fn causes_in_words(causes: &[Cause<'_, '_>]) -> Option<String> {
    if causes.is_empty() {
        return None;
    }
    let unexpected = causes.iter().filter(|cause| cause.head.row.unexpected);
    let (causes_unexpected, unmet_unexpected) = counts(unexpected);
    let (all_causes, all_unmet) = counts(causes.iter());
    let all = match all_unmet {
        1 => format!("{all_causes} for 1 requirement that is not met"),
        _ => format!("{all_causes} for {all_unmet} requirements that are not met"),
    };
    Some(match unmet_unexpected {
        0 => all,
        1 => format!("{causes_unexpected} for 1 unexpected failure; {all}"),
        count => format!("{causes_unexpected} for {count} unexpected failures; {all}"),
    })
}

/// The numbers of causes and of their requirements.
fn counts<'c, 'r: 'c, 'a: 'r>(causes: impl Iterator<Item = &'c Cause<'r, 'a>>) -> (usize, usize) {
    causes.fold((0, 0), |(causes, requirements), cause| {
        (causes + 1, requirements + 1 + cause.consequences.len())
    })
}
