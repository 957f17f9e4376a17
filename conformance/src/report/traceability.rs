//! The traceability table of a run: which requirement is judged by which rules and scenarios, over how many cases, and which defects show
//! that a failure would be noticed.
//!
//! Made from what was judged, not from what the rules promise. What is missing is a gap, and each gap is named.

use std::fmt::Write as _;

use indexmap::{IndexMap, IndexSet};

use super::{is_listed, markdown::escaped};
use crate::judge::summary::verdicts;
use crate::{
    catalogue::{Catalogue, Requirement, Status},
    judge::{run_file::Run, summary::RequirementVerdict},
    model_gateway::{self, Fault},
};

/// What judged one requirement: each rule or scenario, with the cases in which it did.
type JudgedBy<'a> = IndexMap<&'a str, IndexSet<String>>;

/// The table, in Markdown.
pub(super) fn traceability(run: &Run) -> String {
    let mut judged: IndexMap<&str, JudgedBy<'_>> = IndexMap::new();
    for (about, finding) in run.findings() {
        judged
            .entry(&finding.requirement)
            .or_default()
            .entry(&finding.rule)
            .or_default()
            .insert(about);
    }
    let header = &run.header;
    let mut text = format!(
        "# What judges what\n\nFrom a run of suite {} (catalogue {}) against {} {}, over {} matrix cases and {} scenarios.\n",
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
            "\nOnly a part was run: `{}`. Everything else is missing here.",
            header.filters.join(" ")
        );
    }
    text.push_str("\n| requirement | level | judged by | cases | verdict | noticed with |\n| --- | --- | --- | ---: | --- | --- |\n");
    let mut excused = Vec::new();
    for verdict in verdicts(run) {
        let Some(requirement) = Catalogue::embedded().get(&verdict.id) else {
            continue;
        };
        match requirement.status() {
            Status::Covered => {
                let by = judged.get(verdict.id.as_str());
                row(&mut text, requirement, &verdict, by);
            }
            Status::Excluded(reason) => excused.push((requirement, reason)),
            Status::NotYet(_) => {}
        }
    }
    if !excused.is_empty() {
        text.push_str("\n## Not judged, and why\n\n| requirement | level | | why |\n| --- | --- | --- | --- |\n");
        for (requirement, reason) in excused {
            let Requirement { id, level, statement, .. } = requirement;
            let _ = writeln!(
                text,
                "| {id} | {level} | {} | cannot be observed: {} |",
                statement.replace('|', "\\|"),
                escaped(&reason)
            );
        }
    }
    let _ = writeln!(text, "\n## Gaps\n");
    let gaps = gaps(run);
    if gaps.is_empty() {
        text.push_str("None: every requirement is judged or says why not, and every MUST has a defect that fails it.\n");
    }
    for gap in gaps {
        let _ = writeln!(text, "- {}", escaped(&gap));
    }
    text
}

fn row(
    text: &mut String,
    requirement: &Requirement,
    verdict: &RequirementVerdict,
    by: Option<&JudgedBy<'_>>,
) {
    let judges: Vec<String> = by
        .into_iter()
        .flatten()
        .map(|(rule, cases)| format!("`{rule}` ({})", cases.len()))
        .collect();
    let cases: IndexSet<&String> = by.into_iter().flatten().flat_map(|(_, cases)| cases).collect();
    let defects: Vec<&str> = killers(&requirement.id).map(Fault::name).collect();
    let defects = match defects.as_slice() {
        [] if !requirement.level.binds() => "no MUST".to_owned(),
        [] => "**none**".to_owned(),
        some => some.join(", "),
    };
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {defects} |",
        requirement.id,
        requirement.level,
        judges.join(", "),
        cases.len(),
        verdict.verdict
    );
}

/// The defects that are claimed, and shown by the suite's own tests, to fail a requirement.
fn killers(id: &str) -> impl Iterator<Item = &'static Fault> {
    model_gateway::all()
        .iter()
        .filter(move |fault| fault.fails.iter().any(|failed| failed == id))
}

/// What the table has no explanation for: a requirement that no case of the run judged, and a MUST without a defect that would be noticed.
#[must_use]
pub fn gaps(run: &Run) -> Vec<String> {
    let whole = run.header.filters.is_empty();
    let gap = |verdict: RequirementVerdict| {
        let requirement = Catalogue::embedded().get(&verdict.id)?;
        let id = &requirement.id;
        match requirement.status() {
            Status::Excluded(_) => None,
            Status::NotYet(reason) => Some(format!("{id}: not judged yet: {reason}")),
            Status::Covered if whole && !is_listed(&verdict) => {
                Some(format!("{id}: judged by a rule, and by no case of this run"))
            }
            Status::Covered if requirement.level.binds() && killers(id).next().is_none() => {
                Some(format!("{id}: no defect shows that a failure would be noticed"))
            }
            Status::Covered => None,
        }
    };
    verdicts(run).into_iter().filter_map(gap).collect()
}
