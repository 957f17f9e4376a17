//! The traceability table of a run.
//!
//! It shows for each requirement which rules and scenarios judge it, in how many cases, and which
//! defects fail it. The table is made from the findings of the run, not from the rules. A
//! requirement that no case judges, or a MUST that no defect fails, is listed as a gap.

use std::fmt::Write as _;

use indexmap::{IndexMap, IndexSet};

use super::markdown::escaped;
use crate::{
    catalogue::{Catalogue, Requirement, Status},
    judge::{
        run_file::Run,
        summary::{RequirementVerdict, verdicts},
    },
    model_gateway::Defect,
    trace::printable::printable_lines,
};

/// Each rule or scenario that judged a requirement, with the ids of the cases.
type JudgedBy<'a> = IndexMap<&'a str, IndexSet<String>>;

/// The table in Markdown.
pub(super) fn traceability(run: &Run) -> String {
    let judged = judged_by(run);
    let mut text = heading(run);
    text.push_str(
        "\n| requirement | level | judged by | cases | verdict | defects that fail it |\n\
         | --- | --- | --- | ---: | --- | --- |\n",
    );
    let mut excluded = Vec::new();
    for summary in verdicts(run) {
        let Some(requirement) = Catalogue::embedded().get(&summary.id) else {
            continue;
        };
        match requirement.status() {
            Status::Covered => {
                text += &table_line(requirement, &summary, judged.get(summary.id.as_str()));
            }
            Status::Excluded(reason) => excluded.push((requirement, reason)),
            Status::NotYet(_) => {}
        }
    }
    text += &excluded_table(&excluded);
    let gaps = gaps(run);
    text.push_str("\n## Gaps\n\n");
    if gaps.is_empty() {
        text.push_str(
            "None: every requirement is judged or excluded with a reason, \
             and every MUST has a defect that fails it.\n",
        );
    }
    for gap in gaps {
        let _ = writeln!(text, "- {}", escaped(&gap));
    }
    printable_lines(&text)
}

/// The rules and scenarios that judged each requirement, by its id.
pub(super) fn judged_by(run: &Run) -> IndexMap<&str, JudgedBy<'_>> {
    let mut judged: IndexMap<&str, JudgedBy<'_>> = IndexMap::new();
    for (case_id, finding) in run.findings() {
        judged
            .entry(&finding.requirement)
            .or_default()
            .entry(&finding.rule)
            .or_default()
            .insert(case_id);
    }
    judged
}

fn heading(run: &Run) -> String {
    let header = &run.header;
    let mut text = format!(
        "# Traceability\n\n\
         A run of suite {} (catalogue {}) against {} {}, with {} matrix cases and {} scenarios.\n",
        header.suite,
        header.catalogue,
        escaped(&header.implementation),
        escaped(&header.version),
        run.matrix_cases.len(),
        run.scenarios.len()
    );
    if !header.filters.is_empty() {
        let _ = writeln!(
            text,
            "\nThis was a partial run: `{}`. The table contains only what it judged.",
            header.filters.join(" ")
        );
    }
    text
}

fn table_line(
    requirement: &Requirement,
    summary: &RequirementVerdict,
    judged_by: Option<&JudgedBy<'_>>,
) -> String {
    let judged_by = || judged_by.into_iter().flatten();
    let rules: Vec<String> =
        judged_by().map(|(rule, cases)| format!("`{rule}` ({})", cases.len())).collect();
    let cases: IndexSet<&String> = judged_by().flat_map(|(_, cases)| cases).collect();
    let defects: Vec<&str> = defects_that_fail(&requirement.id).collect();
    let defects = match defects.as_slice() {
        [] if !requirement.level.binds() => "not a MUST".to_owned(),
        [] => "**none**".to_owned(),
        defects => defects.join(", "),
    };
    format!(
        "| {} | {} | {} | {} | {} | {defects} |\n",
        requirement.id,
        requirement.level,
        rules.join(", "),
        cases.len(),
        summary.verdict
    )
}

fn excluded_table(excluded: &[(&Requirement, String)]) -> String {
    if excluded.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n## Excluded requirements\n\n\
         | requirement | level | | reason |\n| --- | --- | --- | --- |\n",
    );
    for (Requirement { id, level, statement, .. }, reason) in excluded {
        let statement = statement.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| {id} | {level} | {statement} | cannot be observed: {} |",
            escaped(reason)
        );
    }
    text
}

/// The names of the defects that fail a requirement; the suite's tests show that they do.
pub(super) fn defects_that_fail(id: &str) -> impl Iterator<Item = &'static str> {
    let fails = move |defect: &&Defect| defect.fails.contains(&id);
    Defect::all().iter().filter(fails).map(|defect| defect.name)
}

/// The gaps of a run: requirements that no case judged, and MUSTs that no defect fails.
///
/// A partial run has no gaps of the first kind.
#[must_use]
pub fn gaps(run: &Run) -> Vec<String> {
    let complete = run.header.filters.is_empty();
    let gap = |summary: RequirementVerdict| {
        let requirement = Catalogue::embedded().get(&summary.id)?;
        let id = &requirement.id;
        match requirement.status() {
            Status::Excluded(_) => None,
            Status::NotYet(reason) => Some(format!("{id}: not judged yet: {reason}")),
            Status::Covered if complete && summary.counts.is_empty() => {
                Some(format!("{id}: a rule judges it, but no case of this run did"))
            }
            Status::Covered if requirement.level.binds() => defects_that_fail(id)
                .next()
                .is_none()
                .then(|| format!("{id}: no defect of the model gateway fails it")),
            Status::Covered => None,
        }
    };
    verdicts(run).into_iter().filter_map(gap).collect()
}
